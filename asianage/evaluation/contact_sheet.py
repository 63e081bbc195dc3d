"""Contact sheets of the worst predictions, which show faults of the model and of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from asianage.evaluation.figure_style import MIDDLE, UNKNOWN_COLOR
from asianage.evaluation.result import Evaluation
from asianage.faces.images import load_image
from asianage.models.config import GENDERS

COLUMNS = 6
MAX_PICTURES = 12
PICTURE_SIDE = 256
"""Larger pictures are shrunk to this many pixels before they are drawn."""

# In inches: a picture, the cell that also holds the words below it, the line of the title, the left margin.
SIDE, CELL_WIDTH, CELL_HEIGHT, TITLE_HEIGHT, MARGIN = 1.6, 1.75, 2.4, 0.55, 0.15

_MAX_NAME = 21


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """One picture of a sheet: its file, and the lines below it, the first in bold."""

    path: Path
    lines: tuple[str, ...]


def worst_ages(evaluation: Evaluation) -> Figure | None:
    """Draw the faces with the largest errors of age; None if no face has an age."""
    faces = evaluation.faces
    error = np.nan_to_num(np.abs(faces.age - faces.true_age), nan=-1.0)
    worst = [row for row in np.argsort(-error, kind="stable")[:MAX_PICTURES] if error[row] >= 0]
    entries = []
    for row in worst:
        record, (low, high) = evaluation.records[row], evaluation.age_interval[row]
        first = f"label {record.age:.0f}, estimate {evaluation.age[row]:.0f}"
        lines = first, f"interval {low:.0f}\N{EN DASH}{high:.0f}{_remark(evaluation, row)}"
        entries.append(SheetEntry(record.path, lines))
    return contact_sheet("Largest errors of age", entries) if entries else None


def worst_genders(evaluation: Evaluation) -> Figure | None:
    """Draw the faces whose wrong gender has the highest probability; None if no gender is wrong."""
    faces = evaluation.faces
    wrong = np.isfinite(faces.is_male) & ((faces.male_probability > 0.5) != (faces.is_male > 0.5))
    confidence = np.maximum(faces.male_probability, 1.0 - faces.male_probability)
    worst = np.argsort(np.where(wrong, -confidence, 0.0), kind="stable")[: min(MAX_PICTURES, int(wrong.sum()))]
    entries = []
    for row in worst:
        record, percent = evaluation.records[row], 100 * confidence[row]
        share = f"{percent:.1f} %" if percent < 99.95 else "> 99.9 %"
        first = f"{GENDERS[int(faces.male_probability[row] > 0.5)]} {share}"
        age = "age unknown" if record.age is None else f"age {record.age:.0f}"
        entries.append(SheetEntry(record.path, (first, f"labeled {record.gender}, {age}{_remark(evaluation, row)}")))
    return contact_sheet("Surest wrong genders", entries) if entries else None


def contact_sheet(title: str, entries: Sequence[SheetEntry]) -> Figure:
    """Draw pictures in a grid with a few words below each.

    Args:
        title: What the pictures have in common.
        entries: 1 to `MAX_PICTURES` pictures, worst first.
    """
    columns = min(COLUMNS, len(entries))
    rows = -(-len(entries) // columns)
    width, height = max(columns, 3) * CELL_WIDTH + MARGIN, rows * CELL_HEIGHT + TITLE_HEIGHT
    figure = Figure(figsize=(width, height))
    figure.text(MARGIN / width, 1.0 - 0.3 / height, title, va="center", fontsize=12, fontweight="bold")
    for number, entry in enumerate(entries):
        row, column = divmod(number, columns)
        left, top = MARGIN + column * CELL_WIDTH, TITLE_HEIGHT + row * CELL_HEIGHT
        bottom = height - top - SIDE
        panel = figure.add_axes((left / width, bottom / height, SIDE / width, SIDE / height))
        panel.imshow(_square(entry.path))
        panel.set_axis_off()
        figure.text(left / width, (bottom - 0.14) / height, entry.lines[0], va="center", fontsize=9, fontweight="bold")
        rest = "\n".join([*entry.lines[1:], _short(entry.path.name)])
        figure.text(left / width, (bottom - 0.25) / height, rest, va="top", color=MIDDLE, fontsize=8)
    return figure


def _square(path: Path) -> np.ndarray:
    """Return the picture uint8 (PICTURE_SIDE, PICTURE_SIDE, 3), RGB, padded with gray to a square."""
    picture = Image.fromarray(load_image(path))
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    scale = PICTURE_SIDE / max(picture.size)
    picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    square = Image.new("RGB", (PICTURE_SIDE, PICTURE_SIDE), UNKNOWN_COLOR)
    square.paste(picture, ((PICTURE_SIDE - picture.width) // 2, (PICTURE_SIDE - picture.height) // 2))
    return np.asarray(square)


def _short(name: str) -> str:
    """Shorten a file name in the middle."""
    if len(name) <= _MAX_NAME:
        return name
    return f"{name[: _MAX_NAME - 11]}\N{HORIZONTAL ELLIPSIS}{name[-10:]}"


def _remark(evaluation: Evaluation, row: int) -> str:
    return "" if evaluation.detected[row] else "\nno face found"
