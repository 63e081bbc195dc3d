"""Boxes and labels on a photo."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from asianage.faces.images import MAX_PIXELS, Channels, ImageSource, load_image
from asianage.prediction.face_prediction import COLORS, FacePrediction

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

Font: TypeAlias = "Callable[[float], ImageFont.FreeTypeFont | ImageFont.ImageFont]"
"""Size of the text in pixels -> its font."""

MIN_TEXT_HEIGHT = 11
"""Smallest text, in pixels."""


def draw_faces(
    image: ImageSource,
    faces: Sequence[FacePrediction],
    *,
    labels: Sequence[str] | None = None,
    font: str | os.PathLike[str] | None = None,
    max_pixels: int = MAX_PIXELS,
    channels: Channels = "rgb",
) -> Image.Image:
    """Draw a box and a label with age, interval and gender for every face.

    Text and lines grow with the photo and with the face, so that they are readable at any size.

    Args:
        image: The photo that the faces were found in.
        faces: Predictions for it.
        labels: Text of each face, one line; None takes `label` of each.
        font: Path of a TrueType or OpenType font. None takes the one of Pillow, which has Latin letters only.
        max_pixels: Largest accepted width x height.
        channels: Order of the channels of an array or tensor: "rgb", or "bgr" as OpenCV has it.

    Returns:
        A new PIL image, RGB, of the same size as the upright photo.

    Raises:
        ImageError: The photo cannot be read.
        OSError: The font cannot be read.
        TypeError: `faces` are no predictions for one image, or `labels` no texts.
        ValueError: There are more or fewer labels than faces, or one has several lines.
    """
    from PIL import Image, ImageDraw

    faces, texts = _checked(faces, labels)
    fonts = _fonts(font)
    picture = Image.fromarray(load_image(image, max_pixels=max_pixels, channels=channels))
    canvas = ImageDraw.Draw(picture, "RGBA")
    for face in faces:
        _draw_box(canvas, face, picture.size)
    # Large faces come first and get the best places for their labels.
    placed: list[tuple[float, float, float, float]] = []
    for face, text in zip(faces, texts, strict=True):
        placed.append(_draw_label(canvas, text, face, picture.size, placed, fonts))
    return picture


def label(face: FacePrediction) -> str:
    """Return the label of a face: age, interval and gender, as far as the model learned them."""
    figures = []
    if face.age is not None and face.age_interval is not None:
        low, high = face.age_interval
        figures.append(f"{face.age:.0f} ({low:.0f}-{high:.0f})")
    if face.gender_probability is not None:
        figures.append(f"{face.gender} {100 * face.gender_probability:.0f}%")
    return " ".join(figures)


def _checked(faces: Any, labels: Any) -> tuple[list[FacePrediction], list[str]]:
    """Return the faces and the text of each."""
    if isinstance(faces, FacePrediction):
        raise TypeError("`faces` must be a list of predictions. Received: one prediction. Pass [face].")
    faces = list(faces)
    for face in faces:
        if not isinstance(face, FacePrediction):
            raise TypeError(
                f"`faces` must be what `predict` returns for one image. Received: a list of {type(face).__name__}. For "
                "boxes and detections call `predict(image, faces=...)` first."
            )
    if labels is None:
        return faces, [label(face) for face in faces]
    texts = [labels] if isinstance(labels, str) else list(labels)
    for text in texts:
        if isinstance(labels, str) or not isinstance(text, str):
            raise TypeError(f"`labels` must be a list of texts, one for each face. Received: {text!r}.")
        if len(text.splitlines()) > 1:
            raise ValueError(f"`labels` must have one line each. Received: {text!r}. Replace the line breaks.")
    if len(texts) != len(faces):
        raise ValueError(f"`labels` must be one for each face. Received: {len(texts)} for {len(faces)} faces.")
    return faces, texts


def _fonts(path: str | os.PathLike[str] | None) -> Font:
    from PIL import ImageFont

    if path is None:
        return ImageFont.load_default
    file = os.path.expanduser(path)
    try:
        ImageFont.truetype(file, MIN_TEXT_HEIGHT)
    except OSError as error:
        raise OSError(f"`font` must be the path of a TrueType or OpenType font. Received: {file} ({error}).") from error
    return functools.partial(ImageFont.truetype, file)


def _draw_box(canvas: ImageDraw.ImageDraw, face: FacePrediction, size: tuple[int, int]) -> None:
    width = max(1, round(min(size) / 200))
    canvas.rectangle(face.box, outline=COLORS[face.gender], width=width)


def _draw_label(
    canvas: ImageDraw.ImageDraw,
    text: str,
    face: FacePrediction,
    size: tuple[int, int],
    placed: Sequence[tuple[float, float, float, float]],
    fonts: Font,
) -> tuple[float, float, float, float]:
    """Draw the label above the box, below it, or inside it: the first place that is free; return its rectangle."""
    font, width, height = _fitting_font(canvas, text, face, size, fonts)
    padding = height * 0.25
    width, height = width + 2 * padding, height + 2 * padding
    x_min, y_min, x_max, y_max = face.box
    left = min(max((x_min + x_max - width) / 2, 0.0), max(size[0] - width, 0.0))
    candidates = [
        (left, min(max(top, 0.0), size[1] - height), left + width, min(max(top, 0.0), size[1] - height) + height)
        for top in (y_min - height, y_max, y_min, y_max - height)
    ]
    place = next((c for c in candidates if not any(_overlap(c, other) for other in placed)), candidates[0])
    canvas.rectangle(place, fill=COLORS[face.gender])
    canvas.text((place[0] + padding, place[1] + padding), text, fill="white", font=font, anchor="lt")
    return place


def _fitting_font(
    canvas: ImageDraw.ImageDraw, text: str, face: FacePrediction, size: tuple[int, int], fonts: Font
) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, float, float]:
    """Return a font with the width and height of `text`, sized by the face and never wider than the photo."""
    wanted = max(MIN_TEXT_HEIGHT, min(size) / 40, (face.box[2] - face.box[0]) / 12)
    for _ in range(2):
        font = fonts(wanted)
        left, top, right, bottom = canvas.textbbox((0, 0), text, font=font, anchor="lt")
        if right - left <= 0.96 * size[0]:
            break
        wanted *= 0.96 * size[0] / (right - left)
    return font, right - left, bottom - top


def _overlap(first: tuple[float, float, float, float], second: tuple[float, float, float, float]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]
