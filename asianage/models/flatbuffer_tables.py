"""Read tables, vectors and numbers of a flatbuffer, without a read outside the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

IDENTIFIER = b"TFL3"

MAX_PARTS = 20_000
"""Longest vector of tables."""


class StructureError(ValueError):
    """What is wrong with the file."""


class Flatbuffer:
    """Bytes with checked reads."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 8 or data[4:8] != IDENTIFIER:
            raise StructureError("its identifier is not TFL3")
        self.data = data

    def number(self, kind: str, position: int) -> int:
        """Return the number of a kind of `struct` at a position."""
        return self.numbers(kind, position)[0]

    def numbers(self, kinds: str, position: int) -> tuple[Any, ...]:
        """Return the numbers of several kinds that begin at a position."""
        try:
            if position >= 0:  # A negative one would count from the end.
                return struct.unpack_from(kinds, self.data, position)
        except struct.error:
            pass
        raise StructureError("an offset points out of the file")

    def follow(self, position: int) -> int:
        """Return where the offset at a position leads."""
        return position + self.number("<I", position)

    def table(self, position: int) -> Table:
        """Return the table at a position."""
        return Table(self, position)


class Table:
    """One table: its fields are found through its vtable."""

    def __init__(self, buffer: Flatbuffer, position: int) -> None:
        self._buffer = buffer
        self._position = position
        vtable = position - buffer.number("<i", position)
        length, size = buffer.numbers("<HH", vtable)
        require(length >= 4 and length % 2 == 0 and size >= 4, "a table is malformed")
        buffer.number("<B", position + size - 1)
        self._fields = buffer.numbers(f"<{length // 2 - 2}H", vtable + 4)
        self._size = size
        require(all(not offset or 4 <= offset < size for offset in self._fields), "a field lies outside its table")

    def place(self, field: int, size: int = 1) -> int | None:
        """Return where a field of `size` bytes is, None if it has its default."""
        if field >= len(self._fields) or self._fields[field] == 0:
            return None
        require(self._fields[field] + size <= self._size, "a field lies outside its table")
        return self._position + self._fields[field]

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """Return the number in a field."""
        place = self.place(field, struct.calcsize(kind))
        return default if place is None else self._buffer.number(kind, place)

    def vector(self, field: int, width: int) -> tuple[int, int]:
        """Return position of the first item and number of items, (0, 0) if there is no vector."""
        place = self.place(field, 4)
        if place is None:
            return 0, 0
        start = self._buffer.follow(place)
        count = self._buffer.number("<I", start)
        require(not count or start + 4 + count * width <= len(self._buffer.data), "a vector reaches out of the file")
        return start + 4, count

    def numbers(self, field: int, kind: str = "i") -> tuple[Any, ...]:
        """Return a vector of numbers."""
        start, count = self.vector(field, struct.calcsize(f"<{kind}"))
        return self.values(start, count, kind)

    def values(self, start: int, count: int, kind: str = "i") -> tuple[Any, ...]:
        """Return `count` numbers from a position on that has been checked."""
        return struct.unpack_from(f"<{count}{kind}", self._buffer.data, start)

    def tables(self, field: int) -> Iterator[Table]:
        """Yield a vector of tables."""
        start, count = self.vector(field, 4)
        require(count <= MAX_PARTS, "it has too many parts")
        for index in range(count):
            yield self._buffer.table(self._buffer.follow(start + 4 * index))

    def table(self, field: int) -> Table | None:
        """Return the table in a field, None if there is none."""
        place = self.place(field, 4)
        return None if place is None else self._buffer.table(self._buffer.follow(place))

    def check_text(self, field: int) -> None:
        """Refuse a text without its end."""
        start, count = self.vector(field, 1)
        require(not start or self._buffer.number("<B", start + count) == 0, "a text has no end")


def require(condition: bool, fault: str) -> None:
    """Raise a `StructureError` unless a condition is true."""
    if not condition:
        raise StructureError(fault)
