"""The course of a training, from its ``history.csv``: read and drawn."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asianage.evaluation import figure_style as style

_PANELS = {"loss": "Loss", "mae": "MAE in years", "gender": "Gender accuracy"}
"""Figure -> title of its panel."""

_PARTS: dict[str, Any] = {"": "--", "val_": "-"}
"""Beginning of a column -> dashes; the loss of training has none."""

_PART_NAMES = {"": "training faces", "val_": "validation faces"}


def read_history(file: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the columns of a ``history.csv`` with ``epoch`` and ``loss``: float64 (epochs,) each, NaN where empty.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A column is missing, there is no epoch, or a value is not a number.
    """
    with Path(file).open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        names = list(reader.fieldnames or ())
        rows = list(reader)
    if not rows or not {"epoch", "loss"} <= set(names):
        raise ValueError(
            f"{file} must have the columns `epoch` and `loss` and at least one line of values. "
            f"Received: columns {names}, {len(rows)} lines. Give the `history.csv` of a training run."
        )
    try:
        if any(None in row for row in rows):
            raise ValueError("a line has more values than there are columns")
        return {name: np.array([float(row[name] if row[name] != "" else "nan") for row in rows]) for name in names}
    except (TypeError, ValueError) as error:
        message = f"{file} must hold numbers only: {error}. Give the `history.csv` of a training run."
        raise ValueError(message) from error


def training_curves(history: Mapping[str, np.ndarray]) -> Figure:
    """Draw loss, error and gender accuracy by epoch, of training and of validation faces side by side.

    The columns are those of ``history.csv``. A panel whose figure was not measured is left out.
    """
    panels = [name for name in _PANELS if any(_columns(history, part, name) for part in _PARTS)]
    figure, axes = style.panel_row([_PANELS[name] for name in panels], side=3.5, columns=max(1, len(panels)))
    best = _best_epoch(history)
    datasets = sorted({_dataset(column, name) for name in panels for column in _measured(history, name)} - {""})
    for name, panel in zip(panels, axes, strict=True):
        for part in _PARTS:
            for column in _columns(history, part, name):
                _curve(panel, history, column, part, datasets, _dataset(column, name))
        panel.set(xlabel="epoch")
        panel.xaxis.set_major_locator(style.whole_ticks(6))
        if name == "gender":
            panel.yaxis.set_major_formatter(style.PERCENT)
        if best is not None:
            panel.axvline(best, color=style.MIDDLE, linewidth=1, linestyle=":", zorder=1)
    figure.legend(handles=_keys(datasets, best, panels, history), loc="outside lower center", ncols=6)
    return figure


def compared_curves(histories: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Draw the validation MAE by epoch, and the gender accuracy, of several trainings: name -> its history."""
    panels = [name for name in ("mae", "gender") if any(_columns(h, "val_", name) for h in histories.values())]
    figure, axes = style.panel_row([f"Validation {_PANELS[name]}" for name in panels], side=4.2)
    keys = []
    for number, (label, history) in enumerate(histories.items()):
        color = (*style.DATASET_COLORS, style.DARK)[number % (style.MAX_DATASETS + 1)]
        look: dict[str, Any] = {
            "color": color,
            "marker": (*style.DATASET_MARKERS, "v")[number % (style.MAX_DATASETS + 1)],
        }
        every = max(1, len(history["epoch"]) // 8)
        for name, panel in zip(panels, axes, strict=True):
            columns = [history[column] for column in _columns(history, "val_", name)]
            if columns:
                panel.plot(history["epoch"], np.mean(columns, axis=0), markevery=every, **look)
        keys.append(Line2D([], [], label=label, **look))
    for name, panel in zip(panels, axes, strict=True):
        panel.set(xlabel="epoch")
        panel.xaxis.set_major_locator(style.whole_ticks(6))
        if name == "gender":
            panel.yaxis.set_major_formatter(style.PERCENT)
    figure.legend(handles=keys, loc="outside lower center", ncols=3)
    return figure


def _keys(
    datasets: Sequence[str], best: float | None, panels: Sequence[str], history: Mapping[str, np.ndarray]
) -> list[Line2D]:
    """Return what explains the lines: data sets by color where there are several, parts by dashes."""
    several = len(datasets) > 1
    keys = [Line2D([], [], color=_color(number), label=name) for number, name in enumerate(datasets) if several]
    for part, dashes in _PARTS.items():
        if any(_columns(history, part, name) for name in panels):
            keys.append(Line2D([], [], color=style.DARK, linestyle=dashes, label=_PART_NAMES[part]))
    if best is not None:
        keys.append(Line2D([], [], color=style.MIDDLE, linewidth=1, linestyle=":", label=f"best epoch {best:g}"))
    return keys


def _curve(
    panel: Axes, history: Mapping[str, np.ndarray], column: str, part: str, datasets: Sequence[str], dataset: str
) -> None:
    number = datasets.index(dataset) if len(datasets) > 1 and dataset else None
    look: dict[str, Any] = {} if number is None else {"marker": style.DATASET_MARKERS[number % style.MAX_DATASETS]}
    panel.plot(
        history["epoch"], history[column], color=style.DARK if number is None else _color(number),
        linestyle=_PARTS[part], markevery=max(1, len(history["epoch"]) // 8), **look,
    )  # fmt: skip
    if len(history["epoch"]) == 1:
        panel.plot(history["epoch"], history[column], "o", color=style.DARK, fillstyle="full" if part else "none")


def draw_parts(panel: Axes, history: Mapping[str, np.ndarray], name: str) -> None:
    """Draw one figure, "loss", "mae" or "gender", of training and of validation faces, with the best epoch."""
    for part in _PARTS:
        for column in _columns(history, part, name):
            _curve(panel, history, column, part, (), "")
    panel.set_ylabel({"mae": "MAE in years", "gender": "right genders", "loss": "loss"}[name])
    if name == "gender":
        panel.yaxis.set_major_formatter(style.PERCENT)
    best = _best_epoch(history)
    if best is not None:
        panel.axvline(best, color=style.MIDDLE, linewidth=1, linestyle=":", zorder=1)


def part_keys() -> list[Line2D]:
    """Return what explains the lines of `draw_parts`."""
    keys = [Line2D([], [], color=style.DARK, linestyle=_PARTS[part], label=_PART_NAMES[part]) for part in _PARTS]
    return [*keys, Line2D([], [], color=style.MIDDLE, linewidth=1, linestyle=":", label="best epoch")]


def _columns(history: Mapping[str, np.ndarray], part: str, name: str) -> list[str]:
    """Return the columns of one figure of one part: one for each data set, or that of the loss."""
    if name == "loss":
        return [column for column in (f"{part}loss",) if column in history]
    return [column for column in history if column.startswith(f"{part or 'train_'}{name}_")]


def _measured(history: Mapping[str, np.ndarray], name: str) -> list[str]:
    return [column for part in _PARTS for column in _columns(history, part, name)]


def _dataset(column: str, name: str) -> str:
    return "" if name == "loss" else column.partition(f"{name}_")[2]


def _color(number: int) -> str:
    return style.DATASET_COLORS[number % style.MAX_DATASETS]


def _best_epoch(history: Mapping[str, np.ndarray]) -> float | None:
    score = history.get("val_score")
    if score is None or not np.isfinite(score).any():
        return None
    return float(history["epoch"][int(np.nanargmin(score))])
