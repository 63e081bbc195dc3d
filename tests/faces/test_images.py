from __future__ import annotations

import io
import os
import struct
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage import ImageError, list_images, load_image
from asianage.faces.images import IMAGE_SUFFIXES, MAX_PIXELS, detached, is_single_image
from asianage.faces.pixels import MIN_SIDE


def picture(height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth_picture(height: int = 48, width: int = 64) -> np.ndarray:
    """No symmetry, and survives JPEG."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 / width, y * 255 / height, (x + 2 * y) % 100], axis=2).astype(np.uint8)


def encoded(image: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: np.swapaxes(upright, 0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.swapaxes(upright[::-1, ::-1], 0, 1),
    8: lambda upright: np.rot90(upright, -1),
}
"""EXIF orientation -> how a camera stores what is to be seen upright."""


# --- what a picture may be given as ------------------------------------------------------------------------------


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


def test_an_open_file_is_read_from_its_begin_and_stays_open(tmp_path):
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


# --- modes and depths --------------------------------------------------------------------------------------------


def test_grey_becomes_three_equal_channels():
    grey = picture()[:, :, 0]
    for source in (grey, grey[:, :, None], Image.fromarray(grey), encoded(grey), encoded(grey, "BMP")):
        np.testing.assert_array_equal(load_image(source), np.repeat(grey[:, :, None], 3, axis=2))


def test_transparency_lies_over_white():
    rgba = np.dstack([picture(), np.zeros((24, 32), np.uint8)])
    rgba[:12, :, 3] = 255
    rgba[0, 0] = (100, 0, 255, 51)
    expected = picture()
    expected[12:] = 255
    # 51 is a fifth of 255: a fifth of the color and four fifths of white.
    expected[0, 0] = (224, 204, 255)
    for source in (rgba, Image.fromarray(rgba), encoded(rgba), encoded(rgba, "WEBP", lossless=True, exact=True)):
        np.testing.assert_array_equal(load_image(source), expected)


def test_an_array_and_a_file_with_transparency_give_the_same_pixels():
    rgba = np.random.default_rng(1).integers(0, 256, (256, 256, 4), dtype=np.uint8)
    np.testing.assert_array_equal(load_image(rgba), load_image(encoded(rgba)))


def test_grey_with_transparency_lies_over_white():
    grey = np.full((20, 20), 10, np.uint8)
    alpha = np.zeros((20, 20), np.uint8)
    alpha[:10] = 255
    both = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
    for source in (both, encoded(both)):
        loaded = load_image(source)
        assert (loaded[:10] == 10).all()
        assert (loaded[10:] == 255).all()


def test_palettes_with_and_without_transparency_become_rgb():
    indices = np.zeros((20, 20), np.uint8)
    indices[:, 10:] = 1
    image = Image.fromarray(indices).convert("P")
    image.putpalette([200, 10, 20, 0, 90, 250] + [0] * 762)
    for kind in ("PNG", "GIF", "BMP"):
        loaded = load_image(encoded(image, kind))
        assert (loaded[:, :10] == (200, 10, 20)).all()
        assert (loaded[:, 10:] == (0, 90, 250)).all()
    for transparency in (0, b"\x00\xff"):
        loaded = load_image(encoded(image, "PNG", transparency=transparency))
        assert (loaded[:, :10] == 255).all()
        assert (loaded[:, 10:] == (0, 90, 250)).all()


@pytest.mark.parametrize(("mode", "color"), [("1", 0), ("L", 0), ("RGB", (0, 0, 0))])
def test_a_transparent_color_lies_over_white(mode, color):
    content = encoded(Image.new(mode, (20, 20)), "PNG", transparency=color)
    assert (load_image(content) == 255).all()


def test_cmyk_becomes_rgb():
    image = Image.new("CMYK", (20, 20), (0, 255, 255, 0))
    loaded = load_image(encoded(image, "TIFF"))
    assert (loaded == (255, 0, 0)).all()
    loaded = load_image(encoded(image, "JPEG", quality=100, subsampling=0)).astype(int)
    assert np.abs(loaded - (255, 0, 0)).max() <= 4


COLOR_MODES = ["P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV"]
GREY_MODES = ["1", "L", "LA", "La", "I", "I;16", "I;16B", "F"]


@pytest.mark.parametrize("mode", COLOR_MODES + GREY_MODES)
def test_every_mode_of_pillow_gives_rgb(mode):
    loaded = load_image(Image.new(mode, (20, 30)))
    assert loaded.shape == (30, 20, 3)
    assert loaded.dtype == np.uint8


def test_sixteen_bits_keep_the_upper_eight():
    grey = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    expected = np.repeat(np.round(grey / 257.0).astype(np.uint8)[:, :, None], 3, axis=2)
    in_32_bits = Image.fromarray(grey.astype(np.int32))
    assert in_32_bits.mode == "I"
    sources = [grey, grey.astype(">u2"), Image.fromarray(grey), encoded(grey), encoded(grey, "TIFF"), in_32_bits]
    for source in sources:
        np.testing.assert_array_equal(load_image(source), expected)


def test_sixteen_bit_color_arrays_are_scaled():
    assert (load_image(np.full((20, 20, 3), 65535, np.uint16)) == 255).all()
    assert (load_image(np.full((20, 20, 3), 257, np.uint16)) == 1).all()


def test_bool_is_black_and_white():
    mask = np.zeros((20, 20), bool)
    mask[5:] = True
    loaded = load_image(mask)
    assert (loaded[:5] == 0).all()
    assert (loaded[5:] == 255).all()


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_in_zero_to_one_are_scaled(kind):
    grey = (np.arange(256).reshape(16, 16) / 255.0).astype(kind)
    np.testing.assert_array_equal(load_image(grey)[:, :, 0], np.arange(256).reshape(16, 16))


def test_a_float_tif_is_scaled_or_refused_by_its_range():
    grey = (np.arange(256, dtype=np.float32) / 255).reshape(16, 16)
    np.testing.assert_array_equal(load_image(encoded(grey, "TIFF"))[:, :, 0], np.arange(256).reshape(16, 16))
    with pytest.raises(ImageError, match=r"maximum=255"):
        load_image(encoded(grey * 255, "TIFF"))


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "lime", "blue")]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert (load_image(content) == (255, 0, 0)).all(), kind


# --- orientation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_exif_orientation_is_applied_exactly(orientation, kind, options):
    upright = picture()
    stored = np.ascontiguousarray(STORED[orientation](upright))
    content = encoded(stored, kind, exif=with_orientation(orientation), **options)
    np.testing.assert_array_equal(load_image(content), upright)
    np.testing.assert_array_equal(load_image(Image.open(io.BytesIO(content))), upright)


@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_of_a_jpeg_is_applied(orientation):
    stored = np.ascontiguousarray(STORED[orientation](smooth_picture()))
    plain = load_image(encoded(stored, "JPEG"))
    turned = load_image(encoded(stored, "JPEG", exif=with_orientation(orientation)))
    np.testing.assert_array_equal(STORED[orientation](turned), plain)
    assert turned.shape == smooth_picture().shape


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16"])
def test_exif_orientation_is_applied_in_every_mode(mode):
    upright = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30) * 100
    if mode == "I;16":
        image, turned = Image.fromarray(upright), Image.fromarray(np.ascontiguousarray(STORED[6](upright)))
    else:
        image = Image.fromarray((upright // 256).astype(np.uint8)).convert(mode)
        turned = image.transpose(Image.Transpose.ROTATE_90)
    content = encoded(turned, exif=with_orientation(6))
    np.testing.assert_array_equal(load_image(content), load_image(encoded(image)))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_unknown_orientation_changes_nothing(orientation):
    np.testing.assert_array_equal(load_image(encoded(picture(), exif=with_orientation(orientation))), picture())


def test_oddities_in_other_exif_entries_do_not_hinder_the_orientation():
    exif = with_orientation(6)
    exif[0x010E] = "hello world"
    content = encoded(np.ascontiguousarray(STORED[6](smooth_picture())), "JPEG", exif=exif)
    # The text becomes the value of ImageWidth, which has to be a number.
    odd = content.replace(b"\x01\x0e\x00\x02", b"\x01\x00\x00\x02", 1)
    assert odd != content
    np.testing.assert_array_equal(load_image(odd), load_image(content))


def test_a_damaged_block_of_exif_does_not_cost_the_picture():
    content = encoded(smooth_picture(), "JPEG", exif=with_orientation(6))
    damaged = content.replace(b"Exif\x00\x00MM\x00*", b"Exif\x00\x00XX\x00*", 1).replace(
        b"Exif\x00\x00II*\x00", b"Exif\x00\x00XX*\x00", 1
    )
    assert damaged != content
    np.testing.assert_array_equal(load_image(damaged), load_image(encoded(smooth_picture(), "JPEG")))


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(20,), (2, 20, 20, 3), (20, 20, 2), (20, 20, 5), (3, 20, 20), (20, 20, 0), ()])
def test_arrays_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(ImageError, match="Received: shape="):
        load_image(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64, np.uint32, np.complex64, object, "U3"])
def test_arrays_of_a_wrong_type_are_refused(kind):
    with pytest.raises(ImageError, match="dtype="):
        load_image(np.zeros((20, 20, 3), kind))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.01, 1.01, 255.0])
def test_floats_outside_zero_to_one_are_refused(value):
    image = np.full((20, 20, 3), 0.5, np.float32)
    image[3, 4, 1] = value
    with pytest.raises(ImageError, match="float image must"):
        load_image(image)


@pytest.mark.parametrize("source", [None, 5, 2.0, [1, 2], {"a": 1}, object()])
def test_other_kinds_are_a_type_error(source):
    with pytest.raises(TypeError, match=f"Received: {type(source).__name__}"):
        load_image(source)


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nobody"):
        load_image(tmp_path / "nobody.jpg")


def test_a_folder_is_refused_with_the_way_to_read_it(tmp_path):
    with pytest.raises(ImageError, match="list_images"):
        load_image(tmp_path)


@pytest.mark.parametrize(
    "address",
    ["https://example.org/a.jpg", "HTTP://example.org/a.jpg", "s3://bucket/a.jpg", "data:image/png;base64,AA"],
)
def test_an_address_is_refused(address):
    with pytest.raises(ImageError, match="address"):
        load_image(address)


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


def test_a_photo_in_heic_is_refused_with_the_ways_to_read_it(tmp_path):
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(100))
    with pytest.raises(ImageError, match="convert it to JPEG, or pip install pillow-heif"):
        load_image(path)


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


@pytest.mark.parametrize("shape", [(1, 1), (15, 100), (100, 15), (1, 5000), (0, 20), (20, 0)])
def test_a_picture_too_small_for_a_face_is_refused(shape):
    image = np.zeros((*shape, 3), np.uint8)
    for source in (image, encoded(image)) if image.size else (image,):
        with pytest.raises(ImageError, match=f"{shape[1]} x {shape[0]} pixels; at least {MIN_SIDE}"):
            load_image(source)
    assert load_image(np.zeros((MIN_SIDE, MIN_SIDE), np.uint8)).shape == (MIN_SIDE, MIN_SIDE, 3)


# --- size limits -------------------------------------------------------------------------------------------------


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


# --- damage ------------------------------------------------------------------------------------------------------

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
        for _ in range(1000):
            try:
                loaded = load_image(damaged(content, random))
            except ImageError:
                outcomes["refused"] += 1
            else:
                assert loaded.dtype == np.uint8
                assert loaded.shape[2] == 3
                outcomes["picture"] += 1
    assert outcomes["refused"] > 0, outcomes


# --- collections -------------------------------------------------------------------------------------------------


def test_one_image_is_told_from_many(tmp_path):
    for one in ("a.jpg", Path("a.jpg"), b"", bytearray(), memoryview(b""), io.BytesIO(), picture(), picture()[:, :, 0]):
        assert is_single_image(one)
    assert is_single_image(Image.new("RGB", (20, 20)))
    arrays = np.zeros((2, 20, 20, 3), np.uint8), np.array(["a.jpg"])
    for many in (["a.jpg"], ("a.jpg",), iter(["a.jpg"]), {"a.jpg"}, *arrays):
        assert not is_single_image(many)


def test_a_folder_is_listed_sorted_and_without_what_is_hidden(tmp_path):
    hidden = [".hidden.jpg", ".cache/f.jpg"]
    for name in ["b.JPG", "a.png", "c.txt", "sub/d.webp", "sub/deeper/e.tiff", "Thumbs.db", "g", *hidden]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert found == ["a.png", "b.JPG", "sub/d.webp", "sub/deeper/e.tiff"]
    assert [path.name for path in list_images(str(tmp_path / "sub"))] == ["d.webp", "e.tiff"]


def test_pillow_knows_every_suffix_that_is_listed():
    known = Image.registered_extensions()
    assert {suffix for suffix in IMAGE_SUFFIXES if suffix not in known} <= {".avif", ".heic", ".heif"}


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(NotADirectoryError, match="nowhere"):
        list(list_images(tmp_path / "nowhere"))


def test_an_image_that_is_detached_stays_as_it_was():
    array, content = picture(), encoded(picture())
    buffer, file = bytearray(content), io.BytesIO(content)
    kept = [detached(source) for source in (array, buffer, memoryview(buffer), file, Image.fromarray(array))]
    array[:] = 0
    buffer[:] = bytes(len(buffer))
    file.close()
    for source in kept:
        np.testing.assert_array_equal(load_image(source), picture())
    assert detached("photo.jpg") == "photo.jpg"
