"""The figures of a report that show genders. Each function draws one figure and returns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from asianage.data.records import FaceRecord
from asianage.evaluation import figure_style as style
from asianage.evaluation.metrics import (
    CALIBRATION_BINS,
    LabeledPredictions,
    calibration_bins,
    confusion_matrix,
    expected_calibration_error,
)
from asianage.models.config import GENDERS


def images_by_age_and_gender(records: Mapping[str, Sequence[FaceRecord]]) -> Figure:
    """Draw how many images there are of each age and gender, one panel per data set."""
    figure, panels = style.stacked_panels([f"{name}: {len(rows):,} images" for name, rows in records.items()])
    for panel, rows in zip(panels, records.values(), strict=True):
        known = [record for record in rows if record.age is not None]
        bottom: np.ndarray | float = 0.0
        last = max((int(record.age or 0) for record in known), default=0)
        for gender in (*GENDERS, None):
            ages = [int(record.age or 0) for record in known if record.gender == gender]
            if not ages:
                continue
            counts = np.bincount(ages, minlength=last + 1)
            name, color = gender or "unknown", style.GENDER_COLORS.get(gender or "", style.UNKNOWN_COLOR)
            label = f"{name} ({len(ages):,})"
            panel.bar(np.arange(last + 1), counts, bottom=bottom, width=0.85, color=color, label=label)
            bottom = bottom + counts
        panel.grid(axis="x", visible=False)
        panel.set_ylabel("images")
        panel.yaxis.set_major_formatter(style.THOUSANDS)
        if known:
            style.legend_above(panel)
        else:
            style.note(panel, "no image has an age")
    known_ages = [record.age for rows in records.values() for record in rows if record.age is not None]
    if known_ages:
        panels[-1].set_xlim(min(known_ages) - 2, max(known_ages) + 2)
    panels[-1].xaxis.set_major_locator(style.whole_ticks(14))
    panels[-1].set_xlabel("age in years")
    return figure


def gender_confusion(faces: Mapping[str, LabeledPredictions]) -> Figure:
    """Draw the confusion matrix of gender, one panel per data set: counts, and shares of the true gender."""
    figure, panels = style.panel_row(list(faces), side=3.2, label_height=0.9)
    for panel, part in zip(panels, faces.values(), strict=True):
        part = part.take(np.isfinite(part.is_male))
        matrix = confusion_matrix(part.is_male, part.male_probability > 0.5)
        draw_confusion(panel, matrix)
    return figure


def draw_confusion(panel: Axes, matrix: np.ndarray) -> None:
    """Draw a confusion matrix, int (2, 2) by labeled and predicted gender: counts, and shares of the labeled gender."""
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    panel.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        color = "white" if share[row, column] > 0.55 else style.DARK
        panel.text(column, row - 0.09, f"{count:,}", ha="center", color=color, fontsize=14, fontweight="bold")
        panel.text(column, row + 0.16, f"{100 * share[row, column]:.1f} %", ha="center", color=color)
    panel.set_xticks(range(2), GENDERS)
    panel.set_yticks(range(2), GENDERS, rotation=90, va="center")
    panel.set_xlabel("predicted")
    panel.set_ylabel("labeled")
    panel.tick_params(length=0)
    panel.grid(False)
    panel.spines[:].set_visible(False)


def gender_reliability(faces: LabeledPredictions) -> Figure:
    """Draw how often the predicted gender is right against the probability given to it, with numbers of faces below."""
    faces = faces.take(np.isfinite(faces.is_male))
    figure = Figure(figsize=(5.2, 5.6), layout="constrained")
    panel, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    panel.plot([0.5, 1], [0.5, 1], color=style.MIDDLE, linewidth=1, linestyle=":", label="calibrated")
    predicted_male = faces.male_probability > 0.5
    confidence = np.maximum(faces.male_probability, 1.0 - faces.male_probability)
    right = predicted_male == (faces.is_male > 0.5)
    edges = np.linspace(0.5, 1.0, CALIBRATION_BINS + 1)
    for code, (gender, color, dashes) in enumerate(style.GENDER_LINES):
        mine = predicted_male == bool(code)
        stated, share, counts = calibration_bins(confidence[mine], right[mine])
        width = 0.44 * (edges[1] - edges[0])
        below.bar(edges[:-1] + (0.06 / 0.44 + code) * width, counts, width=width, align="edge", color=color)
        filled = counts > 0
        style.draw_shares(
            panel, stated[filled], np.rint(share * counts)[filled], counts[filled], color=color, linestyle=dashes,
            marker=style.DATASET_MARKERS[code], linewidth=1.4, elinewidth=0.9,
            label=f"predicted {gender} ({int(mine.sum()):,})",
        )  # fmt: skip
    error = expected_calibration_error(confidence, right)
    panel.set_title(f"Gender probability: calibration error {100 * error:.1f} %")
    panel.set(ylabel="share that is right", ylim=(min(0.45, panel.get_ylim()[0]), 1.02), xlim=(0.49, 1.01))
    panel.legend(loc="lower right")
    below.set(xlabel="probability given to the predicted gender", ylabel="faces", yscale="log", ylim=(0.8, None))
    below.yaxis.set_major_formatter(style.THOUSANDS)
    below.yaxis.set_minor_formatter(NullFormatter())
    panel.yaxis.set_major_formatter(style.PERCENT)
    below.xaxis.set_major_formatter(style.PERCENT)
    return figure
