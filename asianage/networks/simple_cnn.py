"""The simple CNN of the study, for gender or for age: 2,588,705 parameters with its own sizes.

Two convolutions and three dense layers on crops of 100 pixels; nearly all parameters are those of the first dense
layer, which sees every position. The study trains one network for the gender, and one, or one per gender, for the age.
"""

from __future__ import annotations

import math

import keras
from keras import layers, ops

from asianage.networks.heads import attach_heads, check_choice
from asianage.networks.pixels import PIXELS, scaled


def simple_cnn_network(
    *,
    image_size: int = 100,
    num_ages: int = 101,
    task: str = "age",
    head: str = "regression",
    min_age: int = 0,
    filters: tuple[int, int] = (64, 32),
    units: tuple[int, int] = (128, 64),
    pixels: str = "unit",
) -> keras.Model:
    """Build the network of one task. `asianage.networks.registry.build_network` states the contract.

    The network for the age has no dropout between its dense layers; that for the gender has.

    Args:
        task: "age" or "gender"; the study has no network for both.
        filters: Channels of the two convolutions.
        units: Widths of the two hidden dense layers.
        pixels: How pixels are scaled, one of `asianage.networks.pixels.PIXELS`.

    Raises:
        ValueError: `task` is neither "age" nor "gender", `head` or `pixels` is unknown, or the crops are too small.
    """
    if task not in ("age", "gender"):
        raise ValueError(f"`task` must be 'age' or 'gender': one simple CNN learns one thing. Received: {task!r}.")
    if image_size < 4:
        raise ValueError(f"`image_size` must be 4 or more: the network halves it twice. Received: {image_size}.")
    check_choice("pixels", pixels, PIXELS)
    crops = keras.Input((image_size, image_size, 3), name="crops")
    x = scaled(crops, pixels)
    for number, width in enumerate(filters, start=1):
        x = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"conv{number}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
    x = layers.Dropout(0.5, name="dropout1")(x)
    # A Flatten layer reads the batch size at run time, which leaves LiteRT without the shapes that follow.
    x = ops.reshape(x, (-1, math.prod(x.shape[1:])))
    x = layers.Dense(units[0], activation="relu", name="dense1")(x)
    if task == "gender":
        x = layers.Dropout(0.25, name="dropout2")(x)
    x = layers.Dense(units[1], activation="relu", name="dense2")(x)
    x = layers.Dropout(0.5, name="dropout3")(x)
    outputs = attach_heads(x, num_ages=num_ages, min_age=min_age, head=head, task=task)
    return keras.Model(crops, outputs, name=f"simple_cnn_{task}")
