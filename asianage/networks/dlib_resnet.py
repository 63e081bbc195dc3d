"""The residual network of dlib's face recognition model, shortened, with the two heads of this package.

King: 'High Quality Face Recognition with Deep Metric Learning' (blog.dlib.net, 2017): a 7x7 convolution, then residual
blocks of two 3x3 convolutions with half the filters of He et al., CVPR 2016. Its published weights have learned from
three million faces, and lie in the public domain. Their affine layers, the remains of BatchNorm, are folded into the
convolutions. A network of convolutions and ReLU alone trains twice as fast on a CPU as with BatchNorm, and quantizes
well.

Shapes for 96 pixels: 96 -> 48 -> 24 (stage 1) -> 12 -> 6 -> 3 (stage 4), then the mean over positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import layers, ops

from asianage.networks.heads import pooled_network

STAGES = ((32, 3), (64, 4), (128, 3), (256, 3))
"""Channels, and residual blocks at most, of the stages; the published network has one more block behind the last."""

# RGB that the published network subtracts from pixels before it divides them by 256: `input_rgb_image` of dlib.
_MEAN_COLOR = (122.782, 117.001, 104.298)

_CONVOLUTION = b"con_4\x01\x02"
_AFFINE = b"affine_\x01\x02"


def dlib_resnet_network(
    *,
    image_size: int = 96,
    num_ages: int = 101,
    blocks: Sequence[int] = (3, 4, 3, 1),
    dropout: float = 0.2,
    head: str = "logits",
    min_age: int = 0,
) -> keras.Model:
    """Build dlib's network, shortened. `asianage.networks.registry.build_network` states the contract.

    Args:
        blocks: Residual blocks of each stage, from 1 to those of `STAGES`.

    Raises:
        ValueError: A stage has no block, or more than the published network has.
    """
    most = [depth for _, depth in STAGES]
    if len(blocks) != len(STAGES) or not all(1 <= depth <= limit for depth, limit in zip(blocks, most, strict=True)):
        raise ValueError(f"`blocks` must be {len(STAGES)} numbers from 1 to {most}. Received: {list(blocks)}.")
    crops = keras.Input((image_size, image_size, 3), name="crops")
    x = layers.Rescaling(1 / 256, name="scale")(crops)
    x = layers.Conv2D(STAGES[0][0], 7, strides=2, padding="same", activation="relu", name="stem")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)
    for stage, ((width, _), depth) in enumerate(zip(STAGES, blocks, strict=True), start=1):
        for block in range(1, depth + 1):
            x = _residual_block(x, width, f"stage{stage}_block{block}", halve=stage > 1 and block == 1)
    return pooled_network(crops, x, name="dlib_resnet", dropout=dropout, num_ages=num_ages, min_age=min_age, head=head)


def load_dlib_weights(network: keras.Model, content: bytes) -> None:
    """Load the published weights into the convolutions of a network; its heads keep their own.

    Args:
        network: A `dlib_resnet_network`.
        content: Of ``dlib_face_recognition_resnet_model_v1.dat``, from github.com/davisking/dlib-models or from the
            package `face_recognition_models` of PyPI.

    Raises:
        ValueError: The network is another.
    """
    published = _named(list(_convolutions(content)))
    convolutions = [layer for layer in network.layers if isinstance(layer, layers.Conv2D)]
    if not convolutions or not all(layer.name in published for layer in convolutions):
        raise ValueError(f"`network` must be a `dlib_resnet_network`. Received: {network.name!r}.")
    for layer in convolutions:
        layer.set_weights(published[layer.name])


def _residual_block(x: keras.KerasTensor, width: int, name: str, *, halve: bool) -> keras.KerasTensor:
    shortcut = x
    strides, padding = 1, "same"
    if halve:
        shortcut = layers.AveragePooling2D(2, padding="same", name=f"{name}_shortcut")(x)
        shortcut = ops.pad(shortcut, [[0, 0], [0, 0], [0, 0], [0, width - x.shape[-1]]])
        strides = 2
        if x.shape[1] % 2:
            # Windows begin at the first pixel, as those of the shortcut do; "same" would begin one before it.
            x = layers.ZeroPadding2D(((0, 2), (0, 2)), name=f"{name}_pad")(x)
            padding = "valid"
    x = layers.Conv2D(width, 3, strides=strides, padding=padding, activation="relu", name=f"{name}_conv1")(x)
    x = layers.Conv2D(width, 3, padding="same", name=f"{name}_conv2")(x)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu")(x)


def _named(published: list[list[np.ndarray]]) -> dict[str, list[np.ndarray]]:
    """Name the convolutions as the network does; a stage begins where the number of channels changes."""
    kernel, bias = published[0]
    # What the published network subtracts from the pixels goes into the bias, so that only a factor is left.
    named = {"stem": [kernel, bias - kernel.sum(axis=(0, 1)).T @ np.array(_MEAN_COLOR, dtype=np.float32) / 256]}
    stage, block = 1, 0
    for first, second in zip(published[1::2], published[2::2], strict=True):
        if first[0].shape[2] != first[0].shape[3]:
            stage, block = stage + 1, 0
        block += 1
        named[f"stage{stage}_block{block}_conv1"] = first
        named[f"stage{stage}_block{block}_conv2"] = second
    return named


def _convolutions(data: bytes) -> Iterator[list[np.ndarray]]:
    """Yield kernel (rows, columns, channels, filters) and bias of each convolution, with its affine layer folded in.

    dlib serializes the layers from the crop on, a convolution as the values of its kernels and then its biases, an
    affine layer as factors and then summands.
    """
    position = data.find(_CONVOLUTION)
    while position >= 0:
        values, position = _array(data, position + len(_CONVOLUTION))
        affine, position = _array(data, data.index(_AFFINE, position) + len(_AFFINE))
        factor, summand = np.split(affine, 2)
        filters = len(factor)
        channels, side = (3, 7) if values.size == filters * (3 * 7 * 7 + 1) else (-1, 3)
        kernel = values[:-filters].reshape(filters, channels, side, side).transpose(2, 3, 1, 0)
        yield [kernel * factor, values[-filters:] * factor + summand]
        position = data.find(_CONVOLUTION, position)


def _array(data: bytes, position: int) -> tuple[np.ndarray, int]:
    """Return the array that begins at `position`, flat, and where it ends.

    Its four sizes come first, each a byte with its length and then its bytes, lowest first; then float32.
    """
    count = 1
    for _ in range(4):
        length = data[position]
        count *= int.from_bytes(data[position + 1 : position + 1 + length], "little")
        position += 1 + length
    return np.frombuffer(data, "<f4", count, position), position + 4 * count
