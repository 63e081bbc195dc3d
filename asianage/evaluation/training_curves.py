"""The course of a training, from its ``history.csv``: read and drawn."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asianage.evaluation import figure_style as style


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
    """Draw loss, validation error and gender accuracy by epoch, from the columns of ``history.csv``."""
    figure, panels = style.panel_row(["Training loss", "Validation MAE", "Validation gender accuracy"], side=3.5)
    epoch = history["epoch"]
    panels[0].plot(epoch, history["loss"], color=style.DARK)
    _curves(panels[1], history, "val_mae_")
    _curves(panels[2], history, "val_gender_")
    panels[1].set_ylabel("years")
    panels[2].yaxis.set_major_formatter(style.PERCENT)
    best = _best_epoch(history)
    for panel in panels:
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if best is not None:
            panel.axvline(best, color=style.MIDDLE, linewidth=1, linestyle=":")
    if best is not None:
        panels[0].annotate(
            f"best epoch {best:g}", (best, 0.98), (-4, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="right", va="top", color=style.MIDDLE, fontsize=9,
        )  # fmt: skip
    return figure


def _curves(panel: Axes, history: Mapping[str, np.ndarray], prefix: str) -> None:
    names = [name for name in history if name.startswith(prefix)]
    for number, name in enumerate(names):
        look = number % style.MAX_DATASETS
        panel.plot(
            history["epoch"], history[name], color=style.DATASET_COLORS[look], marker=style.DATASET_MARKERS[look],
            markevery=max(1, len(history["epoch"]) // 8), label=name.removeprefix(prefix),
        )  # fmt: skip
    if names:
        panel.legend()
    else:
        style.note(panel, "not measured")


def _best_epoch(history: Mapping[str, np.ndarray]) -> float | None:
    score = history.get("val_score")
    if score is None or not np.isfinite(score).any():
        return None
    return float(history["epoch"][int(np.nanargmin(score))])
