"""Pixels of any mode, depth and orientation -> upright uint8 RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from asianage.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

MIN_SIDE = 16
"""Shortest accepted side, in pixels: a smaller image shows no face that can be estimated."""


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise an `ImageError` for more than `max_pixels` pixels, or a side below `MIN_SIDE`."""
    if width * height > max_pixels:
        raise ImageError(
            f"The image has {width} x {height} pixels, more than max_pixels={max_pixels}. Shrink it, or raise "
            "`max_pixels`."
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"The image has {width} x {height} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed. Pass a larger one."
        )


def from_pil(image: Image.Image, max_pixels: int) -> np.ndarray:
    """Convert a PIL image of any mode to upright uint8 (height, width, 3), RGB, with transparency laid over white.

    Raises:
        ImageError: The image is too large or too small, or has float values outside [0, 1].
    """
    from PIL import Image

    check_size(*image.size, max_pixels)
    image = _upright(image)
    if image.mode.startswith("I"):
        # Pillow stores 16-bit gray as "I;16" or, in a 32-bit container, as "I".
        return from_array(np.asarray(image).clip(0, 65535).astype(np.uint16), max_pixels)
    if image.mode == "F":
        return from_array(np.asarray(image), max_pixels)
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def from_array(array: np.ndarray, max_pixels: int) -> np.ndarray:
    """Convert an array of any depth and number of channels; transparency is laid over white.

    Args:
        array: (height, width), (height, width, 1), (height, width, 3) or (height, width, 4); uint8, bool, uint16 in
            [0, 65535] or float in [0, 1].
        max_pixels: Largest accepted width x height.

    Returns:
        uint8 (height, width, 3), with the channels in the order of `array`.

    Raises:
        ImageError: The array has another shape or type, or values outside the range.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            "`image` must have shape (height, width), (height, width, 1), (height, width, 3) or (height, width, 4). "
            f"Received: shape={array.shape}, dtype={array.dtype}. Channels come last; split batches into images."
        )
    check_size(array.shape[1], array.shape[0], max_pixels)
    array = _to_uint8(array)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    if array.shape[2] == 4:
        alpha = array[:, :, 3:].astype(np.float32) / 255.0
        array = (array[:, :, :3] * alpha + 255.0 * (1.0 - alpha)).round().astype(np.uint8)
    return np.ascontiguousarray(array)


def _to_uint8(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return (array.astype(np.float32) / 257.0).round().astype(np.uint8)
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageError(
            f"`image` must be uint8, uint16, bool or float. Received: shape={array.shape}, dtype={array.dtype}. "
            "Convert it with image.astype('uint8')."
        )
    low, high = float(array.min()), float(array.max())
    # The comparison is false for NaN.
    if not (low >= 0.0 and high <= 1.0):
        raise ImageError(
            f"A float image must lie in [0, 1]. Received: minimum={low:g}, maximum={high:g}. "
            "Pass values in [0, 255] as image.astype('uint8')."
        )
    return (array * 255.0).round().astype(np.uint8)


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation.

    `PIL.ImageOps.exif_transpose` also rewrites the other EXIF entries, and fails on cameras' oddities in them.
    """
    from PIL import ExifTags
    from PIL.Image import Transpose

    # Pillow turns TIFF files upright itself, when it loads them.
    image.load()
    try:
        orientation: Any = image.getexif().get(ExifTags.Base.Orientation)
    # A damaged EXIF block raises many kinds of exceptions. The picture itself may be sound.
    except Exception:
        return image
    method = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if method is None else image.transpose(method)
