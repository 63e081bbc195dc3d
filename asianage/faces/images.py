"""Anything that holds one picture -> uint8 RGB, upright. The only place where pictures are decoded."""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np

from asianage.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

ImageSource: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | np.ndarray"
)

MAX_PIXELS = 128_000_000
"""Default limit of width x height: the 108-megapixel photos of phones pass, decompression bombs do not."""

MIN_SIDE = 16
"""Images with a shorter side cannot hold a face that says anything, in pixels."""

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif", ".ppm"}
    | {".heic", ".heif"}
)
"""Suffixes of the files that count as pictures in a folder: what Pillow reads, and what it reads with pillow-heif."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/|data:", re.IGNORECASE)
"""Begin of a URL or data URL; `pathlib` makes one slash of two. A drive letter has one letter."""

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})
"""What the header of a photo in HEIC says of its kind."""

_pillow_limit_lock = threading.Lock()


def load_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read one image as upright 8-bit RGB.

    EXIF orientation is applied, transparency is laid over white, gray, palette and CMYK become RGB, 16 bit becomes 8
    bit, and of an animation the first frame is taken.

    Args:
        source: Path, encoded bytes, binary file object, PIL image, or an array: (height, width), (height, width, 1),
            (height, width, 3) RGB or (height, width, 4) RGBA; uint8, bool, uint16 in [0, 65535] or float in [0, 1].
        max_pixels: Largest accepted width x height, checked before anything is decoded.

    Returns:
        uint8 (height, width, 3), RGB. It may be read-only or share memory with what was passed: copy it to change it.

    Raises:
        FileNotFoundError: There is no such file.
        TypeError: `source` is of another kind.
        ImageError: The content cannot be read as an image, or is too small or too large.
    """
    if isinstance(source, np.ndarray):
        image = _from_array(source, max_pixels)
    else:
        image = _from_encoded_or_pil(source, max_pixels)
    _check_size(image.shape[1], image.shape[0], max_pixels)
    return image


def detached(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> ImageSource:
    """Return the same image as something that nobody else can change or close, decoded only if there is no other way.

    Raises:
        ImageError: A PIL image or a file object cannot be read.
    """
    if isinstance(source, np.ndarray):
        return source.copy()
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    if _is_pil_image(source):
        return load_image(source, max_pixels=max_pixels)
    if not isinstance(source, os.PathLike) and hasattr(source, "read"):
        return _content(source)
    return source


def is_single_image(value: Any) -> bool:
    """Tell whether `value` is one image rather than a collection of images."""
    if isinstance(value, np.ndarray):
        # An array of paths is a collection.
        return value.ndim < 4 and value.dtype.kind not in "USO"
    if isinstance(value, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(value, "read"):
        return True
    return _is_pil_image(value)


def list_images(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the image files below `folder`, sorted, hidden files and folders left out.

    Raises:
        NotADirectoryError: There is no such folder.
    """
    if not os.path.isdir(folder):
        raise NotADirectoryError(f"There is no folder {os.fspath(folder)}. Check the name.")
    for directory, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Path(directory, name)


def _is_pil_image(value: Any) -> bool:
    from PIL import Image

    return isinstance(value, Image.Image)


def _from_encoded_or_pil(source: Any, max_pixels: int) -> np.ndarray:
    if _is_pil_image(source):
        return _decoded(source, f"PIL image of mode {source.mode}", max_pixels)
    if isinstance(source, str | os.PathLike):
        return _from_path(Path(source), max_pixels)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_file(io.BytesIO(source), f"{len(source)} bytes", max_pixels)
    if hasattr(source, "read"):
        return _from_file(io.BytesIO(_content(source)), "file object", max_pixels)
    raise TypeError(
        "`image` must be a path, bytes, a binary file object, a PIL image or a NumPy array. "
        f"Received: {type(source).__name__}."
    )


def _from_path(path: Path, max_pixels: int) -> np.ndarray:
    name = str(path)
    if _ADDRESS.match(name):
        raise ImageError(
            f"`image` must be a local file. Received the address {name[:200]}. Download it, then pass its bytes."
        )
    if "\0" in name:
        raise ImageError(f"`image` must be a path, without a null character. Received: {name[:200]!r}.")
    if path.is_dir():
        raise ImageError(
            f"`image` must be a file. Received the folder {path}. Pass its files, for instance "
            "`estimator.predict(asianage.list_images(folder))`."
        )
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        message = f"There is no file {path}. Check the name and the folder that it starts from."
        raise FileNotFoundError(message) from error
    with file:
        return _from_file(file, name, max_pixels)


def _content(file: Any) -> bytes:
    try:
        if hasattr(file, "seekable") and file.seekable():
            file.seek(0)
        content = file.read()
    # Reading a closed file, or a picture in text mode.
    except ValueError as error:
        raise ImageError(f"The file object cannot be read: {error}. Pass one opened with mode='rb'.") from error
    if not isinstance(content, bytes | bytearray | memoryview):
        raise TypeError(
            f"A file object must give bytes: open it with mode='rb'. Received: {type(content).__name__} from read()."
        )
    return bytes(content)


def _from_file(file: IO[bytes], name: str, max_pixels: int) -> np.ndarray:
    from PIL import UnidentifiedImageError

    try:
        image = _opened(file)
    except UnidentifiedImageError as error:
        raise ImageError(f"The content is not an image in a known format ({name}). {_remedy(file)}") from error
    # Decoders of damaged files raise many kinds of exceptions.
    except Exception as error:
        raise _damaged(name, error) from error
    with image:
        return _decoded(image, name, max_pixels)


def _remedy(file: IO[bytes]) -> str:
    """Tell what can be done with a file that Pillow does not know."""
    file.seek(0)
    head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return (
            "It is a HEIC photo: convert it to JPEG, or pip install pillow-heif and call "
            "`pillow_heif.register_heif_opener()` first."
        )
    return "Check that the file is a picture and was copied completely."


def _opened(file: IO[bytes]) -> Image.Image:
    """Read the header of an encoded image; Pillow's own limit, a global variable, does not count, `max_pixels` does."""
    from PIL import Image

    with _pillow_limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _decoded(image: Image.Image, name: str, max_pixels: int) -> np.ndarray:
    try:
        return _from_pil(image, max_pixels)
    except ImageError as error:
        raise ImageError(f"{error} ({name})") from error
    # Decoders of damaged files raise many kinds of exceptions.
    except Exception as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> ImageError:
    reason = str(error).rstrip(".") or type(error).__name__
    return ImageError(f"The image is damaged or truncated ({name}): {reason}. Copy or download it again.")


def _from_pil(image: Image.Image, max_pixels: int) -> np.ndarray:
    from PIL import Image

    _check_size(*image.size, max_pixels)
    if image.format == "EPS":
        raise ImageError("An EPS file is a program, not a picture, and is not run. Convert it to PNG or JPEG first.")
    image = _upright(image)
    if image.mode.startswith("I"):
        # Pillow holds 16-bit grey as "I;16" or, in a 32-bit container, as "I".
        return _from_array(np.asarray(image).clip(0, 65535).astype(np.uint16), max_pixels)
    if image.mode == "F":
        return _from_array(np.asarray(image), max_pixels)
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation.

    `PIL.ImageOps.exif_transpose` also writes the other EXIF entries anew, and fails on cameras' oddities in them.
    """
    from PIL import ExifTags
    from PIL.Image import Transpose

    # Pillow turns TIFF files upright itself, when it loads them.
    image.load()
    try:
        orientation: Any = image.getexif().get(ExifTags.Base.Orientation)
    # A damaged block of EXIF raises many kinds of exceptions, and says nothing about the picture.
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


def _from_array(array: np.ndarray, max_pixels: int) -> np.ndarray:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            "`image` must have shape (height, width), (height, width, 1), (height, width, 3) or (height, width, 4). "
            f"Received: shape={array.shape}, dtype={array.dtype}. Channels come last; split batches into images."
        )
    _check_size(array.shape[1], array.shape[0], max_pixels)
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
    if np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ImageError("A float image must hold finite numbers. Received NaN or infinity. Clean it first.")
        if low < 0.0 or high > 1.0:
            raise ImageError(
                f"A float image must lie in [0, 1]. Received: minimum={low:g}, maximum={high:g}. "
                "Values in [0, 255] are passed with image.astype('uint8')."
            )
        return (array * 255.0).round().astype(np.uint8)
    raise ImageError(
        f"`image` must be uint8, uint16, bool or float. Received: shape={array.shape}, dtype={array.dtype}. "
        "Convert it with image.astype('uint8')."
    )


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ImageError(
            f"The image has {width} x {height} pixels, more than max_pixels={max_pixels}. Shrink it, or raise "
            "`max_pixels`."
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"The image has {width} x {height} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed. Pass a larger one."
        )
