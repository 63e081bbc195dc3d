"""Check the structure of a ``model.tflite`` before LiteRT loads it.

LiteRT trusts its file: a wrong offset or index ends the process instead of raising an error. A hash in config.json does
not help if the same person wrote both files. So this module walks the flatbuffer first, in plain Python, by the same
schema. It accepts one graph of common operators. All tables, vectors, indices, shapes and constants must lie inside.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from asianage.errors import ModelFormatError

IDENTIFIER = b"TFL3"

MAX_TENSOR_BYTES = 256_000_000
MAX_TENSORS = 20_000
MAX_DIMENSIONS = 5
MAX_REPEATS = 16
"""How often TILE may repeat an axis."""

SCALES = (1e-20, 1e6)
"""Smallest and largest scale of a quantized tensor: beyond, LiteRT's fixed-point arithmetic ends the process."""

_INT32 = 2

_ZERO_POINTS = {3: (0, 255), 9: (-128, 127)}
"""Tensor type -> range of its zero point, for uint8 and int8; all others, and tensors with many scales, have 0."""

_TYPE_BYTES = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1}
"""Tensor type in the schema -> bytes per value: float32, float16, int32, uint8, int64, bool, int16, int8."""

# fmt: off
_OPERATORS = {
    0: "ADD", 1: "AVERAGE_POOL_2D", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 6: "DEQUANTIZE",
    9: "FULLY_CONNECTED", 11: "L2_NORMALIZATION", 14: "LOGISTIC", 17: "MAX_POOL_2D", 18: "MUL", 19: "RELU",
    21: "RELU6", 22: "RESHAPE", 25: "SOFTMAX", 28: "TANH", 34: "PAD", 39: "TRANSPOSE", 40: "MEAN", 41: "SUB",
    42: "DIV", 43: "SQUEEZE", 45: "STRIDED_SLICE", 53: "CAST", 55: "MAXIMUM", 57: "MINIMUM", 60: "PADV2", 69: "TILE",
    70: "EXPAND_DIMS", 73: "LOG", 76: "RSQRT", 77: "SHAPE", 83: "PACK", 98: "LEAKY_RELU", 99: "SQUARED_DIFFERENCE",
    114: "QUANTIZE", 117: "HARD_SWISH", 130: "BROADCAST_TO", 150: "GELU",
}
# fmt: on
"""Number in the schema -> operator of convolutional networks. None has control flow, state or custom code."""

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""Operators of input, weights and, if there is one, bias."""

_WINDOWS = {"CONV_2D": ((1, 2), (4, 5)), "DEPTHWISE_CONV_2D": ((1, 2), (5, 6)), "MAX_POOL_2D": ((1, 2, 3, 4), ())}
_WINDOWS["AVERAGE_POOL_2D"] = _WINDOWS["MAX_POOL_2D"]
"""Fields of an operator's options that must be at least 1: those without a default, those whose default is 1."""

_OPTION_VECTORS = ("RESHAPE", "SQUEEZE")
"""Operators whose options begin with a vector of int32; the options of the others are plain numbers."""


def check_network(content: bytes, source: str, *, outputs: int = 2) -> None:
    """Refuse a flatbuffer that LiteRT could not run safely.

    Args:
        content: The flatbuffer.
        source: Where it comes from, for the message.
        outputs: Number of outputs that the network must have.

    Raises:
        ModelFormatError: `content` is not a flatbuffer of the form above.
    """
    try:
        _check_model(_Flatbuffer(content), outputs)
    except _StructureError as fault:
        raise ModelFormatError(f"{source} is not a network that can be run: {fault}. Fetch the model again.") from fault


class _StructureError(ValueError):
    """What is wrong with the file."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    """What the operators must know about a tensor."""

    constant: bool
    scales: tuple[float, ...]
    repeats: tuple[int, ...] = ()
    """The values of a short constant of int32: how often TILE repeats each axis."""


class _Flatbuffer:
    """Bytes with checked reads."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 8 or data[4:8] != IDENTIFIER:
            raise _StructureError("its identifier is not TFL3")
        self.data = data

    def number(self, kind: str, position: int) -> int:
        size = struct.calcsize(kind)
        if not 0 <= position <= len(self.data) - size:
            raise _StructureError("an offset points out of the file")
        return struct.unpack_from(kind, self.data, position)[0]

    def follow(self, position: int) -> int:
        return position + self.number("<I", position)

    def table(self, position: int) -> _Table:
        return _Table(self, position)


class _Table:
    """One table: its fields are found through its vtable."""

    def __init__(self, buffer: _Flatbuffer, position: int) -> None:
        self._buffer = buffer
        self._position = position
        vtable = position - buffer.number("<i", position)
        length, size = buffer.number("<H", vtable), buffer.number("<H", vtable + 2)
        _require(length >= 4 and length % 2 == 0 and size >= 4, "a table is malformed")
        buffer.number("<B", vtable + length - 1)
        buffer.number("<B", position + size - 1)
        self._fields = [buffer.number("<H", place) for place in range(vtable + 4, vtable + length, 2)]
        self._size = size
        _require(all(not offset or 4 <= offset < size for offset in self._fields), "a field lies outside its table")

    def place(self, field: int, size: int = 1) -> int | None:
        """Return where a field of `size` bytes is, None if it has its default."""
        if field >= len(self._fields) or self._fields[field] == 0:
            return None
        _require(self._fields[field] + size <= self._size, "a field lies outside its table")
        return self._position + self._fields[field]

    def number(self, field: int, kind: str, default: int = 0) -> int:
        place = self.place(field, struct.calcsize(kind))
        return default if place is None else self._buffer.number(kind, place)

    def vector(self, field: int, width: int) -> tuple[int, int]:
        """Return position of the first item and number of items, (0, 0) if there is no vector."""
        place = self.place(field, 4)
        if place is None:
            return 0, 0
        start = self._buffer.follow(place)
        count = self._buffer.number("<I", start)
        _require(not count or start + 4 + count * width <= len(self._buffer.data), "a vector reaches out of the file")
        return start + 4, count

    def numbers(self, field: int, kind: str = "i") -> tuple[Any, ...]:
        start, count = self.vector(field, struct.calcsize(f"<{kind}"))
        return self.values(start, count, kind)

    def values(self, start: int, count: int, kind: str = "i") -> tuple[Any, ...]:
        return struct.unpack_from(f"<{count}{kind}", self._buffer.data, start)

    def tables(self, field: int) -> Iterator[_Table]:
        start, count = self.vector(field, 4)
        _require(count <= MAX_TENSORS, "it has too many parts")
        for index in range(count):
            yield self._buffer.table(self._buffer.follow(start + 4 * index))

    def table(self, field: int) -> _Table | None:
        place = self.place(field, 4)
        return None if place is None else self._buffer.table(self._buffer.follow(place))

    def check_text(self, field: int) -> None:
        start, count = self.vector(field, 1)
        _require(not start or self._buffer.number("<B", start + count) == 0, "a text has no end")


def _check_model(buffer: _Flatbuffer, outputs: int) -> None:
    model = buffer.table(buffer.follow(0))
    operators = [_operator_name(code) for code in model.tables(1)]
    buffers = [_buffer_data(item) for item in model.tables(4)]
    graphs = list(model.tables(2))
    _require(len(graphs) == 1, "it does not hold exactly one graph")
    _require(bool(buffers), "it has no buffers")
    model.check_text(3)
    _require(all(0 <= index < len(buffers) for index in model.numbers(5)), "its metadata point outside")
    for entry in model.tables(6):
        entry.check_text(0)
        _require(entry.number(1, "<I") < len(buffers), "its metadata point outside")
    tensors = _check_graph(graphs[0], operators, buffers, outputs)
    for signature in model.tables(7):
        signature.check_text(2)
        _require(signature.number(4, "<I") == 0, "a signature names another graph")
        for field in (0, 1):
            for entry in signature.tables(field):
                entry.check_text(0)
                _require(entry.number(1, "<I") < tensors, "a signature names a tensor that is not there")


def _operator_name(code: _Table) -> str:
    # The first field is the number in old files; new ones write the larger of both.
    number = max(code.number(0, "<b"), code.number(3, "<i"))
    _require(number in _OPERATORS, f"it uses operator number {number}, which no network of this package needs")
    return _OPERATORS[number]


def _buffer_data(item: _Table) -> tuple[int, int]:
    """Return position and number of bytes of a constant's data."""
    data = item.vector(0, 1)
    _require(item.number(1, "<Q") <= 1 and item.number(2, "<Q") <= 1, "its data lie outside the flatbuffer")
    return data


def _check_graph(graph: _Table, operators: list[str], buffers: list[tuple[int, int]], expected: int) -> int:
    """Check tensors and operators, and return the number of tensors."""
    graph.check_text(4)
    tensors = [_check_tensor(tensor, buffers) for tensor in graph.tables(0)]
    inputs, outputs = graph.numbers(1), graph.numbers(2)
    _require(len(inputs) == 1 and len(outputs) == expected, f"it does not have one input and {expected} outputs")
    _require(all(0 <= index < len(tensors) for index in (*inputs, *outputs)), "its inputs or outputs do not exist")
    _require(not tensors[inputs[0]].constant, "its input is a constant")
    ready = {index for index, tensor in enumerate(tensors) if tensor.constant} | set(inputs)
    for operator in graph.tables(3):
        index = operator.number(0, "<I")
        _require(index < len(operators), "an operator has no code")
        _check_operator(operator, operators[index], tensors, ready)
    _require(set(outputs) <= ready, "its outputs are never computed")
    return len(tensors)


def _check_tensor(tensor: _Table, buffers: list[tuple[int, int]]) -> _Tensor:
    tensor.check_text(3)
    kind, buffer = tensor.number(1, "<b"), tensor.number(2, "<I")
    _require(kind in _TYPE_BYTES, f"a tensor has the type {kind}")
    _require(buffer < len(buffers), "a tensor has no buffer")
    _require(not tensor.number(5, "<B"), "a tensor keeps state")
    _require(all(tensor.place(field) is None for field in (6, 9)), "a tensor is sparse or of variants")
    shape = tensor.numbers(0)
    _require(
        len(shape) <= MAX_DIMENSIONS and all(0 <= side <= 1 << 24 for side in shape), f"a tensor has the shape {shape}"
    )
    size = prod(shape) * _TYPE_BYTES[kind]
    _require(size <= MAX_TENSOR_BYTES, f"a tensor has the shape {shape}")
    signature = tensor.numbers(7)
    _require(not signature or len(signature) == len(shape), "a tensor has two numbers of dimensions")
    _require(all(side in (-1, fixed) for side, fixed in zip(signature, shape, strict=False)), "a tensor has two shapes")
    start, count = buffers[buffer]
    if count:
        _require(count == size, f"the data of a tensor of shape {shape} have {count} bytes")
        _require(start % 4 == 0, "the data of a tensor are not aligned")
    repeats = tensor.values(start, count // 4) if kind == _INT32 and count <= MAX_DIMENSIONS * 4 else ()
    return _Tensor(count > 0, _check_quantization(tensor.table(4), kind, shape), repeats)


def _check_quantization(quantization: _Table | None, kind: int, shape: tuple[int, ...]) -> tuple[float, ...]:
    """Check how a tensor is quantized, and return its scales."""
    if quantization is None:
        return ()
    for field in (0, 1):
        quantization.vector(field, 4)
    _require(quantization.number(4, "<B") == 0, "a tensor has quantization of its own kind")
    scales, zeros, axis = quantization.numbers(2, "f"), quantization.numbers(3, "q"), quantization.number(6, "<i")
    channels = shape[axis] if 0 <= axis < len(shape) else 1
    _require(axis == 0 or 0 <= axis < len(shape), "a tensor is quantized along an axis that it does not have")
    _require(len(scales) in (0, 1, channels), "a tensor has a wrong number of scales")
    _require(len(zeros) in {0, min(1, len(scales)), len(scales)}, "a tensor has a wrong number of zero points")
    smallest, largest = SCALES
    _require(all(smallest <= scale <= largest for scale in scales), "a tensor has a scale that cannot be")
    lowest, highest = _ZERO_POINTS.get(kind, (0, 0)) if len(zeros) == 1 else (0, 0)
    _require(all(lowest <= zero <= highest for zero in zeros), "a tensor has a zero point that cannot be")
    return scales


def _check_operator(operator: _Table, name: str, tensors: list[_Tensor], ready: set[int]) -> None:
    """Check one operator, and add its outputs to the tensors that are `ready`."""
    inputs, outputs = operator.numbers(1), operator.numbers(2)
    _require(len(inputs) > 0 and len(outputs) == 1, f"{name} lacks inputs or outputs")
    optional = inputs[2:] if name in _WEIGHTED else ()
    required = inputs[: len(inputs) - len(optional)]
    _require(set(required) <= ready and set(optional) <= ready | {-1}, f"{name} reads what is not computed before")
    # Writing into a constant would write into the mapped file.
    _require(0 <= outputs[0] < len(tensors) and outputs[0] not in ready, f"{name} writes where it must not")
    if name in _WEIGHTED:
        _require(len(inputs) >= 2, f"{name} has no weights")
        of_input, of_weights, of_output = (tensors[index].scales for index in (inputs[0], inputs[1], outputs[0]))
        if of_input and of_weights and of_output:
            _require(of_input[0] * max(of_weights) / of_output[0] < 256, f"{name} has scales that do not fit together")
    if name == "TILE":
        repeats = tensors[inputs[-1]].repeats
        _require(bool(repeats) and all(1 <= repeat <= MAX_REPEATS for repeat in repeats), f"TILE repeats by {repeats}")
    for field, width in ((5, 1), (7, 1), (8, 4)):
        _require(operator.vector(field, width)[1] == 0, f"{name} has custom options")
    for field in (9, 10, 12):
        _require(operator.place(field) is None, f"{name} has custom options")
    options = operator.table(4)
    if options is not None:
        _check_options(options, name)
    _require(options is not None or name not in _WINDOWS, f"{name} has no options")
    ready.add(outputs[0])


def _check_options(options: _Table, name: str) -> None:
    if name in _OPTION_VECTORS:
        options.vector(0, 4)
    without_default, with_default = _WINDOWS.get(name, ((), ()))
    for fields, default in ((without_default, 0), (with_default, 1)):
        for field in fields:
            value = options.number(field, "<i", default)
            _require(1 <= value <= 4096, f"{name} has a stride or window of {value}")


def _require(condition: bool, fault: str) -> None:
    if not condition:
        raise _StructureError(fault)
