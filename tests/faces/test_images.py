from __future__ import annotations

import contextlib
import importlib
import io
import os
import struct
import sys
import time
import unicodedata
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from asianage import ImageError, list_images, load_image
from asianage.faces.images import MAX_PIXELS, detached, is_single_image
from tests.faces.pictures import encoded, picture, smooth_picture, with_orientation


class Tensor:
    """What a tensor of another library offers. Its type of values has no `kind`."""

    dtype = object()

    def __init__(self, values: Any, error: str = "") -> None:
        self._values = np.asarray(values)
        self._error = error
        self.shape = self._values.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self._error:
            raise RuntimeError(self._error)
        return self._values

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)


# --- what a picture may be given as --------------------------------------------------------------------------------


def test_every_kind_of_source_gives_the_same_pixels(tmp_path):
    expected = picture()
    content = encoded(expected)
    path = tmp_path / "face.png"
    path.write_bytes(content)
    sources = [str(path), path, content, bytearray(content), memoryview(content), io.BytesIO(content)]
    sources += [Image.open(path), Image.fromarray(expected), expected]
    for source in sources:
        loaded = load_image(source)
        assert loaded.dtype == np.uint8
        assert loaded.flags.c_contiguous
        np.testing.assert_array_equal(loaded, expected)


def test_an_open_file_is_read_from_its_start_and_stays_open(tmp_path):
    path = tmp_path / "face.png"
    path.write_bytes(encoded(picture()))
    with path.open("rb") as file:
        file.seek(50)
        np.testing.assert_array_equal(load_image(file), picture())
        assert not file.closed


def test_a_pipe_can_be_read():
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(encoded(picture()))
    with os.fdopen(reader, "rb") as file:
        np.testing.assert_array_equal(load_image(file), picture())


def test_an_object_that_can_only_read_is_enough():
    class Response:
        def read(self) -> bytes:
            return encoded(picture())

    np.testing.assert_array_equal(load_image(Response()), picture())


def test_a_name_with_foreign_letters_and_spaces_is_read(tmp_path):
    path = tmp_path / "家族 写真 été.png"
    path.write_bytes(encoded(picture()))
    np.testing.assert_array_equal(load_image(path), picture())


def test_the_content_counts_and_not_the_suffix(tmp_path):
    path = tmp_path / "face.jpg"
    path.write_bytes(encoded(picture(), "PNG"))
    np.testing.assert_array_equal(load_image(path), picture())


def test_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "face.png").write_bytes(encoded(picture()))
    for path in ("~/face.png", Path("~/face.png")):
        np.testing.assert_array_equal(load_image(path), picture())
    assert list(list_images("~")) == [tmp_path / "face.png"]


def test_a_name_that_begins_with_a_tilde_is_no_home_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("~face.png").write_bytes(encoded(picture()))
    np.testing.assert_array_equal(load_image("~face.png"), picture())


def test_a_tensor_is_an_image():
    np.testing.assert_array_equal(load_image(Tensor(picture())), picture())
    np.testing.assert_array_equal(load_image(Tensor(picture() / 255)), picture())
    with pytest.raises(ImageError, match=r"shape=\(3, 24, 32\).*Channels come last"):
        load_image(Tensor(picture().transpose(2, 0, 1)))


def test_a_tensor_that_cannot_be_converted_is_refused_with_its_own_words():
    with pytest.raises(ImageError, match=r"The Tensor cannot be converted .*: use detach\(\)\."):
        load_image(Tensor(picture(), error="use detach()."))


def test_bgr_concerns_arrays_and_tensors_only():
    bgr = np.ascontiguousarray(picture()[:, :, ::-1])
    for source in (bgr, Tensor(bgr), np.dstack([bgr, np.full((24, 32), 255, np.uint8)])):
        loaded = load_image(source, channels="bgr")
        assert loaded.flags.c_contiguous
        np.testing.assert_array_equal(loaded, picture())
    gray = picture()[:, :, 0]
    np.testing.assert_array_equal(load_image(gray, channels="bgr"), load_image(gray))
    for source in (encoded(picture()), Image.fromarray(picture()), detached(Image.fromarray(picture()))):
        np.testing.assert_array_equal(load_image(source, channels="bgr"), picture())


def test_another_order_of_channels_is_refused():
    with pytest.raises(ValueError, match=r"`channels` must be .*Received: 'rgba'"):
        load_image(picture(), channels="rgba")


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "lime", "blue")]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert (load_image(content) == (255, 0, 0)).all(), kind


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [5, 2.0, object(), {1, 2}])
def test_other_kinds_are_a_type_error(source):
    with pytest.raises(TypeError, match=f"Received: {type(source).__name__}"):
        load_image(source)


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        (None, r"NoneType\. cv2\.imread returns None"),
        ({"image": "a.jpg"}, r"dict\. Pass the image that it contains"),
        ([[0, 255], [255, 0]], r"list\. Pass several images as one flat list"),
        (([0, 255], [255, 0]), r"tuple\. Pass several images as one flat list"),
    ],
)
def test_what_is_often_passed_by_mistake_is_refused_with_the_remedy(source, remedy):
    for function in (load_image, is_single_image):
        with pytest.raises(TypeError, match=f"An image must be a path.*Received: {remedy}"):
            function(source)


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nobody"):
        load_image(tmp_path / "nobody.jpg")


def test_a_folder_is_refused_with_the_way_to_read_it(tmp_path):
    with pytest.raises(ImageError, match="list_images"):
        load_image(tmp_path)


@pytest.mark.parametrize(
    "address",
    ["https://me:secret@example.org/a.jpg", "HTTP://example.org/secret.jpg", "s3://secret/a.jpg", "data:secret"],
)
def test_an_address_is_refused_and_not_repeated(address):
    with pytest.raises(ImageError, match="address that begins with") as raised:
        load_image(address)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["data:2024-05-01.png", "cam:/1.png", "https:/a.png", "100%d.png", "a[1].png"])
def test_a_file_that_is_there_is_no_address(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(encoded(picture()))
    for path in (name, f"./{name}", tmp_path / name):
        np.testing.assert_array_equal(load_image(path), picture())


def test_a_long_text_is_refused_and_not_repeated():
    with pytest.raises(ImageError, match=r"text of 40,000 characters.*base64\.b64decode") as raised:
        load_image("abcd" * 10_000)
    assert len(str(raised.value)) < 200


def test_a_name_is_found_in_both_forms_of_unicode(tmp_path):
    composed, apart = (unicodedata.normalize(form, "ren\u00e9.png") for form in ("NFC", "NFD"))
    for stored, asked in ((composed, apart), (apart, composed)):
        folder = tmp_path / ascii(stored)
        folder.mkdir()
        (folder / stored).write_bytes(encoded(picture()))
        np.testing.assert_array_equal(load_image(folder / asked), picture())


def test_a_path_with_a_null_character_is_refused():
    with pytest.raises(ImageError, match="null character"):
        load_image("face\0.jpg")


def test_a_file_in_text_mode_is_refused(tmp_path):
    path = tmp_path / "face.jpg"
    path.write_bytes(encoded(smooth_picture(), "JPEG"))
    with path.open(encoding="utf-8") as file, pytest.raises(ImageError, match="mode='rb'"):
        load_image(file)
    with pytest.raises(TypeError, match="mode='rb'"):
        load_image(io.StringIO("face"))


def test_a_closed_file_is_refused():
    file = io.BytesIO(encoded(picture()))
    file.close()
    with pytest.raises(ImageError, match="closed"):
        load_image(file)


def test_a_text_with_the_suffix_of_a_picture_is_refused_by_name(tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_text("This is not a picture.")
    with pytest.raises(ImageError, match=r"not an image.*notes\.jpg"):
        load_image(path)


HEIC = b"\x00\x00\x00\x18ftypheic" + bytes(100)


def test_a_photo_in_heic_is_refused_with_the_ways_to_read_it(tmp_path, monkeypatch):
    # None: not installed.
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(HEIC)
    with pytest.raises(ImageError, match="pip install pillow-heif, or convert"):
        load_image(path)


def test_pillow_heif_is_used_if_it_is_installed(monkeypatch):
    def register_heif_opener() -> None:
        class Plugin(ImageFile.ImageFile):
            format = "TESTHEIF"

            def _open(self) -> None:
                self._size, self._mode, self.tile = (20, 20), "RGB", []

            def load(self) -> None:
                self.im = Image.core.fill("RGB", (20, 20), (1, 2, 3))

        Image.register_open(Plugin.format, Plugin, lambda head: head[4:12] == b"ftypheic")

    monkeypatch.setattr(Image, "ID", list(Image.ID))
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(register_heif_opener=register_heif_opener))
    assert (load_image(HEIC) == (1, 2, 3)).all()


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_next_to_nothing_is_refused(content):
    with pytest.raises(ImageError, match="bytes"):
        load_image(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_picture_is_refused(kind, share):
    content = encoded(picture(64, 64), kind)
    with pytest.raises(ImageError):
        load_image(content[: int(len(content) * share)])


def test_a_damaged_pil_image_is_refused():
    content = encoded(picture(64, 64))
    with pytest.raises(ImageError, match="damaged"):
        load_image(Image.open(io.BytesIO(content[:-300])))
    closed = Image.open(io.BytesIO(content))
    closed.close()
    with pytest.raises(ImageError, match="damaged"):
        load_image(closed)


def test_postscript_is_not_run():
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n"
    with pytest.raises(ImageError, match="EPS"):
        load_image(content)


# --- size limits ---------------------------------------------------------------------------------------------------


def png_that_claims(width: int, height: int) -> bytes:
    """One bit a pixel, and nearly all pixels missing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [12_000, 13_000, 20_000, 1_000_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side):
    content = png_that_claims(side, side)
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match=f"{side} x {side} pixels, more than max_pixels"):
            load_image(content)
    assert time.perf_counter() - begin < 1.0


@pytest.mark.parametrize(("shape", "limit"), [((9_500, 10_000), MAX_PIXELS), ((14_000, 14_000), 10**9)])
def test_above_the_limits_of_pillow_ours_decides_without_a_warning(shape, limit):
    # Pillow warns above 89 million pixels and refuses above 179 million. Here the missing pixels are what is wrong.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match="damaged or truncated"):
            load_image(png_that_claims(*shape), max_pixels=limit)


def test_the_limit_can_be_set():
    image = picture(40, 50)
    for source in (image, encoded(image), Image.fromarray(image)):
        assert load_image(source, max_pixels=2000).shape == (40, 50, 3)
        with pytest.raises(ImageError, match="50 x 40 pixels, more than max_pixels=1999"):
            load_image(source, max_pixels=1999)


def test_the_limit_of_pillow_does_not_count(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_image(encoded(picture(100, 100))).shape == (100, 100, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_loading_in_threads_leaves_the_process_as_it_was(tmp_path):
    contents = [encoded(picture(seed=seed)) for seed in range(4)] + [b"nothing", png_that_claims(20_000, 20_000)]
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)

    def load(index: int) -> np.ndarray | None:
        try:
            return load_image(contents[index % len(contents)])
        except ImageError:
            return None

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(load, range(240)))
    for index, result in enumerate(results):
        seed = index % len(contents)
        if seed < 4:
            np.testing.assert_array_equal(result, picture(seed=seed))
        else:
            assert result is None
    assert limit == Image.MAX_IMAGE_PIXELS
    assert filters == list(warnings.filters)


# --- damage --------------------------------------------------------------------------------------------------------

FUZZED = {
    "JPEG": {"exif": with_orientation(6)},
    "PNG": {"exif": with_orientation(8)},
    "GIF": {},
    "WEBP": {},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "AVIF": {},
    "PPM": {},
}


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    data = bytearray(content)
    kind = random.integers(0, 4)
    if kind == 0:
        return bytes(data[: random.integers(0, len(data))])
    if kind == 1:
        start = int(random.integers(0, len(data)))
        del data[start : start + int(random.integers(1, 100))]
        return bytes(data)
    # Headers decide more than pixels.
    reach = len(data) if kind == 2 else min(len(data), 150)
    for _ in range(int(random.integers(1, 6))):
        data[random.integers(0, reach)] = random.integers(0, 256)
    return bytes(data)


@pytest.mark.parametrize("kind", FUZZED)
def test_any_damage_gives_a_picture_or_an_image_error(kind):
    if kind == "AVIF" and ".avif" not in Image.registered_extensions():
        pytest.skip("this Pillow has no AVIF")
    random = np.random.default_rng(sorted(FUZZED).index(kind))
    content = encoded(smooth_picture(), kind, **FUZZED[kind])
    outcomes = {"picture": 0, "refused": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(500):
            try:
                loaded = load_image(damaged(content, random))
            except ImageError:
                outcomes["refused"] += 1
            else:
                assert loaded.dtype == np.uint8
                assert loaded.shape[2] == 3
                outcomes["picture"] += 1
    assert outcomes["refused"] > 0, outcomes


# --- collections ---------------------------------------------------------------------------------------------------


def test_one_image_is_told_from_many(tmp_path):
    for one in ("a.jpg", Path("a.jpg"), b"", bytearray(), memoryview(b""), io.BytesIO(), picture(), picture()[:, :, 0]):
        assert is_single_image(one)
    assert is_single_image(Image.new("RGB", (20, 20)))
    arrays = np.zeros((2, 20, 20, 3), np.uint8), np.array(["a.jpg"])
    for many in (["a.jpg"], ("a.jpg",), iter(["a.jpg"]), {"a.jpg"}, [], *arrays):
        assert not is_single_image(many)
    with pytest.raises(TypeError, match="Received: int"):
        is_single_image(5)


def test_tensors_and_columns_of_tables_are_told_apart():
    assert is_single_image(Tensor(picture()))
    assert is_single_image(Tensor(picture()[:, :, 0]))
    for many in (["a.jpg", "b.jpg"], [picture(), picture()]):
        assert not is_single_image(Tensor(many))


def test_an_image_that_is_detached_stays_as_it_was():
    array, content = picture(), encoded(picture())
    buffer, file = bytearray(content), io.BytesIO(content)
    sources = (array, Tensor(array), buffer, memoryview(buffer), file, Image.fromarray(array))
    kept = [detached(source) for source in sources]
    array[:] = 0
    buffer[:] = bytes(len(buffer))
    file.close()
    for source in kept:
        np.testing.assert_array_equal(load_image(source), picture())
    assert detached("photo.jpg") == "photo.jpg"


def test_a_column_of_arrow_is_a_collection_and_its_values_are_images(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra ray")
    content = encoded(picture(), "PNG")
    (tmp_path / "a.png").write_bytes(content)
    for column in (pyarrow.array([str(tmp_path / "a.png")]), pyarrow.chunked_array([[content]])):
        assert not is_single_image(column)
        for value in column:
            assert is_single_image(value)
            np.testing.assert_array_equal(load_image(value), load_image(content))
            np.testing.assert_array_equal(load_image(detached(value)), load_image(content))


def test_a_table_is_refused_and_its_remedy_named():
    tables = []
    for name, make in (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "table")):
        with contextlib.suppress(ImportError):
            tables.append(getattr(importlib.import_module(name), make)({"a": [1, 2]}))
    assert tables or pytest.skip("needs pandas, Polars or pyarrow")
    for table in tables:
        for check in (is_single_image, load_image, detached):
            with pytest.raises(TypeError, match=r"Received: (DataFrame|Table).*`asianage.predict_table`"):
                check(table)
