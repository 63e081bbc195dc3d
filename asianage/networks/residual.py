"""A plain residual network of 3x3 convolutions whose BatchNorm and ReLU fold into the convolution.

On CPUs such a network is the fastest of its size once quantized; squeeze-excite, hard-swish and pre-activation would
undo that. Shapes for 96 pixels and the default widths: 96 -> 48 -> 24 -> 12 -> 6 -> 3, then the mean over positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from asianage.networks.heads import pooled_network


def residual_network(
    *,
    image_size: int = 96,
    num_ages: int = 101,
    widths: Sequence[int] = (16, 48, 96, 192, 256),
    blocks: Sequence[int] = (0, 1, 1, 2, 1),
    dropout: float = 0.2,
    head: str = "logits",
    min_age: int = 0,
) -> keras.Model:
    """Build the residual network. `asianage.networks.registry.build_network` states the contract.

    Args:
        widths: Channels of each stage; every stage begins by halving the resolution.
        blocks: Residual blocks of each stage, after its first convolution.
    """
    crops = keras.Input((image_size, image_size, 3), name="crops")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(crops)
    for stage, (width, depth) in enumerate(zip(widths, blocks, strict=True), start=1):
        x = _convolution(x, width, f"stage{stage}_down", strides=2)
        x = layers.ReLU(name=f"stage{stage}_down_relu")(x)
        for block in range(1, depth + 1):
            x = _residual_block(x, width, f"stage{stage}_block{block}")
    return pooled_network(crops, x, name="residual", dropout=dropout, num_ages=num_ages, min_age=min_age, head=head)


def _residual_block(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    shortcut = x
    x = _convolution(x, width, f"{name}_conv1")
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = _convolution(x, width, f"{name}_conv2")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu2")(x)


def _convolution(x: keras.KerasTensor, width: int, name: str, *, strides: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(momentum=0.98, name=f"{name}_norm")(x)
