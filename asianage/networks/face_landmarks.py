"""The network that looks at one face: five landmarks in the face's own order, and whether it is a face."""

from __future__ import annotations

import keras
from keras import layers

INPUT_SIDE = 64
"""Side of the patches, in pixels."""

WIDTHS = (16, 32, 64, 96, 128)
"""Channels of the stages; each begins by halving the sides."""

_HIDDEN = 96


def face_landmarks_network() -> keras.Model:
    """Build the network: plain 3x3 convolutions, which fuse with their ReLU and are fast in int8.

    Returns:
        A network from patches float32 (batch, 64, 64, 3), RGB in [0, 255], to a dict of ``landmarks`` (batch, 10),
        x and y of five points in units of half a side from the middle of the patch, and ``face`` (batch, 1), a logit.
    """
    patch = keras.Input((INPUT_SIDE, INPUT_SIDE, 3), name="patch")
    x = layers.Rescaling(1.0 / 255.0, name="scale")(patch)
    for stage, width in enumerate(WIDTHS):
        x = _convolution(x, width, f"stage{stage}_0", strides=2)
        if 0 < stage < len(WIDTHS) - 1:
            x = _convolution(x, width, f"stage{stage}_1")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(_HIDDEN, activation="relu", name="hidden")(x)
    outputs = {
        "landmarks": layers.Dense(10, dtype="float32", name="landmarks")(x),
        "face": layers.Dense(1, dtype="float32", name="face")(x),
    }
    return keras.Model(patch, outputs, name="face_landmarks")


def _convolution(x: keras.KerasTensor, width: int, name: str, strides: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.98, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
