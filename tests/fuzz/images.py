"""Pictures in ten formats with damaged bytes, headers, EXIF, ICC profiles and sizes: faces, or an `ImageError`."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms

from asianage.errors import ImageError
from asianage.faces.images import load_image
from asianage.prediction.estimator import AgeGenderEstimator
from tests.fuzz.mutation import NUMBERS, mutated

FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "TGA", "ICO", "JPEG2000")

MODES = {
    "PNG": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"),
    "TIFF": ("RGB", "L", "CMYK", "F", "I;16", "1"),
    "GIF": ("P",),
    **dict.fromkeys(("WEBP", "ICO", "TGA"), ("RGB", "RGBA")),
}


def prepare(work: Path, seed: int, count: int) -> Callable[[int], str]:
    """Return the function that tries one picture."""
    estimator = AgeGenderEstimator(num_threads=1)
    random_pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    picture = Image.fromarray(random_pixels).resize((50, 60), Image.Resampling.BICUBIC)

    def attempt(number: int) -> str:
        content = crafted(picture, random.Random(f"{seed}-{number}"))
        try:
            # The search for faces takes longer than all decoding.
            if number % 10 == 0:
                return f"searched, {type(estimator.predict(content)).__name__}"
            image = load_image(content)
            return "read" if image.dtype == np.uint8 and image.shape[2:] == (3,) else f"{image.dtype} {image.shape}"
        except ImageError:
            return "ImageError"

    return attempt


def crafted(picture: Image.Image, chance: random.Random) -> bytes:
    """Return the bytes of one picture."""
    form = chance.choice(FORMATS)
    if form == "PNG" and chance.random() < 0.3:
        return png_of_chunks(chance)
    mode = chance.choice(MODES.get(form, ("RGB", "L")))
    source = picture.convert("L").convert("I").convert("I;16") if mode == "I;16" else picture.convert(mode)
    options: dict[str, object] = {}
    if form in ("PNG", "JPEG", "TIFF", "WEBP"):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = chance.choice((1, 3, 6, 8, 0, 9, 65535))
        exif[ExifTags.Base.ImageDescription] = "x" * chance.choice((0, 10, 60_000))
        block = exif.tobytes()
        if form != "TIFF":
            options["exif"] = mutated(block, chance) if chance.random() < 0.5 else block
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        options["icc_profile"] = mutated(profile, chance) if chance.random() < 0.5 else profile
    if form in ("GIF", "TIFF", "WEBP") and chance.random() < 0.3:
        options |= {"save_all": True, "append_images": [source] * chance.choice((1, 5, 50))}
    content = io.BytesIO()
    source.save(content, form, **options)
    return mutated(content.getvalue(), chance) if chance.random() < 0.9 else content.getvalue()


def png_of_chunks(chance: random.Random) -> bytes:
    """Return a PNG file with right checksums around wrong values: sizes, compressed text, profiles and frames."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = (16, 50, 300, 20_000, 60_000, *NUMBERS)
    width, height = chance.choice(side), chance.choice(side)
    depth, color = chance.choice(((8, 2), (8, 6), (16, 0), (16, 2), (1, 3), (8, 9), (3, 2)))
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, chance.choice((0, 0, 0, 1, 7)))
    zeros = zlib.compress(bytes(chance.choice((10, 10_000, 3_000_000, 50_000_000))), 9)
    extra = chance.choice(
        (
            chunk(b"zTXt", b"key\0\0" + zeros),
            chunk(b"iTXt", b"key\0\1\0\0\0" + zeros) * chance.choice((1, 20)),
            chunk(b"iCCP", b"key\0\0" + zeros),
            chunk(b"eXIf", chance.randbytes(100)),
            chunk(b"acTL", struct.pack(">II", chance.choice(NUMBERS), 0)),
            chunk(b"tRNS", chance.randbytes(chance.choice((1, 6, 300)))),
            chunk(b"PLTE", chance.randbytes(chance.choice((3, 7, 768, 3000)))),
            b"",
        )
    )
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zeros) + chunk(b"IEND", b"")
