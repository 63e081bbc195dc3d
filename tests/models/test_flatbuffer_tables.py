"""Reads that lead out of a flatbuffer. The flatbuffers of whole networks are tested in `test_flatbuffer`."""

from __future__ import annotations

import struct

import pytest

from asianage.models.flatbuffer_tables import IDENTIFIER, MAX_PARTS, Flatbuffer, StructureError, Table, require

TABLE = 16
"""Position of the table in `flatbuffer`."""


def flatbuffer(*, number: int = 7, count: int = 2, text: bytes = b"ab\0\0") -> Flatbuffer:
    """Return a file of one table with a number, a vector of int32, and a text of two letters."""
    vtable = struct.pack("<HHHHH2x", 10, 16, 4, 8, 12)
    table = struct.pack("<iiII", 12, number, 8, 20 - 4)
    vector = struct.pack("<Iii", count, 10, -20)
    return Flatbuffer(struct.pack("<I", 20) + IDENTIFIER + vtable + table + vector + struct.pack("<I", 2) + text)


def table(**changes: object) -> Table:
    buffer = flatbuffer(**changes)  # type: ignore[arg-type]
    return buffer.table(buffer.follow(0))


def test_fields_are_read_and_missing_ones_have_their_default() -> None:
    assert table().number(0, "<i") == 7
    assert table().numbers(1) == (10, -20)
    assert table().number(9, "<i", 3) == 3
    assert table().numbers(9) == ()
    assert table().table(9) is None
    assert list(table().tables(9)) == []
    table().check_text(2)


def test_a_vector_or_a_text_out_of_the_file_is_refused() -> None:
    with pytest.raises(StructureError, match="a vector reaches out of the file"):
        table(count=100).numbers(1)
    with pytest.raises(StructureError, match="a text has no end"):
        table(text=b"abcd").check_text(2)
    with pytest.raises(StructureError, match="too many parts"):
        list(Table(Flatbuffer(flatbuffer(count=MAX_PARTS + 1).data + bytes(5 * MAX_PARTS)), 20).tables(1))


@pytest.mark.parametrize("position", [-1, 2**31])
def test_a_position_out_of_the_file_is_refused(position: int) -> None:
    with pytest.raises(StructureError, match="an offset points out of the file"):
        flatbuffer().number("<I", position)


@pytest.mark.parametrize("content", [b"", b"TFL3", bytes(8)])
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(StructureError, match="identifier"):
        Flatbuffer(content)


def test_a_requirement_names_its_fault() -> None:
    require(True, "nothing")
    with pytest.raises(StructureError, match="too small"):
        require(False, "too small")
