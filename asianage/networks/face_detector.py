"""The network of the face detector: YuNet's, in Keras.

Wu, Peng, Yu: 'YuNet: A Tiny Millisecond-level Face Detector', Machine Intelligence Research 2023. The network is
anchor-free. Three feature maps, of strides 8, 16 and 32, have one point per cell, and each point predicts one face.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from asianage.errors import needs_extra

STRIDES = (8, 16, 32)
"""Pixels of the image per cell, of the three feature maps."""

OUTPUTS = {"face": 1, "object": 1, "box": 4, "landmarks": 10}
"""What a point predicts -> number of values: two logits, a box, five landmarks."""

STAGES = ((16,), (16, 32), (32, 64), (64, 64), (64, 64), (64, 64))
"""Channels of the units of the backbone, stage by stage."""

HIDDEN = (("landmarks", 16), ("landmarks", 32))
"""Outputs with a unit of their own before them, which YuNet does not have: where faces are large, so are errors."""

_POOLED_AFTER = (0, 2, 3, 4)
_NECK_STAGES = (3, 4, 5)
_WIDTH = 64


def face_detector_network(height: int | None = None, width: int | None = None) -> keras.Model:
    """Build the network.

    Args:
        height: Height of the images, in pixels, a multiple of 32; None takes any.
        width: Width of the images, likewise.

    Returns:
        A network from images float32 (batch, height, width, 3), RGB in [0, 255], to a dict of ``face_8`` (batch,
        height / 8, width / 8, 1), ``object_8``, ``box_8``, ``landmarks_8`` and the same for the strides 16 and 32.
    """
    image = keras.Input((height, width, 3), name="image")
    x = layers.ZeroPadding2D(1, name="stem_pad")(image)
    x = layers.Conv2D(16, 3, strides=2, name="stem")(x)
    x = layers.ReLU(name="stem_relu")(x)
    kept = []
    for stage, widths in enumerate(STAGES):
        for number, channels in enumerate(widths):
            x = _unit(x, channels, f"stage{stage}_{number}")
        if stage in _NECK_STAGES:
            kept.append(x)
        if stage in _POOLED_AFTER:
            x = layers.MaxPooling2D(2, name=f"stage{stage}_pool")(x)
    outputs = {}
    for stride, feature in zip(STRIDES, _neck(kept), strict=True):
        for name, values in OUTPUTS.items():
            before = _unit(feature, _WIDTH, f"{name}_{stride}_hidden") if (name, stride) in HIDDEN else feature
            outputs[f"{name}_{stride}"] = _unit(before, values, f"{name}_{stride}", last=True)
    return keras.Model(image, outputs, name="face_detector")


def points_network(network: keras.Model) -> keras.Model:
    """Return the same network with one output (batch, points, 16): the predictions of all points, side by side.

    Its points are those of stride 8, row by row, then of 16, then of 32. Its values are in the order of `OUTPUTS`.
    """
    maps = []
    for stride in STRIDES:
        values = layers.Concatenate(name=f"values_{stride}")([network.output[f"{name}_{stride}"] for name in OUTPUTS])
        maps.append(layers.Reshape((-1, sum(OUTPUTS.values())), name=f"points_{stride}")(values))
    return keras.Model(network.input, layers.Concatenate(axis=1, name="points")(maps), name=network.name)


def load_yunet_weights(network: keras.Model, content: bytes) -> None:
    """Load YuNet's published ONNX file. The units that YuNet does not have pass on what they get.

    Args:
        network: A network of `face_detector_network`.
        content: The file.

    Raises:
        MissingExtraError: The package `onnx` is not installed.
        ValueError: It is another file.
    """
    with needs_extra("train", "Reading YuNet's weights"):
        import onnx
        from onnx import numpy_helper
    try:
        graph = onnx.load_model_from_string(content).graph
    except Exception as error:
        raise ValueError("The file is not an ONNX file.") from error
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    convolutions = [node.input[1:3] for node in graph.node if node.op_type == "Conv"]
    names = layer_names()
    if len(convolutions) != len(names):
        raise ValueError(f"YuNet has {len(names)} convolutions, and the file has {len(convolutions)}.")
    for name, (kernel, bias) in zip(names, convolutions, strict=True):
        order = (2, 3, 0, 1) if name.endswith("_depth") else (2, 3, 1, 0)
        values = arrays[kernel].transpose(order)
        # YuNet takes BGR.
        network.get_layer(name).set_weights([values[:, :, ::-1] if name == "stem" else values, arrays[bias]])
    identity = np.eye(_WIDTH, dtype=np.float32)[None, None]
    middle = np.zeros((3, 3, _WIDTH, 1), dtype=np.float32)
    middle[1, 1] = 1.0
    for name, stride in HIDDEN:
        for part, values in (("point", identity), ("depth", middle)):
            network.get_layer(f"{name}_{stride}_hidden_{part}").set_weights([values, np.zeros(_WIDTH, np.float32)])


def layer_names() -> list[str]:
    """Return the names of the 53 convolutions, in the order in which YuNet's published file has them."""
    pairs = [f"stage{stage}_{number}" for stage, widths in enumerate(STAGES) for number in range(len(widths))]
    pairs += [f"neck_{stride}" for stride in reversed(STRIDES)]
    # The file groups the heads by what they predict.
    pairs += [f"{name}_{stride}" for name in ("face", "box", "object", "landmarks") for stride in STRIDES]
    return ["stem", *(f"{name}_{part}" for name in pairs for part in ("point", "depth"))]


def decode_points(values: keras.KerasTensor, points: keras.KerasTensor, strides: keras.KerasTensor) -> tuple:
    """Turn the predictions of points into pixels.

    Args:
        values: float (batch, n, 16), as `points_network` gives them.
        points: float (n, 2): x and y of the upper left corners of the cells, in pixels.
        strides: float (n, 1), in pixels.

    Returns:
        Boxes (batch, n, 4), x_min, y_min, x_max, y_max, and landmarks (batch, n, 5, 2), both in pixels.
    """
    center = points + values[..., 2:4] * strides
    half = 0.5 * ops.exp(ops.clip(values[..., 4:6], -8.0, 8.0)) * strides
    landmarks = ops.reshape(values[..., 6:], (-1, values.shape[1], 5, 2)) * strides[:, None] + points[:, None]
    return ops.concatenate([center - half, center + half], axis=-1), landmarks


def _neck(features: list[keras.KerasTensor]) -> list[keras.KerasTensor]:
    """Add to each feature map the coarser one, enlarged twice."""
    outputs: list[keras.KerasTensor] = []
    for stride, feature in reversed(list(zip(STRIDES, features, strict=True))):
        if outputs:
            enlarged = layers.UpSampling2D(2, name=f"neck_{stride}_up")(outputs[-1])
            feature = layers.Add(name=f"neck_{stride}_add")([feature, enlarged])
        outputs.append(_unit(feature, _WIDTH, f"neck_{stride}"))
    return outputs[::-1]


def _unit(x: keras.KerasTensor, channels: int, name: str, *, last: bool = False) -> keras.KerasTensor:
    """Mix the channels, then the neighbors: a 1x1 and a depthwise 3x3 convolution."""
    x = layers.Conv2D(channels, 1, name=f"{name}_point")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name=f"{name}_depth")(x)
    return x if last else layers.ReLU(name=f"{name}_relu")(x)
