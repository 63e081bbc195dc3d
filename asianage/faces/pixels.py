"""Pixels of any mode, depth and orientation -> upright uint8 RGB."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from asianage.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

MIN_SIDE = 16
"""Shortest accepted side, in pixels: a smaller image shows no face that can be estimated."""

_NEW_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _SUB_PAGES = 254, 255, 330
"""Tags of TIFF that tell previews from pictures, and that lead to pages that Pillow does not read."""


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

    _seek_photo(image)
    check_size(*image.size, max_pixels)
    # Pillow takes the upper 8 of 16 bits while it decodes colors.
    is_deep = image.mode in ("RGB", "RGBA", "RGBX", "LA") and any(
        re.search(";16[BLN]", str(part.args)) for part in _tiles(image)
    )
    bits = _tiff_bits(image)
    image = _upright(image)
    if image.mode.startswith("I"):
        return from_array(_as_uint16(np.asarray(image), bits), max_pixels)
    if is_deep:
        colors = image.getbands()[: -1 if image.mode in ("RGBA", "LA") else None]
        _check_depth(256 * max(cast("int", image.getchannel(band).getextrema()[1]) for band in colors) + 255)
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
        _check_depth(int(array.max()))
        return (array.astype(np.float32) / 257.0).round().astype(np.uint8)
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageError(
            f"`image` must be uint8, uint16, bool or float. Received: shape={array.shape}, dtype={array.dtype}. "
            f"{_conversion(array)}"
        )
    low, high = float(array.min()), float(array.max())
    if low >= 0.0 and 0.0 < high <= 1 / 255:
        raise ImageError(f"A float image must lie in [0, 1]. Received: maximum={high:g}. Divide by 255 only once.")
    # The comparison is false for NaN.
    if not (low >= 0.0 and high <= 1.0):
        raise ImageError(
            f"A float image must lie in [0, 1]. Received: minimum={low:g}, maximum={high:g}. "
            "Pass values in [0, 255] as image.astype('uint8')."
        )
    return (array * 255.0).round().astype(np.uint8)


def _check_depth(highest: int) -> None:
    """Raise an `ImageError` for 16-bit values that are so low that they may hold 8, 10, 12 or 14 bits."""
    if 0 < highest < 1 << 14:
        bits = next(bits for bits in (8, 10, 12, 14) if highest < 1 << bits)
        remedy = "image.astype('uint8')" if bits == 8 else f"(image >> {bits - 8}).astype('uint8')"
        raise ImageError(
            f"A 16-bit image must use the range 0 to 65535. Received: maximum={highest}, as of {bits} bits. Convert it "
            f"to 8 bits, in Python with {remedy}; if it really is that dark, with (image >> 8).astype('uint8')."
        )


def _conversion(array: np.ndarray) -> str:
    """Return what can be done with an array of a type that is refused."""
    if array.dtype.kind not in "iu" or not array.size or array.min() < 0 or array.max() > 65535:
        return "Scale it to 0 to 255, then convert it with image.astype('uint8')."
    if array.max() > 255:
        return "Convert it with image.astype('uint16') if 65535 is white; otherwise scale it to 0 to 255."
    return "Convert it with image.astype('uint8')."


def _as_uint16(values: np.ndarray, bits: int) -> np.ndarray:
    """Convert gray of Pillow, which stores 16 bits as "I;16" or, in a 32-bit container, as "I"."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(
            f"Gray of more than 8 bits must lie in 0 to 65535. Received: minimum={low}, maximum={high}. Scale it first."
        )
    if 8 < bits < 16:
        return (values.astype(np.float32) * (65535 / ((1 << bits) - 1))).round().astype(np.uint16)
    return values.astype(np.uint16)


def _tiles(image: Image.Image) -> Sequence[Any]:
    """Return how Pillow will decode an image; empty if it is decoded."""
    return getattr(image, "tile", None) or ()


def _tiff_bits(image: Image.Image) -> int:
    """Return the bits of a value in a TIFF file, 0 for others."""
    from PIL import ExifTags

    tags = getattr(image, "tag_v2", None) or {}
    bits = tags.get(ExifTags.Base.BitsPerSample, 0)
    return int(bits[0] if isinstance(bits, tuple) else bits)


def _seek_photo(image: Image.Image) -> None:
    """Go to the first page that is no preview. DNG and other raw files begin with one.

    Raises:
        ImageError: There are other pages, and Pillow cannot read them.
    """
    if image.format != "TIFF" or image.tell() or not _is_preview(image):
        return
    (width, height), has_others = image.size, _SUB_PAGES in getattr(image, "tag_v2", {})
    for number in range(1, getattr(image, "n_frames", 1)):
        image.seek(number)
        if not _is_preview(image):
            return
    if has_others:
        raise ImageError(
            f"Only a preview of {width} x {height} pixels can be read, as in raw photos. Export the photo to JPEG."
        )
    image.seek(0)


def _is_preview(image: Image.Image) -> bool:
    """Tell whether a page of a TIFF file says that it is a smaller copy of another."""
    tags = getattr(image, "tag_v2", None) or {}
    new, old = tags.get(_NEW_SUBFILE_TYPE, 0), tags.get(_OLD_SUBFILE_TYPE, 0)
    return bool(isinstance(new, int) and new & 1) or old == 2


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
