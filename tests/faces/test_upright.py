from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from asianage.errors import ImageError
from asianage.faces import upright
from asianage.faces.images import load_image
from asianage.faces.upright import exif_orientation, strips

COLORS = np.random.default_rng(0).integers(0, 256, (61, 40, 4), dtype=np.uint8)


@pytest.fixture(params=[10**6, 300, 1], ids=["at once", "in strips", "row by row"])
def pixels_at_once(request, monkeypatch):
    monkeypatch.setattr(upright, "STRIP_PIXELS", request.param)


def png(image, orientation=None):
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    content = io.BytesIO()
    image.save(content, "PNG", exif=exif)
    return content.getvalue()


@pytest.mark.parametrize("orientation", range(10))
def test_an_image_is_turned_as_pillow_turns_it(orientation, pixels_at_once):
    content = png(Image.fromarray(COLORS[:, :, :3]), orientation)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(load_image(content), expected)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "YCbCr", "HSV", "RGBX"])
def test_strips_give_what_the_whole_gives(mode, pixels_at_once):
    image = Image.fromarray(COLORS, "RGBA").convert("RGB" if mode in ("HSV", "YCbCr", "CMYK") else "RGBA").convert(mode)
    expected = image.convert("RGBA")
    expected = Image.alpha_composite(Image.new("RGBA", image.size, "white"), expected).convert("RGB")
    np.testing.assert_array_equal(load_image(image), np.asarray(expected))


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_the_values_of_the_whole_image_decide_about_its_depth(kind, pixels_at_once):
    gray = np.zeros((61, 40), np.uint16)
    gray[:30], gray[60, 5] = 900, 65535
    values = gray if kind == "uint16" else (gray / np.float32(65535)).astype(np.float32)
    np.testing.assert_array_equal(load_image(Image.fromarray(values))[:, :, 1], np.round(gray / 257))
    values = values.copy()
    values[60, 5] = 0
    with pytest.raises(ImageError, match="A 16-bit image must use" if kind == "uint16" else "Divide by 255 only once|"):
        load_image(Image.fromarray(values if kind == "uint16" else values / 255))
    if kind == "float32":
        values[60, 5] = np.nan
        with pytest.raises(ImageError, match="must lie in"):
            load_image(Image.fromarray(values))


def test_parts_cover_an_image_without_a_gap(pixels_at_once):
    image = Image.fromarray(COLORS)
    parts = list(strips(image))
    np.testing.assert_array_equal(np.concatenate([np.asarray(part) for _, part in parts]), COLORS)
    assert [top for top, _ in parts] == [0, *np.cumsum([part.size[1] for _, part in parts])[:-1]]


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"", b"Exif\0\0MM\0*\xff\xff\xff\xff"])
def test_a_damaged_block_of_metadata_has_no_orientation(exif):
    content = io.BytesIO()
    Image.fromarray(COLORS[:, :, :3]).save(content, "JPEG", exif=exif)
    with Image.open(content) as image:
        assert exif_orientation(image) == 1
