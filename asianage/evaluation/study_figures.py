"""The figures of the study's table: all its networks in one picture each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from asianage.evaluation import figure_style as style
from asianage.evaluation.age_figures import FEWEST, REACH, draw_error, limit_error, put_behind
from asianage.evaluation.gender_figures import draw_confusion
from asianage.evaluation.training_curves import draw_parts, part_keys

PUBLISHED_LOOK: dict[str, Any] = {
    "color": style.DARK,
    "marker": "|",
    "markersize": 16,
    "markeredgewidth": 2.4,
    "linestyle": "none",
}
BASELINE_LOOK: dict[str, Any] = {"color": style.MIDDLE, "marker": "x", "markersize": 7, "linestyle": "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultLine:
    """One figure of one network: published, and measured by protocol.

    Attributes:
        title: What was measured.
        published: The study's figure; None if it gives none.
        measured: Protocol -> figure with the ends of its 95 % interval.
        baseline: Figure of the baseline on the same faces, by protocol.
    """

    title: str
    published: float | None
    measured: Mapping[str, tuple[float, float, float]]
    baseline: Mapping[str, float]


def published_and_measured(years: Sequence[ResultLine], shares: Sequence[ResultLine]) -> Figure:
    """Draw the study's figures beside those measured here: errors in years, and shares of right genders."""
    lines = [(part, title) for part, title in ((years, "MAE in years"), (shares, "Right genders")) if part]
    height = 0.62 * sum(len(part) for part, _ in lines) + 0.9 * len(lines) + 0.5
    figure = Figure(figsize=(8.0, height), layout="constrained")
    panels = figure.subplots(len(lines), 1, squeeze=False, height_ratios=[len(part) + 0.6 for part, _ in lines])[:, 0]
    protocols = list(dict.fromkeys(name for part, _ in lines for line in part for name in line.measured))
    for panel, (part, title) in zip(panels, lines, strict=True):
        panel.set_title(title)
        for row, line in enumerate(part):
            _result_line(panel, row, line, protocols)
        panel.set_yticks(range(len(part)), [line.title for line in part])
        panel.set_ylim(len(part) - 0.5, -0.5)
        panel.grid(axis="y", visible=False)
    if shares:
        panels[-1].xaxis.set_major_formatter(style.PERCENT)
    keys = [Line2D([], [], label="published, flattered", **PUBLISHED_LOOK)] if _any_published(lines) else []
    keys += [Line2D([], [], label=name, **_protocol_look(number)) for number, name in enumerate(protocols)]
    if any(line.baseline for part, _ in lines for line in part):
        keys.append(Line2D([], [], label="baseline on the same faces", **BASELINE_LOOK))
    figure.legend(handles=keys, loc="outside lower center", ncols=4)
    return figure


def curves_of_networks(histories: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Draw what each network is chosen by, of training beside validation faces: title -> history."""
    figure, panels = style.panel_row(list(histories), side=3.3)
    for panel, history in zip(panels, histories.values(), strict=True):
        draw_parts(panel, history, "mae" if any("_mae_" in name for name in history) else "gender")
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(style.whole_ticks(6))
    figure.legend(handles=part_keys(), loc="outside lower center", ncols=3)
    return figure


def confusions(matrices: Mapping[str, np.ndarray]) -> Figure:
    """Draw confusion matrices of the gender, int (2, 2) by labeled and predicted gender: title -> matrix."""
    figure, panels = style.panel_row(list(matrices), side=3.2, label_height=0.9)
    for panel, matrix in zip(panels, matrices.values(), strict=True):
        draw_confusion(panel, matrix)
    return figure


def errors_of_genders(
    measured: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]],
    trained: Mapping[str, Mapping[str, Sequence[float]]],
) -> Figure:
    """Draw the error by age of women and of men, with the number of training faces behind it.

    Args:
        measured: Title of a panel -> gender -> true ages and errors, float (n,) each, in years.
        trained: Title of a panel -> gender -> ages of the training faces.
    """
    figure, panels = style.stacked_panels(list(measured))
    for panel, (title, genders) in zip(panels, measured.items(), strict=True):
        behind, bottom = panel.twinx(), np.zeros(0)
        last = int(max((max(ages, default=0) for ages in trained[title].values()), default=0))
        for gender, color, dashes in style.GENDER_LINES:
            counts = np.bincount(np.array(trained[title].get(gender, ()), dtype=int), minlength=last + 1)
            bottom = bottom if len(bottom) else np.zeros(len(counts))
            behind.bar(range(len(counts)), counts, bottom=bottom, width=0.9, color=color, alpha=0.18)
            bottom = bottom + counts
            age, error = genders.get(gender, (np.zeros(0), np.zeros(0)))
            if len(age):
                draw_error(panel, age, error, color, dashes, f"{gender} ({error.mean():.2f})")
        put_behind(panel, behind, "training faces")
        everything = [part for part in genders.values() if len(part[0])]
        if everything:
            limit_error(
                panel, np.concatenate([age for age, _ in everything]), np.concatenate([e for _, e in everything])
            )
            panel.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderpad=0, columnspacing=1.2)
        panel.set_ylabel("MAE in years")
    every = [age for genders in measured.values() for age, _ in genders.values() if len(age)]
    if every:
        panels[-1].set_xlim(min(map(np.min, every)) - 1, max(map(np.max, every)) + 1)
    panels[-1].xaxis.set_major_locator(style.whole_ticks(14))
    panels[-1].set_xlabel(
        f"true age in years; errors over {2 * REACH + 1} years, where there are {FEWEST} faces or more"
    )
    figure.legend(
        handles=[
            Patch(color=color, alpha=0.18, label=f"training faces, {name}") for name, color, _ in style.GENDER_LINES
        ],
        loc="outside lower center",
        ncols=2,
    )
    return figure


def _result_line(panel: Axes, row: int, line: ResultLine, protocols: Sequence[str]) -> None:
    for number, protocol in enumerate(protocols):
        place = row + 0.26 * (number - (len(protocols) - 1) / 2)
        if protocol in line.measured:
            value, low, high = line.measured[protocol]
            reach = np.array([[max(0.0, value - low)], [max(0.0, high - value)]])
            panel.errorbar([value], [place], xerr=reach, elinewidth=1.4, **_protocol_look(number))
        if protocol in line.baseline:
            panel.plot([line.baseline[protocol]], [place], **BASELINE_LOOK)
    if line.published is not None:
        panel.plot([line.published], [row], **PUBLISHED_LOOK)


def _protocol_look(number: int) -> dict[str, Any]:
    look = number % style.MAX_DATASETS
    return {
        "color": style.DATASET_COLORS[look],
        "marker": style.DATASET_MARKERS[look],
        "markersize": 6.5,
        "linestyle": "none",
    }


def _any_published(lines: Sequence[tuple[Sequence[ResultLine], str]]) -> bool:
    return any(line.published is not None for part, _ in lines for line in part)
