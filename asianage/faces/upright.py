"""A decoded picture as its file stores it -> an upright array, strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

STRIP_PIXELS = 4_000_000
"""Pixels that are converted at once."""


def upright(image: Image.Image, orientation: int, convert: Callable[[Image.Image], np.ndarray]) -> np.ndarray:
    """Convert an image and turn it upright, strip by strip: copies of a whole huge photo would take gigabytes.

    Args:
        image: The image.
        orientation: That of EXIF.
        convert: Returns uint8 (height, width, 3) or (height, width, 1) of a part of the image.

    Returns:
        uint8 (height, width, 3).
    """
    width, height = image.size
    result = np.empty((*((width, height) if orientation >= 5 else (height, width)), 3), dtype=np.uint8)
    stored = _AS_STORED.get(orientation, lambda array: array)(result)
    for top, part in strips(image):
        stored[top : top + part.size[1]] = convert(part)
    return result


_AS_STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda array: array[:, ::-1],
    3: lambda array: array[::-1, ::-1],
    4: lambda array: array[::-1],
    5: lambda array: array.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda array: array[::-1, ::-1].transpose(1, 0, 2),
    8: lambda array: np.rot90(array, -1),
}
"""EXIF orientation -> view of an upright array that lies as the image is stored."""


def strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield the parts of an image from top to bottom, each with its first row."""
    width, height = image.size
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        whole = rows >= height
        yield top, image if whole else image.crop((0, top, width, min(top + rows, height)))


def exif_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a decoded image, 1 without a valid one.

    `PIL.ImageOps.exif_transpose` also rewrites the other EXIF entries, and fails on cameras' oddities in them.
    """
    from PIL import ExifTags

    # Pillow turns TIFF files upright itself, when it loads them.
    try:
        orientation: Any = image.getexif().get(ExifTags.Base.Orientation)
    # A damaged EXIF block raises many kinds of exceptions. The picture itself may be sound.
    except Exception:
        return 1
    return orientation if isinstance(orientation, int) and orientation in _AS_STORED else 1
