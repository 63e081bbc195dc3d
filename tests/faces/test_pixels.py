from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin, TiffTags

from asianage import ImageError, load_image
from asianage.faces.pixels import MIN_SIDE
from tests.faces.pictures import encoded, picture, smooth_picture, with_orientation

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


# --- modes and depths ----------------------------------------------------------------------------------------------


def test_gray_becomes_three_equal_channels():
    gray = picture()[:, :, 0]
    for source in (gray, gray[:, :, None], Image.fromarray(gray), encoded(gray), encoded(gray, "BMP")):
        np.testing.assert_array_equal(load_image(source), np.repeat(gray[:, :, None], 3, axis=2))


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


def test_gray_with_transparency_lies_over_white():
    gray = np.full((20, 20), 10, np.uint8)
    alpha = np.zeros((20, 20), np.uint8)
    alpha[:10] = 255
    both = Image.merge("LA", [Image.fromarray(gray), Image.fromarray(alpha)])
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
GRAY_MODES = ["1", "L", "LA", "La", "I", "I;16", "I;16B", "F"]


@pytest.mark.parametrize("mode", COLOR_MODES + GRAY_MODES)
def test_every_mode_of_pillow_gives_rgb(mode):
    loaded = load_image(Image.new(mode, (20, 30)))
    assert loaded.shape == (30, 20, 3)
    assert loaded.dtype == np.uint8


def test_sixteen_bits_keep_the_upper_eight():
    gray = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    expected = np.repeat(np.round(gray / 257.0).astype(np.uint8)[:, :, None], 3, axis=2)
    in_32_bits = Image.fromarray(gray.astype(np.int32))
    assert in_32_bits.mode == "I"
    sources = [gray, gray.astype(">u2"), Image.fromarray(gray), encoded(gray), encoded(gray, "TIFF"), in_32_bits]
    for source in sources:
        np.testing.assert_array_equal(load_image(source), expected)


def test_sixteen_bit_color_arrays_are_scaled():
    image = np.full((20, 20, 3), 65535, np.uint16)
    image[0] = 257
    loaded = load_image(image)
    assert (loaded[0] == 1).all()
    assert (loaded[1:] == 255).all()


def png_of_sixteen_bits(values: np.ndarray) -> bytes:
    """Write colors of 16 bits, which Pillow cannot."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("bits", "remedy"), [(8, r"image\.astype"), (10, "image >> 2"), (12, "image >> 4"), (14, ">> 6")]
)
def test_sixteen_bits_that_hold_fewer_are_refused(bits, remedy):
    gray = np.linspace(0, 2**bits - 1, 400).astype(np.uint16).reshape(20, 20)
    color = np.dstack([gray, gray // 2, gray // 2])
    opaque = np.full_like(gray, 65535)
    sources = [gray, color, gray.astype(">u2"), Image.fromarray(gray), Image.fromarray(gray.astype(np.int32))]
    sources += [encoded(gray, kind) for kind in ("PNG", "TIFF", "PPM")]
    sources += [png_of_sixteen_bits(np.dstack(parts)) for parts in ([color], [color, opaque], [gray, opaque])]
    for source in sources:
        with pytest.raises(ImageError, match=f"range 0 to 65535.*as of {bits} bits.*{remedy}"):
            load_image(source)


def test_eight_bits_that_pillow_widened_are_refused():
    with pytest.raises(ImageError, match="maximum=255, as of 8 bits"):
        load_image(Image.fromarray(picture()[:, :, 0]).point(lambda value: value | 255).convert("I"))


def test_colors_of_sixteen_bits_are_read_and_black_stays_black():
    color = (picture().astype(np.uint16) << 8) + 255
    np.testing.assert_array_equal(load_image(png_of_sixteen_bits(color)), picture())
    for black in (np.zeros((20, 20), np.uint16), np.zeros((20, 20, 3), np.float32)):
        assert not load_image(black).any()


@pytest.mark.parametrize("values", [(-1, 255), (0, 65536), (-32768, 32767)])
def test_gray_of_32_bits_outside_of_16_is_refused(values):
    gray = np.full((20, 20), values[0], np.int32)
    gray[0, 0] = values[1]
    for source in (Image.fromarray(gray), encoded(gray, "TIFF")):
        with pytest.raises(ImageError, match=f"minimum={values[0]}, maximum={values[1]}"):
            load_image(source)


def test_a_tif_of_twelve_bits_is_scaled_by_its_depth():
    gray = np.linspace(0, 2000, 400).astype(int)
    bits = "".join(f"{value:012b}" for value in gray)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    tags = {256: 20, 257: 20, 258: 12, 259: 1, 262: 1, 273: 0, 277: 1, 278: 20, 279: len(data)}
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    content = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data
    np.testing.assert_array_equal(load_image(content)[:, :, 0].ravel(), np.round(gray * 255 / 4095))


def tif_of_pages(*pages: tuple[str, int, dict[int, int]]) -> bytes:
    """Write pages of a color, a side and tags."""
    images = []
    for color, side, tags in pages:
        image = Image.new("RGB", (side, side), color)
        info = TiffImagePlugin.ImageFileDirectory_v2()
        for tag, value in tags.items():
            info.tagtype[tag] = TiffTags.LONG
            info[tag] = value
        image.encoderinfo = {"tiffinfo": info}
        images.append(image)
    first, *others = images
    return encoded(first, "TIFF", save_all=True, append_images=others, tiffinfo=first.encoderinfo["tiffinfo"])


@pytest.mark.parametrize("preview", [{254: 1}, {255: 2}])
def test_a_preview_is_not_taken_for_the_photo(preview):
    content = tif_of_pages(("red", 20, preview), ("red", 30, preview), ("blue", 200, {}))
    for source in (content, Image.open(io.BytesIO(content))):
        loaded = load_image(source)
        assert loaded.shape == (200, 200, 3)
        assert (loaded == (0, 0, 255)).all()
    with pytest.raises(ImageError, match="more than max_pixels"):
        load_image(content, max_pixels=30 * 30)


def test_a_photo_with_a_preview_in_one_file_is_the_photo():
    photo = Image.fromarray(picture(64, 64))
    content = encoded(photo, "MPO", save_all=True, append_images=[photo.resize((20, 20))])
    assert load_image(content).shape == (64, 64, 3)


def test_a_raw_photo_of_which_only_a_preview_can_be_read_is_refused():
    with pytest.raises(ImageError, match=r"preview of 20 x 20 pixels.*Export the photo to JPEG"):
        load_image(tif_of_pages(("red", 20, {254: 1, 330: 8})))
    assert load_image(tif_of_pages(("red", 20, {254: 1}))).shape == (20, 20, 3)
    assert load_image(tif_of_pages(("red", 20, {}), ("blue", 200, {}))).shape == (20, 20, 3)


def test_bool_is_black_and_white():
    mask = np.zeros((20, 20), bool)
    mask[5:] = True
    loaded = load_image(mask)
    assert (loaded[:5] == 0).all()
    assert (loaded[5:] == 255).all()


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_in_zero_to_one_are_scaled(kind):
    gray = (np.arange(256).reshape(16, 16) / 255.0).astype(kind)
    np.testing.assert_array_equal(load_image(gray)[:, :, 0], np.arange(256).reshape(16, 16))


def test_a_float_tif_is_scaled_or_refused_by_its_range():
    gray = (np.arange(256, dtype=np.float32) / 255).reshape(16, 16)
    np.testing.assert_array_equal(load_image(encoded(gray, "TIFF"))[:, :, 0], np.arange(256).reshape(16, 16))
    with pytest.raises(ImageError, match=r"maximum=255"):
        load_image(encoded(gray * 255, "TIFF"))


# --- orientation ---------------------------------------------------------------------------------------------------


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


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(20,), (2, 20, 20, 3), (20, 20, 2), (20, 20, 5), (3, 20, 20), (20, 20, 0), ()])
def test_arrays_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(ImageError, match="Received: shape="):
        load_image(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64, np.uint32, np.complex64, object, "U3"])
def test_arrays_of_a_wrong_type_are_refused(kind):
    with pytest.raises(ImageError, match="dtype="):
        load_image(np.zeros((20, 20, 3), kind))


@pytest.mark.parametrize(
    ("array", "remedy"),
    [
        (np.full((20, 20), 255, np.int32), r"with image\.astype\('uint8'\)"),
        (np.full((20, 20), 65535, np.int32), r"astype\('uint16'\) if 65535 is white"),
        (np.full((20, 20), -1, np.int64), "Scale it to 0 to 255"),
        (picture() / 255 / 255, "Divide by 255 only once"),
    ],
)
def test_the_remedy_fits_the_values(array, remedy):
    with pytest.raises(ImageError, match=remedy):
        load_image(array)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.01, 1.01, 255.0])
def test_floats_outside_zero_to_one_are_refused(value):
    image = np.full((20, 20, 3), 0.5, np.float32)
    image[3, 4, 1] = value
    with pytest.raises(ImageError, match="float image must"):
        load_image(image)


@pytest.mark.parametrize("shape", [(1, 1), (15, 100), (100, 15), (1, 5000), (0, 20), (20, 0)])
def test_a_picture_too_small_for_a_face_is_refused(shape):
    image = np.zeros((*shape, 3), np.uint8)
    for source in (image, encoded(image)) if image.size else (image,):
        with pytest.raises(ImageError, match=f"{shape[1]} x {shape[0]} pixels; at least {MIN_SIDE}"):
            load_image(source)
    assert load_image(np.zeros((MIN_SIDE, MIN_SIDE), np.uint8)).shape == (MIN_SIDE, MIN_SIDE, 3)
