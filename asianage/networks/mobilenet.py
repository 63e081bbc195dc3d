"""MobileNet as HSE-FaceRes trained it on faces, with the two heads of this package.

Howard et al.: 'MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications' (2017). Savchenko:
'Efficient facial representations for age, gender and identity recognition in organizing photo albums using multi-output
ConvNet', PeerJ Computer Science 2019, trained it to tell the people of VGGFace2 apart and then to tell their ages and
genders. Its affine layers are folded into the convolutions.

The published network takes 224 pixels. Enlarging a crop twice by linear interpolation and convolving it in steps of two
pixels is the same as one convolution of the crop itself in steps of one. So this network takes 112 pixels, and computes
what the published one computes from the enlarged crop.

Shapes for 112 pixels: 112 (stem, block 1) -> 56 -> 28 -> 14 -> 7 (blocks 12 and 13), then the mean over positions.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from asianage.networks.heads import pooled_network

BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)
"""Filters and strides of the blocks."""

STEM_WIDTH = 32

LIMIT = 6.0
"""Largest activation."""

# Widths are multiples of this, as processors compute so many filters at once.
_STEP = 8
# RGB that is subtracted from the pixels; the published network then takes them in the order BGR, as those of Caffe do.
_MEAN_COLOR = (123.68, 116.779, 103.939)
# The published heads, which come first in the file: ages 256 x 100, features 1024 x 256, gender 256 x 1, and biases.
_HEAD_VALUES = (256 + 1) * 100 + (1024 + 1) * 256 + (256 + 1)
# Behind each activation lie its two limits, 0 and 6.
_LIMITS = 2
# Of a crop enlarged twice by linear interpolation, in steps of two pixels: row t has the weights with which the crop's
# pixels before, at and behind the position go into tap t of the published kernel.
_ENLARGED = np.array([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25], [0.0, 0.25, 0.75]], dtype=np.float32)


def mobilenet_network(
    *,
    image_size: int = 112,
    num_ages: int = 101,
    dropout: float = 0.2,
    frozen_blocks: int = 0,
    stem_strides: int = 1,
    alpha: float = 1.0,
    head: str = "logits",
    min_age: int = 0,
) -> keras.Model:
    """Build MobileNet. `asianage.networks.registry.build_network` states the contract.

    Args:
        frozen_blocks: How many of the 13 blocks, counted from the input, are not trained. The stem before them is not
            trained either.
        stem_strides: 1 computes what the published network computes from the crop enlarged twice. 2 is a quarter of the
            work: every width and height behind the stem is half as large.
        alpha: Width multiplier, above 0 to 1: every layer has this share of the published filters, to multiples of 8.

    Raises:
        ValueError: `frozen_blocks` or `alpha` is out of range.
    """
    if not 0 <= frozen_blocks <= len(BLOCKS):
        raise ValueError(f"`frozen_blocks` must be 0 to {len(BLOCKS)}. Received: {frozen_blocks}.")
    if not 0.0 < alpha <= 1.0:
        raise ValueError(f"`alpha` must be above 0 and at most 1. Received: {alpha}.")
    crops = keras.Input((image_size, image_size, 3), name="crops")
    x = layers.Rescaling(1 / 256, offset=[-mean / 256 for mean in _MEAN_COLOR], name="scale")(crops)
    width, trainable = _share(STEM_WIDTH, alpha), not frozen_blocks
    x = layers.Conv2D(width, 3, stem_strides, padding="same", trainable=trainable, name="stem")(x)
    x = layers.ReLU(LIMIT, name="stem_relu")(x)
    for block, (width, strides) in enumerate(BLOCKS, start=1):
        trainable, name = block > frozen_blocks, f"block{block}"
        x = layers.DepthwiseConv2D(3, strides, padding="same", trainable=trainable, name=f"{name}_depthwise")(x)
        x = layers.ReLU(LIMIT, name=f"{name}_depthwise_relu")(x)
        x = layers.Conv2D(_share(width, alpha), 1, trainable=trainable, name=f"{name}_pointwise")(x)
        x = layers.ReLU(LIMIT, name=f"{name}_pointwise_relu")(x)
    return pooled_network(crops, x, name="mobilenet", dropout=dropout, num_ages=num_ages, min_age=min_age, head=head)


def _share(width: int, alpha: float) -> int:
    return max(_STEP, round(alpha * width / _STEP) * _STEP)


def load_faceres_weights(network: keras.Model, content: bytes) -> None:
    """Load the published weights into the convolutions of a network; its heads keep their own.

    Args:
        network: A `mobilenet_network`.
        content: Of ``models/faceres.bin`` of the npm package @vladmandic/human: float16 arrays, one after the other.

    Raises:
        ValueError: The network is another.
    """
    if network.name != "mobilenet":
        raise ValueError(f"`network` must be a `mobilenet_network`. Received: {network.name!r}.")
    for name, arrays in _published(content).items():
        network.get_layer(name).set_weights(arrays)


def _published(data: bytes) -> dict[str, list[np.ndarray]]:
    """Return kernel and bias of each convolution of the file, with its affine layer folded in."""
    values = _Values(data)
    values.take(_HEAD_VALUES)
    named = {"stem": [_stem(values.take(3, 3, 3, STEM_WIDTH)), values.take(STEM_WIDTH)]}
    values.take(_LIMITS)
    channels = STEM_WIDTH
    for block, (width, _) in enumerate(BLOCKS, start=1):
        kernel, factor, bias = values.take(3, 3, channels, 1), values.take(channels, 1), values.take(channels)
        named[f"block{block}_depthwise"] = [kernel * factor, bias]
        values.take(_LIMITS)
        named[f"block{block}_pointwise"] = [values.take(1, 1, channels, width), values.take(width)]
        values.take(_LIMITS)
        channels = width
    return named


def _stem(kernel: np.ndarray) -> np.ndarray:
    """Return the first kernel for RGB divided by 256 instead of BGR, of the crop itself instead of the enlarged one."""
    return np.einsum("yxcf,ya,xb->abcf", kernel[:, :, ::-1], _ENLARGED, _ENLARGED) * 256


class _Values:
    """The values of the file from the first on."""

    def __init__(self, data: bytes) -> None:
        # Behind the float16 values lie two axes as int32.
        self._values = np.frombuffer(data[:-8], "<f2")
        self._position = 0

    def take(self, *shape: int) -> np.ndarray:
        """Return the next values, float32 of this shape."""
        start, self._position = self._position, self._position + int(np.prod(shape))
        return self._values[start : self._position].astype(np.float32).reshape(shape)
