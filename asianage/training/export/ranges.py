"""The ranges of an int8 network, widened to answers that its calibration faces never needed.

Eight bits hold 256 steps between the smallest and the largest value that a layer had on the calibration faces. A value
beyond is cut off. If all these faces are of women, the gender could never become male.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import keras

from asianage.networks.gender_routing import GenderRouting
from asianage.networks.heads import LOWEST_LOGIT, NormalLogits, OrdinalLogits

LEAST_LOGIT = 5.0
"""Logit that both answers to a question with two can reach: a probability of 0.993."""

_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")

_Result = tuple[str, int]
"""Operator, and the position of the tensor that it computes."""


def widen_ranges(calibrated: bytes, network: keras.Model, before: bytes | None = None) -> bytes:
    """Return a calibrated flatbuffer whose ranges also hold what its calibration faces did not need.

    Args:
        calibrated: What the converter makes of `network` if it only calibrates: each tensor in float, with its range.
        network: The network. Its heads tell which values they can have.
        before: int8 flatbuffer of the model that the network began with. No range becomes smaller than there, if both
            have the same operators.
    """
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(calibrated, 0))
    results = list(_results(schema, model))
    if before is not None:
        _unite(schema, model, results, schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(before, 0)))
    _spread(model, results, network)
    builder = flatbuffers.Builder(len(calibrated))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _results(schema: Any, model: Any) -> Iterator[_Result]:
    """Yield what the operators of a graph compute, in their order, apart from conversions between number formats."""
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if name not in _CONVERSIONS:
            yield name, int(operator.outputs[0])


def _unite(schema: Any, model: Any, results: list[_Result], former: Any) -> None:
    """Widen each range to that of the same result in the int8 network `former`."""
    before = list(_results(schema, former))
    if [operator for operator, _ in results] != [operator for operator, _ in before]:
        return
    for (_, index), (_, old) in zip(results, before, strict=True):
        quantization = former.subgraphs[0].tensors[old].quantization
        if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
            continue
        scale, zero = float(quantization.scale[0]), int(quantization.zeroPoint[0])
        _widen(model.subgraphs[0].tensors[index], (-128 - zero) * scale, (127 - zero) * scale)


def _spread(model: Any, results: list[_Result], network: keras.Model) -> None:
    """Widen the ranges of the heads to all that they may answer."""
    tensors = model.subgraphs[0].tensors
    outputs = {entry.name.decode(): int(entry.tensorIndex) for entry in model.signatureDefs[0].outputs}
    for layer in _layers(network):
        for operator, index in results:
            tensor = tensors[index]
            if isinstance(layer, NormalLogits) and _is_of(layer.raw_output, tensor):
                _widen(tensor, layer.min_age, layer.min_age + layer.num_ages - 1)
            elif outputs.get(layer.name) == index or _is_of(layer.name, tensor):
                _spread_result(layer, operator, tensor)


def _spread_result(layer: keras.layers.Layer, operator: str, tensor: Any) -> None:
    """Widen the range of what an operator of a layer computes, if it is a layer of a head."""
    if isinstance(layer, NormalLogits):
        # Each step on the way to an age counts from 0 to 6; then the logits come from a table.
        _widen(tensor, *((0.0, 6.0) if b"Relu6" in tensor.name else (LOWEST_LOGIT, 0.0)))
    elif isinstance(layer, GenderRouting) and operator in ("MUL", "SUB"):
        _mirror(tensor)
    elif layer.name in ("gender_logit", OrdinalLogits.raw_output) and operator == "FULLY_CONNECTED":
        _mirror(tensor, LEAST_LOGIT)


def _is_of(layer: str, tensor: Any) -> bool:
    """Tell by its name whether a tensor is computed in a layer. The converter numbers the layers."""
    return re.search(rf"(?:^|[/;]){re.escape(layer)}(?:_\d+)?/", tensor.name.decode()) is not None


def _layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the layers of a network and of the networks in it."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        yield layer


def _mirror(tensor: Any, least: float = 0.0) -> None:
    """Let a tensor be as far above 0 as below."""
    low, high = _range(tensor)
    furthest = max(-low, high, least)
    _widen(tensor, -furthest, furthest)


def _widen(tensor: Any, low: float, high: float) -> None:
    before = _range(tensor)
    if tensor.quantization is not None and tensor.quantization.min is not None:
        tensor.quantization.min = [min(low, before[0])]
        tensor.quantization.max = [max(high, before[1])]


def _range(tensor: Any) -> tuple[float, float]:
    """Return the smallest and the largest value of a tensor on the calibration faces, (0, 0) if it is a constant."""
    known = tensor.quantization
    if known is None or known.min is None or known.max is None:
        return 0.0, 0.0
    return float(known.min[0]), float(known.max[0])
