"""The pictures of the gallery: public-domain portraits that come with packages, as asianage draws them.

Grace Hopper (United States Navy) comes with Matplotlib, Eileen Collins (NASA) with scikit-image. Both pictures are in
the public domain.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from asianage import AgeGenderEstimator, FacePrediction, draw_faces, load_image
from tests.benchmarks.robustness import Face, mask, sunglasses

HEIGHT = 480
"""Of the pictures, in pixels."""

QUALITY = 85
"""Of their JPEG files."""


def hopper() -> Image.Image:
    """Return the portrait that Matplotlib brings."""
    import matplotlib.cbook

    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        return Image.fromarray(load_image(file))


def collins() -> Image.Image | None:
    """Return the portrait that scikit-image brings; None where that package is missing."""
    found = importlib.util.find_spec("skimage")
    file = found and found.origin and Path(found.origin).parent / "data" / "astronaut.png"
    return Image.fromarray(load_image(file)) if file and file.is_file() else None


def _beside(first: Image.Image, second: Image.Image) -> Image.Image:
    pictures = [_scaled(picture, HEIGHT) for picture in (first, second)]
    return Image.fromarray(np.hstack([np.asarray(picture) for picture in pictures]))


def _scaled(picture: Image.Image, height: int) -> Image.Image:
    width = round(picture.width * height / picture.height)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _darkened(picture: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(picture) * 0.15).astype(np.uint8))


def _drawn_on(
    change: Callable[[Face], Image.Image], estimator: AgeGenderEstimator, picture: Image.Image
) -> Image.Image:
    landmarks = estimator.detect(picture)[0].landmarks
    return change(Face(picture, np.asarray(landmarks, dtype=float)))


def _pixelated(picture: Image.Image) -> Image.Image:
    """Return the picture with as little detail as a face of about 20 pixels has."""
    return _scaled(_scaled(picture, 50), HEIGHT)


def scenes(estimator: AgeGenderEstimator) -> Iterator[tuple[str, str, Image.Image]]:
    """Yield file name, title and photo of every picture that can be made on this machine."""
    portrait, astronaut = hopper(), collins()
    small = _scaled(portrait, HEIGHT)
    yield "grace_hopper_labeled.jpg", "A portrait", portrait
    if astronaut is not None:
        yield "astronaut_labeled.jpg", "Another portrait", _scaled(astronaut, HEIGHT)
        yield "two_people_labeled.jpg", "Two people in one photo", _beside(portrait, astronaut)
    yield "turned_labeled.jpg", "Turned by 90 degrees: found where it is", small.rotate(90, expand=True)
    yield "sunglasses_labeled.jpg", "Sunglasses, drawn", _drawn_on(sunglasses, estimator, small)
    yield "mask_labeled.jpg", "A mask, drawn", _drawn_on(mask, estimator, small)
    yield "dark_labeled.jpg", "A seventh of the light", _darkened(small)
    yield "blurred_labeled.jpg", "Out of focus", small.filter(ImageFilter.GaussianBlur(8))
    yield "small_labeled.jpg", "From a photo with a face of 19 pixels", _pixelated(small)


def caption(faces: list[FacePrediction]) -> str:
    """Return what was estimated in words."""
    lines = []
    for face in faces:
        low, high = face.age_interval
        warned = f"; warnings: {', '.join(face.warnings)}" if face.warnings else ""
        figures = f"{face.age:.0f} years ({low:.0f} to {high:.0f}), {face.gender} with {face.gender_probability:.0%}"
        lines.append(figures + warned)
    return ". ".join(lines) or "No face was found"


def drawn_pictures(estimator: AgeGenderEstimator) -> Iterator[tuple[str, str, str, Image.Image]]:
    """Yield file name, title, caption and drawn picture of every scene."""
    for name, title, photo in scenes(estimator):
        faces = estimator.predict(photo)
        yield name, title, f"{caption(faces)}.", draw_faces(photo, faces)
