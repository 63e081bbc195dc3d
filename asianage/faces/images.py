"""Whatever holds a picture -> uint8 RGB, upright. The only place where pictures are decoded."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeGuard

import numpy as np

from asianage.errors import ImageError
from asianage.faces import pixels
from asianage.faces.image_files import address_start, is_pipe, read_pipe, stored_form

if TYPE_CHECKING:
    from PIL import Image


class SupportsArray(Protocol):
    """An array or a tensor: whatever `np.asarray` takes, such as a tensor of PyTorch, TensorFlow or JAX."""

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        """Return the values as a NumPy array."""
        ...


ImageSource: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | SupportsArray"
)

Channels: TypeAlias = Literal["rgb", "bgr"]

MAX_PIXELS = 128_000_000
"""Default limit of width x height: the 108-megapixel photos of phones pass, decompression bombs do not."""

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"})
"""Kinds of HEIC files, as their headers name them."""

_REMEDIES: dict[type, str] = {
    Mapping: "Pass the image that it contains.",
    Sequence: "Pass several images as one flat list, or the pixels of one as np.asarray(image, dtype='uint8').",
    type(None): "cv2.imread returns None for a file that it cannot read; pass the path instead.",
}

_pillow_limit_lock = threading.Lock()

HUGE_PIXELS = 64_000_000
"""Width x height above which a JPEG file may be decoded at half its size, which takes a quarter of the memory."""


def load_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS, channels: Channels = "rgb") -> np.ndarray:
    """Read one image as upright 8-bit RGB.

    EXIF orientation is applied, transparency is laid over white, gray, palette and CMYK become RGB, 16 bit becomes 8
    bit. Of an animation the first frame is taken, and of a file with previews the first page that is none.

    Args:
        source: Path, encoded bytes, binary file object, PIL image, or an array or tensor: (height, width),
            (height, width, 1), (height, width, 3) or (height, width, 4); uint8, bool, uint16 in [0, 65535] or float in
            [0, 1]. 16 bits that hold 8, 10, 12 or 14 are refused.
        max_pixels: Largest accepted width x height, checked before anything is decoded.
        channels: Order of the channels of an array or tensor: "rgb", or "bgr" as OpenCV has it.

    Returns:
        uint8 (height, width, 3), RGB. It may be read-only or share memory with `source`: copy it before changing it.

    Raises:
        FileNotFoundError: There is no such file.
        TypeError: `source` is of another kind.
        ImageError: The content cannot be read as an image, or is too small or too large.
    """
    return load_reduced(source, max_pixels=max_pixels, channels=channels, most=max_pixels)[0]


def load_reduced(
    source: ImageSource, *, max_pixels: int = MAX_PIXELS, channels: Channels = "rgb", most: int = HUGE_PIXELS
) -> tuple[np.ndarray, float]:
    """Read one image as `load_image` does, a JPEG file of more than `most` pixels at half its width and height.

    Returns:
        The image, and how many of the file's pixels are in the width of one of its own: 1.0 or 2.0.
    """
    if channels not in ("rgb", "bgr"):
        raise ValueError(f'`channels` must be "rgb" or "bgr". Received: {channels!r}.')
    source, scale = _plain(source), 1.0
    if isinstance(source, str | os.PathLike):
        image, scale = _from_path(Path(os.path.expanduser(source)), max_pixels, most)
    elif isinstance(source, bytes | bytearray | memoryview):
        image, scale = _from_file(io.BytesIO(source), f"{len(source)} bytes", max_pixels, most)
    elif _is_pil_image(source):
        image = _decoded(source, f"PIL image of mode {source.mode}", max_pixels)
    elif hasattr(source, "__array__"):
        image = pixels.from_array(_as_array(source), max_pixels)
        if channels == "bgr":
            image = np.ascontiguousarray(image[:, :, ::-1])
    elif hasattr(source, "read"):
        image, scale = _from_file(io.BytesIO(_content(source)), "file object", max_pixels, most)
    else:
        raise _wrong_kind(source)
    pixels.check_size(image.shape[1], image.shape[0], max_pixels)
    return image, scale


def detached(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> ImageSource:
    """Return the same image as something that nobody else can change or close, decoded only if there is no other way.

    Raises:
        ImageError: A PIL image or a file object cannot be read.
    """
    source = _plain(source)
    if isinstance(source, str | os.PathLike | bytes):
        return source
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    if _is_pil_image(source):
        from PIL import Image

        # Not an array, so that `channels` still does not apply to it.
        return Image.fromarray(load_image(source, max_pixels=max_pixels))
    if hasattr(source, "__array__"):
        return _as_array(source).copy()
    return _content(source) if hasattr(source, "read") else source


def is_single_image(value: Any) -> TypeGuard[ImageSource]:
    """Tell whether `value` is one image rather than a collection of images.

    Raises:
        TypeError: `value` is neither: a dictionary, a nested list, None, or anything else that is not iterable.
    """
    value = _plain(value)
    if isinstance(value, str | os.PathLike | bytes | bytearray | memoryview) or _is_pil_image(value):
        return True
    if hasattr(value, "to_pylist"):  # A column of Arrow.
        return False
    if hasattr(value, "__array__"):
        # A batch, an array of paths and a column of a table are collections. Tables other than pandas have no `kind`.
        shape = getattr(value, "shape", ())
        kind = getattr(getattr(value, "dtype", None), "kind", "O" if len(shape) == 1 else "u")
        return len(shape) < 4 and kind not in "USO"
    if hasattr(value, "read"):
        return True
    is_nested = isinstance(value, Sequence) and len(value) > 0 and isinstance(value[0], list | tuple)
    if is_nested or isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise _wrong_kind(value)
    return False


def _plain(source: Any) -> Any:
    """Return a value of Arrow as a value of Python, and everything else as it is; refuses a table."""
    if hasattr(source, "columns") and hasattr(source, "shape"):
        raise _wrong_kind(source, "Pass a column to `asianage.predict_table`, such as predict_table(table['file']).")
    return source.as_py() if hasattr(source, "as_py") else source


def _is_pil_image(value: Any) -> TypeGuard[Image.Image]:
    from PIL import Image

    return isinstance(value, Image.Image)


def _wrong_kind(value: Any, remedy: str = "") -> TypeError:
    remedy = remedy or next((text for kind, text in _REMEDIES.items() if isinstance(value, kind)), "")
    return TypeError(
        "An image must be a path, bytes, a binary file object, a PIL image, an array or a tensor. "
        f"Received: {type(value).__name__}. {remedy}".rstrip()
    )


def _as_array(source: Any) -> np.ndarray:
    try:
        return np.asarray(source)
    # Tensors on a GPU and tensors with a gradient raise different kinds of exceptions.
    except Exception as error:
        name = type(source).__name__
        raise ImageError(f"The {name} cannot be converted to a NumPy array: {error} Convert it first.") from error


def _from_path(path: Path, max_pixels: int, most: int) -> tuple[np.ndarray, float]:
    if "\0" in str(path):
        raise ImageError(f"`image` must be a path, without a null character. Received: {str(path)[:200]!r}.")
    path = stored_form(path)
    if os.path.isdir(path):
        raise ImageError(
            f"`image` must be a file. Received the folder {path}. Pass its files, for instance "
            "`estimator.predict(asianage.list_images(folder))`."
        )
    if is_pipe(path):
        return _from_file(io.BytesIO(read_pipe(path)), str(path), max_pixels, most)
    try:
        file = path.open("rb")
    except OSError as error:
        raise _cannot_open(str(path), error) from error
    with file:
        return _from_file(file if file.seekable() else io.BytesIO(file.read()), str(path), max_pixels, most)


def _cannot_open(name: str, error: OSError) -> Exception:
    if start := address_start(name):
        return ImageError(
            f"`image` must be a local file. Received an address that begins with {start}. Download it first."
        )
    if error.errno == errno.ENAMETOOLONG:
        return ImageError(
            f"`image` must be a path. Received a text of {len(name):,} characters. If it is an image in base64, decode "
            "it first, in Python with base64.b64decode(text)."
        )
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(f"There is no file {name}. Check the name and the folder that it starts from.")
    return error


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


def _from_file(file: IO[bytes], name: str, max_pixels: int, most: int) -> tuple[np.ndarray, float]:
    from PIL import UnidentifiedImageError

    try:
        image = _opened(file)
    except UnidentifiedImageError as error:
        raise ImageError(f"The content is not an image in a known format ({name}). {_remedy(file)}") from error
    # Decoders of damaged files raise many kinds of exceptions.
    except Exception as error:
        raise _damaged(name, error) from error
    with image:
        scale = pixels.halve(image, most, max_pixels)
        return _decoded(image, name, max_pixels), scale


def _is_heic(file: IO[bytes]) -> bool:
    file.seek(0)
    head = file.read(12)
    file.seek(0)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def _remedy(file: IO[bytes]) -> str:
    """Return what can be done with a file that Pillow does not know."""
    if _is_heic(file) and sys.modules.get("pillow_heif") is None:
        return "It is a HEIC photo: pip install pillow-heif, or convert the photo to JPEG."
    return "Check that the file is a picture and was copied completely."


def _opened(file: IO[bytes]) -> Image.Image:
    """Read the header of an encoded image. `max_pixels` replaces Pillow's own limit, which is a global variable."""
    from PIL import Image

    with _pillow_limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            if _is_heic(file):
                with contextlib.suppress(ImportError):
                    import pillow_heif

                    pillow_heif.register_heif_opener()
            return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _decoded(image: Image.Image, name: str, max_pixels: int) -> np.ndarray:
    if image.format == "EPS":
        raise ImageError(f"An EPS file is a program and is not run ({name}). Convert it to PNG or JPEG first.")
    try:
        return pixels.from_pil(image, max_pixels)
    except ImageError as error:
        raise ImageError(f"{error} ({name})") from error
    # Decoders of damaged files raise many kinds of exceptions.
    except Exception as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> ImageError:
    reason = str(error).rstrip(".") or type(error).__name__
    return ImageError(f"The image is damaged or truncated ({name}): {reason}. Copy or download it again.")
