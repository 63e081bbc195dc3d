"""A photo and its predictions -> a page section: the photo with boxes, and a card per face with a chart and words."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import numpy as np

from asianage.prediction.face_prediction import FacePrediction

LONGEST_SIDE = 1600
"""Longer side of the shown photo, in pixels."""

THUMBNAIL = 160
"""Side of the picture on a card, in pixels."""

IN_WORDS = {
    "no face": "No face was found here: the whole picture was taken for one.",
    "cut off": "The picture ends within the face.",
    "small": "The face is small in the picture, so that details are missing.",
    "dark": "The face is dark.",
    "overexposed": "Much of the face is white: there is too much light.",
    "blurred": "The face is blurred.",
    "turned": "The face is turned to the side.",
}
"""Warning of a prediction -> a sentence."""

STYLE = """
#result, #result .html-container, #result .prose { padding: 0 !important; margin: 0 !important; }
.asianage figure { margin: 0 0 16px; text-align: center; }
.asianage .photo { position: relative; display: inline-block; overflow: hidden; border-radius: 8px; max-width: 100%; }
.asianage .photo > img { display: block; max-width: 100%; max-height: 75vh; margin: 0; }
.asianage .box { position: absolute; border: 2px solid; border-radius: 3px; box-shadow: 0 0 0 1px #ffffff99; }
.asianage .box span { position: absolute; left: -2px; bottom: 100%; padding: 1px 5px; border-radius: 3px 3px 0 0;
  font-size: 13px; line-height: 16px; white-space: nowrap; color: white; }
.asianage .box.top span { bottom: auto; top: 0; left: 0; border-radius: 0 0 3px 0; }
.asianage .box.female { border-color: #D55E00; } .asianage .box.male { border-color: #0072B2; }
.asianage .box.unknown { border-color: #555555; }
.asianage .box.female span { background: #B34F00; } .asianage .box.male span { background: #0072B2; }
.asianage .box.unknown span { background: #555555; }
.asianage .faces { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr)); gap: 16px; }
.asianage .face { border: 1px solid var(--border-color-primary); border-radius: 8px; padding: 14px 16px;
  background: var(--block-background-fill); color: var(--body-text-color); }
.asianage .head { display: flex; gap: 14px; align-items: center; }
.asianage .head img { width: 72px; height: 72px; object-fit: cover; border-radius: 8px; flex: none; }
.asianage .number { opacity: 0.72; font-size: 13px; }
.asianage .age { font-size: 28px; font-weight: 650; line-height: 1.15; }
.asianage .interval, .asianage .gender { font-size: 15px; }
.asianage svg { display: block; width: 100%; height: auto; margin: 10px 0 6px; overflow: visible; }
.asianage svg text { fill: var(--body-text-color); opacity: 0.72; font-size: 11px; font-family: inherit; }
.asianage .axis { stroke: var(--body-text-color-subdued); stroke-width: 1; }
.asianage .range { fill: var(--body-text-color); opacity: 0.13; }
.asianage .estimate { stroke: var(--body-text-color); stroke-width: 1.5; }
.asianage .female { fill: #D55E00; } .asianage .male { fill: #0072B2; } .asianage .unknown { fill: #777777; }
.dark .asianage .male { fill: #56B4E9; } .dark .asianage .female { fill: #E69F00; }
.asianage .sure { height: 8px; border-radius: 4px; margin-top: 4px; background: var(--border-color-primary); }
.asianage .sure div { height: 100%; border-radius: 4px; }
.asianage .sure .female { background: #D55E00; } .asianage .sure .male { background: #0072B2; }
.dark .asianage .sure .female { background: #E69F00; } .dark .asianage .sure .male { background: #56B4E9; }
.asianage ul { margin: 12px 0 0; padding: 8px 12px; list-style: none; border-radius: 6px; font-size: 14px;
  border-left: 4px solid #E69F00; background: rgba(230, 159, 0, 0.14); color: var(--body-text-color); }
.asianage li { margin: 0; }
.asianage .message { padding: 28px 16px; text-align: center; font-size: 16px; color: var(--body-text-color);
  border: 1px dashed var(--border-color-primary); border-radius: 8px; }
.asianage .message.wrong { border: 1px solid #D55E00; }
"""
"""Looks of the sections. The variables are those of Gradio's light and dark themes."""


def photo_section(image: np.ndarray, faces: Sequence[FacePrediction]) -> str:
    """Return a photo with numbered boxes, and a card for each face.

    Args:
        image: uint8 (height, width, 3), RGB.
        faces: Predictions for it, at least one.
    """
    count = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
    boxes = "".join(_box(image, number, face) for number, face in enumerate(faces, 1))
    cards = "".join(_card(image, number, face) for number, face in enumerate(faces, 1))
    photo = f'<img alt="the photo with {count}" src="{_address(image, LONGEST_SIDE)}">'
    return _section(
        f'<figure><div class="photo">{photo}{boxes}</div></figure><div class="faces">{cards}</div>',
    )


def message_section(text: str, *, wrong: bool = False) -> str:
    """Return a sentence in place of results, marked if something is `wrong`."""
    return _section(f'<div class="message{" wrong" if wrong else ""}" role="status">{html.escape(text)}</div>')


def age_chart(face: FacePrediction) -> str:
    """Return the age distribution as SVG: the interval in gray, the estimated age as a line; "" without an age."""
    if face.age_distribution is None or face.age is None or face.age_interval is None:
        return ""
    first, last = face.age_axis.min_age, face.age_axis.max_age
    width, height = 300.0, 80.0

    def x(age: float) -> float:
        return width * (age - first) / (last - first)

    tops = height * (1.0 - face.age_distribution / max(float(face.age_distribution.max()), 1e-9))
    curve = " ".join(f"{x(age):.1f},{top:.1f}" for age, top in enumerate(tops, first))
    low, high = face.age_interval
    ticks = range(first - first % -20, last + 1, 20)
    marks = "".join(f'<text x="{x(tick):.1f}" y="{height + 14}" text-anchor="middle">{tick}</text>' for tick in ticks)
    return (
        f'<svg viewBox="-8 -2 {width + 16} {height + 20}" role="img" '
        f'aria-label="probability of each age, highest at {first + int(face.age_distribution.argmax())} years">'
        f'<rect class="range" x="{x(low):.1f}" y="0" width="{x(high) - x(low):.1f}" height="{height}"/>'
        f'<polygon class="{face.gender or "unknown"}" points="{x(first)},{height} {curve} {x(last)},{height}"/>'
        f'<line class="estimate" x1="{x(face.age):.1f}" x2="{x(face.age):.1f}" y1="0" y2="{height}"/>'
        f'<line class="axis" x1="0" x2="{width}" y1="{height}" y2="{height}"/>{marks}</svg>'
    )


def _box(image: np.ndarray, number: int, face: FacePrediction) -> str:
    """Return the box of a face, placed in percent, so that line and text keep their size on any screen."""
    height, width = image.shape[:2]
    x_min, y_min, x_max, y_max = face.box
    left, top = 100 * max(x_min, 0.0) / width, 100 * max(y_min, 0.0) / height
    right, bottom = 100 * min(x_max, width) / width, 100 * min(y_max, height) / height
    text = f"{number}" if face.age is None else f"{number}: {face.age:.0f}"
    # At the upper border the text goes inside.
    kind = f"box {face.gender or 'unknown'}{' top' if top < 5 else ''}"
    place = f"left: {left:.2f}%; top: {top:.2f}%; width: {right - left:.2f}%; height: {bottom - top:.2f}%"
    return f'<div class="{kind}" style="{place}"><span>{text}</span></div>'


def _card(image: np.ndarray, number: int, face: FacePrediction) -> str:
    figures = []
    if face.age is not None and face.age_interval is not None:
        low, high = face.age_interval
        figures += [
            f'<div class="age">{face.age:.0f} years</div>',
            f'<div class="interval">{low:.0f} to {high:.0f} ({100 * face.interval_coverage:.0f} % interval)</div>',
        ]
    picture = f'<img alt="face {number}" src="{_address(_cut(image, face), THUMBNAIL)}">'
    warnings = "".join(f"<li>{html.escape(IN_WORDS.get(name, name))}</li>" for name in face.warnings)
    notes = f"<ul>{warnings}</ul>" if warnings else ""
    head = f'{picture}<div><div class="number">Face {number}</div>{"".join(figures)}</div>'
    return f'<article class="face"><div class="head">{head}</div>{age_chart(face)}{_gender(face)}{notes}</article>'


def _gender(face: FacePrediction) -> str:
    if face.gender is None or face.gender_probability is None:
        return ""
    share = f"{100 * face.gender_probability:.0f}"
    text = "over 99" if share == "100" else share
    return (
        f'<div class="gender">{face.gender}, {text} % sure</div>'
        f'<div class="sure"><div class="{face.gender}" style="width: {share}%"></div></div>'
    )


def _cut(image: np.ndarray, face: FacePrediction) -> np.ndarray:
    """Return the square around a face, as far as it lies in the picture."""
    x_min, y_min, x_max, y_max = face.box
    half = 0.65 * max(x_max - x_min, y_max - y_min)
    x, y = (x_min + x_max) / 2, (y_min + y_max) / 2
    left, top = max(int(x - half), 0), max(int(y - half), 0)
    cut = image[top : max(int(y + half), top + 1), left : max(int(x + half), left + 1)]
    return cut if cut.size else image


def _address(pixels: np.ndarray, longest: int) -> str:
    """Return a picture as a data URL, no side longer than `longest` pixels. No file is needed."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((longest, longest))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def _section(content: str) -> str:
    return f'<div class="asianage">{content}</div>'
