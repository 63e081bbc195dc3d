"""Pixels of any mode, depth and orientation -> upright uint8 RGB."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from asianage.errors import ImageError
from asianage.faces.upright import exif_orientation, strips, upright

if TYPE_CHECKING:
    from PIL import Image

MIN_SIDE = 16
"""Shortest accepted side, in pixels: a smaller image shows no face that can be estimated."""

MOST_PAGES = 100
"""Pages of a TIFF file that are looked at, at most."""

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
    _seek_photo(image)
    check_size(*image.size, max_pixels)
    # Pillow takes the upper 8 of 16 bits while it decodes colors.
    is_deep = image.mode in ("RGB", "RGBA", "RGBX", "LA") and any(
        re.search(";16[BLN]", str(part[3])) for part in _tiles(image)
    )
    bits = _tiff_bits(image)
    image.load()
    orientation = exif_orientation(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep_gray(image, bits, orientation)
    if is_deep:
        colors = image.getbands()[: -1 if image.mode in ("RGBA", "LA") else None]
        _check_depth(256 * max(cast("int", image.getchannel(band).getextrema()[1]) for band in colors) + 255)
    return upright(image, orientation, _over_white)


def _over_white(image: Image.Image) -> np.ndarray:
    """Return uint8 (height, width, 3), RGB, with transparency laid over white."""
    from PIL import Image

    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _from_deep_gray(image: Image.Image, bits: int, orientation: int) -> np.ndarray:
    """Convert gray of more than 8 bits. The values of the whole image decide whether it can be converted."""
    extremes = [(values.min(), values.max()) for values in (np.asarray(part) for _, part in strips(image))]
    low, high = (
        function(values) for function, values in zip((np.min, np.max), zip(*extremes, strict=True), strict=True)
    )

    def convert(values: np.ndarray) -> np.ndarray:
        return (values if values.dtype.kind == "f" else _as_uint16(values, bits))[:, :, None]

    _check_range(convert(np.array([[low, high]])))
    return upright(image, orientation, lambda part: _scaled(convert(np.asarray(part))))


def halve(image: Image.Image, most: int, max_pixels: int) -> float:
    """Let Pillow decode a JPEG file of more than `most` pixels at half its width and height.

    A file of more than `max_pixels` stays as it is, to be refused.

    Returns:
        The file's pixels in the width of one of the decoded picture: 1.0 or 2.0.
    """
    width, height = image.size
    if image.format not in ("JPEG", "MPO") or not most < width * height <= max_pixels:
        return 1.0
    image.draft(None, (-(-width // 2), -(-height // 2)))
    return 1.0 if image.size == (width, height) else 2.0


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
    _check_range(array)
    return _scaled(array)


def _scaled(array: np.ndarray) -> np.ndarray:
    """Convert values of the full range of 16 bits, or in [0, 1], to 8 bits."""
    if array.dtype.kind == "u":
        return (array.astype(np.float32) / 257.0).round().astype(np.uint8)
    return (array * 255.0).round().astype(np.uint8)


def _check_range(array: np.ndarray) -> None:
    """Raise an `ImageError` unless the values are those of 16 bits, or lie in [0, 1]."""
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        _check_depth(int(array.max()))
        return
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
    with contextlib.suppress(EOFError):
        for number in range(1, MOST_PAGES):
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


def pixels_sha256(image: np.ndarray) -> str:
    """Return a hash of an image's shape and pixels, in hexadecimal: equal pictures have the same in every format."""
    return hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()
