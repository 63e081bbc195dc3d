"""Check the structure of a ``model.tflite`` before LiteRT loads it.

LiteRT trusts its file: a wrong offset or index ends the process instead of raising an error. A hash in config.json does
not help if the same person wrote both files. So this module walks the flatbuffer first, in plain Python, by the same
schema. It accepts one graph of common operators. All tables, vectors, indices, shapes and constants must lie inside.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import prod

from asianage.errors import ModelFormatError
from asianage.models.flatbuffer_tables import Flatbuffer, StructureError, Table, require

MAX_TENSOR_BYTES = 256_000_000
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


def check_network(content: bytes, source: str, *, outputs: Collection[int] = (2, 3)) -> None:
    """Refuse a flatbuffer that LiteRT could not run safely.

    Args:
        content: The flatbuffer.
        source: Where it comes from, for the message.
        outputs: Numbers of outputs that the network may have.

    Raises:
        ModelFormatError: `content` is not a flatbuffer of the form above.
    """
    try:
        _check_model(Flatbuffer(content), outputs)
    except StructureError as fault:
        raise ModelFormatError(f"{source} is not a network that can be run: {fault}. Fetch the model again.") from fault


@dataclass(frozen=True, slots=True)
class _Tensor:
    """What the operators must know about a tensor."""

    constant: bool
    scales: tuple[float, ...]
    repeats: tuple[int, ...] = ()
    """The values of a short constant of int32: how often TILE repeats each axis."""


def _check_model(buffer: Flatbuffer, outputs: Collection[int]) -> None:
    model = buffer.table(buffer.follow(0))
    operators = [_operator_name(code) for code in model.tables(1)]
    buffers = [_buffer_data(item) for item in model.tables(4)]
    graphs = list(model.tables(2))
    require(len(graphs) == 1, "it does not hold exactly one graph")
    require(bool(buffers), "it has no buffers")
    model.check_text(3)
    require(all(0 <= index < len(buffers) for index in model.numbers(5)), "its metadata point outside")
    for entry in model.tables(6):
        entry.check_text(0)
        require(entry.number(1, "<I") < len(buffers), "its metadata point outside")
    tensors = _check_graph(graphs[0], operators, buffers, outputs)
    for signature in model.tables(7):
        signature.check_text(2)
        require(signature.number(4, "<I") == 0, "a signature names another graph")
        for field in (0, 1):
            for entry in signature.tables(field):
                entry.check_text(0)
                require(entry.number(1, "<I") < tensors, "a signature names a tensor that is not there")


def _operator_name(code: Table) -> str:
    # The first field is the number in old files; new ones write the larger of both.
    number = max(code.number(0, "<b"), code.number(3, "<i"))
    require(number in _OPERATORS, f"it uses operator number {number}, which no network of this package needs")
    return _OPERATORS[number]


def _buffer_data(item: Table) -> tuple[int, int]:
    """Return position and number of bytes of a constant's data."""
    data = item.vector(0, 1)
    require(item.number(1, "<Q") <= 1 and item.number(2, "<Q") <= 1, "its data lie outside the flatbuffer")
    return data


def _check_graph(graph: Table, operators: list[str], buffers: list[tuple[int, int]], expected: Collection[int]) -> int:
    """Check tensors and operators, and return the number of tensors."""
    graph.check_text(4)
    tensors = [_check_tensor(tensor, buffers) for tensor in graph.tables(0)]
    inputs, outputs = graph.numbers(1), graph.numbers(2)
    counts = " or ".join(str(count) for count in expected)
    require(len(inputs) == 1 and len(outputs) in expected, f"it does not have one input and {counts} outputs")
    require(all(0 <= index < len(tensors) for index in (*inputs, *outputs)), "its inputs or outputs do not exist")
    require(not tensors[inputs[0]].constant, "its input is a constant")
    ready = {index for index, tensor in enumerate(tensors) if tensor.constant} | set(inputs)
    for operator in graph.tables(3):
        index = operator.number(0, "<I")
        require(index < len(operators), "an operator has no code")
        _check_operator(operator, operators[index], tensors, ready)
    require(set(outputs) <= ready, "its outputs are never computed")
    return len(tensors)


def _check_tensor(tensor: Table, buffers: list[tuple[int, int]]) -> _Tensor:
    tensor.check_text(3)
    kind, buffer = tensor.number(1, "<b"), tensor.number(2, "<I")
    require(kind in _TYPE_BYTES, f"a tensor has the type {kind}")
    require(buffer < len(buffers), "a tensor has no buffer")
    require(not tensor.number(5, "<B"), "a tensor keeps state")
    require(all(tensor.place(field) is None for field in (6, 9)), "a tensor is sparse or of variants")
    shape = tensor.numbers(0)
    require(
        len(shape) <= MAX_DIMENSIONS and all(0 <= side <= 1 << 24 for side in shape), f"a tensor has the shape {shape}"
    )
    size = prod(shape) * _TYPE_BYTES[kind]
    require(size <= MAX_TENSOR_BYTES, f"a tensor has the shape {shape}")
    signature = tensor.numbers(7)
    require(not signature or len(signature) == len(shape), "a tensor has two numbers of dimensions")
    require(all(side in (-1, fixed) for side, fixed in zip(signature, shape, strict=False)), "a tensor has two shapes")
    start, count = buffers[buffer]
    if count:
        require(count == size, f"the data of a tensor of shape {shape} have {count} bytes")
        require(start % 4 == 0, "the data of a tensor are not aligned")
    repeats = tensor.values(start, count // 4) if kind == _INT32 and count <= MAX_DIMENSIONS * 4 else ()
    return _Tensor(count > 0, _check_quantization(tensor.table(4), kind, shape), repeats)


def _check_quantization(quantization: Table | None, kind: int, shape: tuple[int, ...]) -> tuple[float, ...]:
    """Check how a tensor is quantized, and return its scales."""
    if quantization is None:
        return ()
    for field in (0, 1):
        quantization.vector(field, 4)
    require(quantization.number(4, "<B") == 0, "a tensor has quantization of its own kind")
    scales, zeros, axis = quantization.numbers(2, "f"), quantization.numbers(3, "q"), quantization.number(6, "<i")
    channels = shape[axis] if 0 <= axis < len(shape) else 1
    require(axis == 0 or 0 <= axis < len(shape), "a tensor is quantized along an axis that it does not have")
    require(len(scales) in (0, 1, channels), "a tensor has a wrong number of scales")
    require(len(zeros) in {0, min(1, len(scales)), len(scales)}, "a tensor has a wrong number of zero points")
    smallest, largest = SCALES
    require(all(smallest <= scale <= largest for scale in scales), "a tensor has a scale that cannot be")
    lowest, highest = _ZERO_POINTS.get(kind, (0, 0)) if len(zeros) == 1 else (0, 0)
    require(all(lowest <= zero <= highest for zero in zeros), "a tensor has a zero point that cannot be")
    return scales


def _check_operator(operator: Table, name: str, tensors: list[_Tensor], ready: set[int]) -> None:
    """Check one operator, and add its outputs to the tensors that are `ready`."""
    inputs, outputs = operator.numbers(1), operator.numbers(2)
    require(len(inputs) > 0 and len(outputs) == 1, f"{name} lacks inputs or outputs")
    optional = inputs[2:] if name in _WEIGHTED else ()
    required = inputs[: len(inputs) - len(optional)]
    require(set(required) <= ready and set(optional) <= ready | {-1}, f"{name} reads what is not computed before")
    # Writing into a constant would write into the mapped file.
    require(0 <= outputs[0] < len(tensors) and outputs[0] not in ready, f"{name} writes where it must not")
    if name in _WEIGHTED:
        require(len(inputs) >= 2, f"{name} has no weights")
        of_input, of_weights, of_output = (tensors[index].scales for index in (inputs[0], inputs[1], outputs[0]))
        if of_input and of_weights and of_output:
            require(of_input[0] * max(of_weights) / of_output[0] < 256, f"{name} has scales that do not fit together")
    if name == "TILE":
        repeats = tensors[inputs[-1]].repeats
        require(bool(repeats) and all(1 <= repeat <= MAX_REPEATS for repeat in repeats), f"TILE repeats by {repeats}")
    for field, width in ((5, 1), (7, 1), (8, 4)):
        require(operator.vector(field, width)[1] == 0, f"{name} has custom options")
    for field in (9, 10, 12):
        require(operator.place(field) is None, f"{name} has custom options")
    options = operator.table(4)
    if options is not None:
        _check_options(options, name)
    require(options is not None or name not in _WINDOWS, f"{name} has no options")
    ready.add(outputs[0])


def _check_options(options: Table, name: str) -> None:
    if name in _OPTION_VECTORS:
        options.vector(0, 4)
    without_default, with_default = _WINDOWS.get(name, ((), ()))
    for fields, default in ((without_default, 0), (with_default, 1)):
        for field in fields:
            value = options.number(field, "<i", default)
            require(1 <= value <= 4096, f"{name} has a stride or window of {value}")
