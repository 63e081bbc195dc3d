"""A detector of limited scale -> large and small faces of a photo of any size.

YuNet and MTCNN search through this. A detector that sees all scales at once does not need it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from PIL import Image

from asianage.faces.detection.candidates import without_repeats
from asianage.faces.detection.detector import Detection

BASE_SIDE = 320
"""Every photo is searched with its long side at this many pixels: large faces, and small photos enlarged.

At 320 pixels YuNet's landmarks on All-Age-Faces (160 pixels) are a third closer to the annotation than at 160, and
hardly improve beyond; faces much larger than that in the network's input are missed.
"""

LARGE_SIDE = 960
"""Photos above 1.5 x `BASE_SIDE` are searched a second time with their long side at up to this many: small faces."""

RETRY_BORDER = 0.25
"""Border for a last search when nothing was found: faces that fill their photo, in units of its long side."""

Detect: TypeAlias = "Callable[[np.ndarray], list[Detection]]"
"""Finds the faces of uint8 (height, width, 3), RGB, at the scale at which they are."""


def search_scales(detect: Detect, image: np.ndarray) -> list[Detection]:
    """Find large and small faces of a photo.

    Args:
        detect: Called once for each scale.
        image: uint8 (height, width, 3), RGB.

    Returns:
        The faces in pixels of `image`, largest first; ``[]`` when there is none.
    """
    long_side = max(image.shape[:2])
    faces = _detect_at(detect, image, BASE_SIDE)
    if long_side > 1.5 * BASE_SIDE:
        faces += _detect_at(detect, image, min(long_side, LARGE_SIDE))
    if not faces:
        faces = _detect_with_border(detect, image)
    return sorted(_without_repeats(faces), key=lambda face: face.area, reverse=True)


def _detect_at(detect: Detect, image: np.ndarray, side: int) -> list[Detection]:
    scale = side / max(image.shape[:2])
    return [face.mapped(1.0 / scale) for face in detect(_resized(image, scale))]


def _detect_with_border(detect: Detect, image: np.ndarray) -> list[Detection]:
    # Copying a huge photo with its border would take as much memory as decoding it did.
    scale = min(1.0, LARGE_SIDE / max(image.shape[:2]))
    image = _resized(image, scale)
    border = round(RETRY_BORDER * max(image.shape[:2]))
    padded = np.pad(image, ((border, border), (border, border), (0, 0)))
    return [face.mapped(1.0 / scale, -border / scale) for face in _detect_at(detect, padded, BASE_SIDE)]


def _resized(image: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1.0:
        return image
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    method = Image.Resampling.BOX if scale < 1.0 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((width, height), method))


def _without_repeats(faces: list[Detection]) -> list[Detection]:
    boxes = np.array([face.box for face in faces]).reshape(-1, 4)
    return [faces[row] for row in without_repeats(boxes, np.array([face.score for face in faces]))]
