"""How a network of the study scales its pixels: as its notebooks did, or as the network expects them."""

from __future__ import annotations

import keras
from keras import layers

PIXELS = {"unit": (1 / 255, 0.0), "study": (1 / (127.5 * 255), -1 / 255)}
"""Name -> factor and offset of pixels in [0, 255].

The study scaled twice, to [-1, 1] and then by 1 / 255. So its networks, VGGFace too, saw pixels in [-1/255, 1/255].
"""


def scaled(crops: keras.KerasTensor, pixels: str) -> keras.KerasTensor:
    """Return the pixels of crops scaled as `PIXELS` names it."""
    factor, offset = PIXELS[pixels]
    return layers.Rescaling(factor, offset=offset, name="scale")(crops)
