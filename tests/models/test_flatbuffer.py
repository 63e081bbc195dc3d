"""Flatbuffers that LiteRT must not get: a bundled network with one field changed at a time."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest

from asianage.errors import ModelFormatError
from asianage.models.flatbuffer import check_network
from asianage.models.flatbuffer_tables import MAX_PARTS, Flatbuffer, Table
from asianage.models.folder import DETECTOR_NETWORK, LANDMARKS_NETWORK, NETWORK, bundled_names
from asianage.models.pretrained import open_detector, open_model

CONTENT = open_model("compact").read(NETWORK)
SEARCH = open_detector("detector").read(DETECTOR_NETWORK)


def model(content: bytes = CONTENT) -> Table:
    buffer = Flatbuffer(content)
    return buffer.table(buffer.follow(0))


def graph() -> Table:
    return next(iter(model().tables(2)))


def operator(name: int) -> Table:
    """Return the first operator of a kind, by its number in the schema."""
    numbers = [max(code.number(0, "<b"), code.number(3, "<i")) for code in model().tables(1)]
    return next(item for item in graph().tables(3) if numbers[item.number(0, "<I")] == name)


def changed(place: int | None, kind: str, *values: float, content: bytes = CONTENT) -> bytes:
    assert place is not None
    data = bytearray(content)
    struct.pack_into(f"<{len(values)}{kind}", data, place, *values)
    return bytes(data)


CONVOLUTION, DEPTHWISE, TILE = 3, 4, 69

BROKEN: dict[str, Callable[[], bytes]] = {
    "identifier is not TFL3": lambda: CONTENT[:4] + b"TFL2" + CONTENT[8:],
    "offset points out of the file": lambda: changed(0, "I", len(CONTENT)),
    "operator number 200": lambda: changed(next(iter(model().tables(1))).place(3), "i", 200),
    "a tensor has no buffer": lambda: changed(next(iter(graph().tables(0))).place(2), "I", 10**6),
    "a tensor has the type 77": lambda: changed(next(iter(graph().tables(0))).place(1), "b", 77),
    "a tensor has the shape": lambda: changed(next(iter(graph().tables(0))).vector(0, 4)[0], "i", -5),
    "its inputs or outputs do not exist": lambda: changed(graph().vector(2, 4)[0], "i", 10**6),
    "it does not have one input and 2 or 3 outputs": lambda: changed(graph().vector(2, 4)[0] - 4, "I", 1),
    "reads what is not computed before": lambda: changed(operator(CONVOLUTION).vector(1, 4)[0], "i", 10**6),
    "CONV_2D writes where it must not": lambda: changed(operator(CONVOLUTION).vector(2, 4)[0], "i", 10**6),
    "a vector reaches out of the file": lambda: changed(operator(CONVOLUTION).vector(1, 4)[0] - 4, "I", 10**8),
    "it has too many parts": lambda: changed(graph().vector(3, 4)[0] - 4, "I", MAX_PARTS + 1),
}


@pytest.mark.parametrize("name", bundled_names())
def test_the_bundled_networks_are_accepted(name: str) -> None:
    check_network(open_model(name).read(NETWORK), "bundled")


def test_the_networks_of_the_bundled_detector_are_accepted() -> None:
    check_network(SEARCH, "bundled", outputs=(12,))
    check_network(open_detector("detector").read(LANDMARKS_NETWORK), "bundled")


def test_a_network_with_another_number_of_outputs_is_refused() -> None:
    with pytest.raises(ModelFormatError, match="does not have one input and 2 or 3 outputs"):
        check_network(SEARCH, "x")
    with pytest.raises(ModelFormatError, match="does not have one input and 12 outputs"):
        check_network(CONTENT, "x", outputs=(12,))


@pytest.mark.parametrize("repeats", [0, -1, 17, 2**31 - 1])
def test_an_axis_that_is_repeated_very_often_is_refused(repeats: int) -> None:
    tables = model(SEARCH)
    graph, buffers = next(iter(tables.tables(2))), list(tables.tables(4))
    tensors, codes = list(graph.tables(0)), [code.number(3, "<i") for code in tables.tables(1)]
    tile = next(item for item in graph.tables(3) if codes[item.number(0, "<I")] == TILE)
    place, count = buffers[tensors[tile.numbers(1)[1]].number(2, "<I")].vector(0, 1)
    assert count == 5 * 4
    with pytest.raises(ModelFormatError, match=f"TILE repeats by .*{repeats}"):
        check_network(changed(place + 4, "i", repeats, content=SEARCH), "x", outputs=(12,))


@pytest.mark.parametrize("fault", BROKEN)
def test_a_changed_field_is_refused_with_its_fault(fault: str) -> None:
    with pytest.raises(ModelFormatError, match=f"the source is not a network that can be run: .*{fault}"):
        check_network(BROKEN[fault](), "the source")


def test_a_stride_of_zero_is_refused() -> None:
    options = operator(DEPTHWISE).table(4)
    assert options is not None
    place = next(options.place(field) for field in (1, 2) if options.place(field))
    with pytest.raises(ModelFormatError, match="DEPTHWISE_CONV_2D has a stride or window of 0"):
        check_network(changed(place, "i", 0), "x")


def test_a_scale_that_would_end_the_process_is_refused() -> None:
    for tensor in graph().tables(0):
        quantization = tensor.table(4)
        if quantization is not None and quantization.vector(2, 4)[1]:
            place = quantization.vector(2, 4)[0]
            break
    for scale in (0.0, -1.0, 1e30, float("nan"), float("inf")):
        with pytest.raises(ModelFormatError, match="scale"):
            check_network(changed(place, "f", scale), "x")


@pytest.mark.parametrize("content", [b"", b"abc", b"\x00\x00\x00\x00TFL3", b"not a network" * 1000, bytes(50_000)])
def test_content_of_another_kind_is_refused(content: bytes) -> None:
    with pytest.raises(ModelFormatError, match="Fetch the model again"):
        check_network(content, "x")


def test_whatever_is_cut_off_or_changed_raises_no_other_error() -> None:
    generator = random.Random(0)
    refused = 0
    # The tables lie at the end of the file, behind the constants.
    structure = len(CONTENT) - 100_000
    for number in range(60):
        data = bytearray(CONTENT)
        if number % 3 == 0:
            del data[generator.randrange(structure, len(data)) :]
        else:
            place = generator.randrange(structure, len(data) - 4)
            data[place : place + 4] = generator.choice((b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff"))
        try:
            check_network(bytes(data), "x")
        except ModelFormatError:
            refused += 1
    # Twenty are cut off.
    assert refused >= 20
