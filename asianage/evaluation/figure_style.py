"""One look for all figures of a report. Matplotlib's global state is not touched."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

from asianage.evaluation.metrics import wilson_interval
from asianage.files import write_bytes
from asianage.prediction.face_prediction import COLORS as GENDER_COLORS

DATASET_COLORS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""The colors of Okabe and Ito's palette that are not those of the genders; with markers, which differ as well."""

DATASET_MARKERS = ("o", "s", "^", "D")

MAX_DATASETS = len(DATASET_COLORS)
"""Data sets that a figure shows at most."""

DARK, MIDDLE, LIGHT = "#222222", "#767676", "#D9D9D9"
"""Text; lines and text of less weight; areas in the background."""

UNKNOWN_COLOR = "#999999"

DOT_COLOR = "#56B4E9"
"""Many small dots, of no gender."""

PERCENT = PercentFormatter(1.0, symbol=" %")
THOUSANDS = StrMethodFormatter("{x:,.0f}")

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": DARK,
    # Names may hold a dollar sign.
    "text.parse_math": False,
    "axes.labelcolor": DARK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlepad": 8,
    "axes.edgecolor": MIDDLE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#EBEBEB",
    "grid.linewidth": 0.8,
    "xtick.color": MIDDLE,
    "ytick.color": MIDDLE,
    "xtick.labelcolor": DARK,
    "ytick.labelcolor": DARK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 150,
}

GENDER_LINES = (("female", GENDER_COLORS["female"], "-"), ("male", GENDER_COLORS["male"], "--"))
"""Gender, color and line style: readers who see no color tell them apart by the dashes."""


@contextmanager
def report_style() -> Iterator[None]:
    """Draw and save in the look of the report; afterwards Matplotlib is as before."""
    with matplotlib.rc_context():
        # A user's own style must not leak into the report.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def stacked_panels(titles: Sequence[str], *, height: float = 2.6, width: float = 8.0) -> tuple[Figure, list[Axes]]:
    """Return a figure with one panel per title, one below the other, with the same ages across."""
    figure = Figure(figsize=(width, height * len(titles) + 0.5), layout="constrained")
    axes = list(figure.subplots(len(titles), 1, sharex=True, squeeze=False)[:, 0])
    for panel, title in zip(axes, titles, strict=True):
        panel.set_title(title)
    return figure, axes


def panel_row(
    titles: Sequence[str], *, side: float = 3.6, columns: int = 3, label_height: float = 0.4
) -> tuple[Figure, list[Axes]]:
    """Return a figure with one square panel per title, side by side and wrapped after `columns`.

    `label_height` is what titles and labels of a panel take beside its square, in inches.
    """
    columns = min(columns, len(titles))
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(side * columns + 0.6, (side + label_height) * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in axes[len(titles) :]:
        panel.remove()
    for panel, title in zip(axes, titles, strict=False):
        panel.set_title(title)
    return figure, axes[: len(titles)]


def note(panel: Axes, text: str) -> None:
    """Write into an empty panel why there is nothing to see."""
    panel.text(0.5, 0.5, text, transform=panel.transAxes, ha="center", va="center", color=MIDDLE)
    panel.grid(False)


def legend_above(panel: Axes, columns: int = 3) -> None:
    """Explain the lines of a panel above it, beside its title, where they hide nothing."""
    panel.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns, borderpad=0.2, columnspacing=1.2, handlelength=1.6
    )


def draw_shares(panel: Axes, place: np.ndarray, hits: np.ndarray, faces: np.ndarray | int, **look: Any) -> None:
    """Draw the shares `hits` of `faces`, int (n,), at `place`, float (n,), with their 95 % intervals as bars."""
    hits, faces = np.broadcast_arrays(hits, faces)
    share = hits / faces
    ends = [wilson_interval(int(hit), int(count)) for hit, count in zip(hits, faces, strict=True)]
    panel.errorbar(place, share, np.abs(np.array(ends).reshape(-1, 2).T - share), **look)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    encoded = io.BytesIO()
    with warnings.catch_warnings():
        # Names may have letters that Matplotlib's own font lacks.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        figure.savefig(encoded, format="png")
    write_bytes(path, encoded.getvalue())


def whole_ticks(most: int) -> MaxNLocator:
    """Return what places ticks at whole numbers only, also where an axis is shorter than 1."""
    return MaxNLocator(integer=True, min_n_ticks=1, nbins=most)
