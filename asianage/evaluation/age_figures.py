"""The figures of a report that show ages. Each function draws one figure and returns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asianage.data.records import FaceRecord
from asianage.evaluation import figure_style as style
from asianage.evaluation.metrics import LabeledPredictions, errors_by_age, values_near_age

REACH = 2
"""Years to either side over which errors by age are averaged."""

FEWEST = 5
"""Faces around an age that a curve by age needs; where there are fewer it is interrupted."""

MAX_DOTS = 5_000
"""Faces that are drawn as a dot each."""


def error_by_age(
    faces: Mapping[str, LabeledPredictions], counted: Mapping[str, Sequence[FaceRecord]], *, counted_name: str
) -> Figure:
    """Draw the MAE by age, one panel per data set, with numbers of images by age behind it.

    Args:
        faces: Evaluated faces by data set.
        counted: Records to count, by data set.
        counted_name: What they are, for instance "training images".
    """
    figure, panels = style.stacked_panels(list(faces))
    for panel, (name, part) in zip(panels, faces.items(), strict=True):
        part = part.take(np.isfinite(part.true_age))
        ages = [int(record.age) for record in counted.get(name, ()) if record.age is not None]
        behind = panel.twinx()
        if ages:
            counts = np.bincount(ages)
            behind.bar(np.arange(len(counts)), counts, width=1.0, color=style.LIGHT)
        put_behind(panel, behind, counted_name)
        if not len(part):
            style.note(panel, "no image has an age")
            continue
        error = np.abs(part.age - part.true_age)
        panel.set_title(f"{name}: MAE {error.mean():.2f}")
        panel.axhline(error.mean(), color=style.MIDDLE, linewidth=1, linestyle=":")
        single = errors_by_age(part.true_age, error)
        panel.plot(list(single), list(single.values()), "o", color=style.MIDDLE, markersize=3, label="MAE of one age")
        draw_error(panel, part.true_age, error, style.DARK, "-", f"MAE over {2 * REACH + 1} years of age")
        limit_error(panel, part.true_age, error)
        panel.set_ylabel("MAE in years")
    _legend_once(panels)
    _limit_years(panels[-1], faces)
    panels[-1].xaxis.set_major_locator(style.whole_ticks(14))
    panels[-1].set_xlabel("true age in years")
    return figure


def error_by_age_and_gender(faces: Mapping[str, LabeledPredictions]) -> Figure:
    """Draw the MAE by age of female and of male faces, one panel per data set."""
    figure, panels = style.stacked_panels(list(faces))
    for panel, part in zip(panels, faces.values(), strict=True):
        part = part.take(np.isfinite(part.true_age) & np.isfinite(part.is_male))
        error = np.abs(part.age - part.true_age)
        for code, (gender, color, dashes) in enumerate(style.GENDER_LINES):
            mine = part.is_male == code
            if mine.any():
                label = f"{gender} ({error[mine].mean():.2f})"
                draw_error(panel, part.true_age[mine], error[mine], color, dashes, label)
        if len(part):
            limit_error(panel, part.true_age, error)
            if not any(np.isfinite(line.get_ydata()).any() for line in panel.lines):
                style.note(panel, f"no age has {FEWEST} faces or more around it")
            style.legend_above(panel)
        else:
            style.note(panel, "no image has both an age and a gender")
        panel.set_ylabel("MAE in years")
    _limit_years(panels[-1], faces)
    panels[-1].xaxis.set_major_locator(style.whole_ticks(14))
    panels[-1].set_xlabel("true age in years")
    return figure


def true_against_predicted(faces: Mapping[str, LabeledPredictions]) -> Figure:
    """Draw estimated by true age, one panel per data set, with the median and the middle 80 % of the estimates."""
    figure, panels = style.panel_row(list(faces), side=3.8)
    for panel, part in zip(panels, faces.values(), strict=True):
        part = part.take(np.isfinite(part.true_age))
        panel.set_xlabel("true age in years")
        panel.set_ylabel("estimated age in years")
        if not len(part):
            style.note(panel, "no image has an age")
            continue
        ends = _ends(np.concatenate([part.true_age, part.age]))
        # Labels are whole years: a little scatter keeps faces of one age from lying on top of each other.
        random = np.random.default_rng(0)
        dots = part.take(random.permutation(len(part))[:MAX_DOTS])
        scatter = random.uniform(-0.35, 0.35, len(dots))
        alpha = float(np.clip(150 / len(dots) ** 0.75, 0.15, 0.6))
        panel.scatter(dots.true_age + scatter, dots.age, s=8, color=style.DOT_COLOR, alpha=alpha, linewidths=0)
        panel.plot(ends, ends, color=style.MIDDLE, linewidth=1, linestyle=":", label="estimated = true")
        near = values_near_age(part.true_age, part.age, REACH, FEWEST)
        quantiles = np.array([np.quantile(values, (0.5, 0.1, 0.9)) for values in near.values()]).reshape(-1, 3).T
        years, (median, low, high) = _interrupted(np.array(list(near), dtype=int), list(quantiles))
        panel.plot(years, median, color=style.DARK, label="median")
        for edge, label in ((low, "middle 80 %"), (high, None)):
            panel.plot(years, edge, color=style.DARK, linewidth=1, linestyle="--", label=label)
        panel.set(xlim=ends, ylim=ends, aspect="equal")
    _legend_once(panels)
    return figure


def interval_coverage(faces: Mapping[str, LabeledPredictions], nominal: float) -> Figure:
    """Draw, by age band and data set, the coverage of the age intervals, and how wide they are."""
    figure = Figure(figsize=(8.0, 5.4), layout="constrained")
    panel, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    panel.axhline(nominal, color=style.MIDDLE, linewidth=1, linestyle=":")
    bands: set[int] = set()
    for number, (name, part) in enumerate(faces.items()):
        part = part.take(np.isfinite(part.true_age))
        low, high = part.age_interval.T
        inside = (low <= part.true_age) & (part.true_age <= high)
        present, band, count = np.unique((part.true_age // 10).astype(int), return_inverse=True, return_counts=True)
        bands.update(present.tolist())
        place = present + 0.16 * (number - (len(faces) - 1) / 2)
        look = {"color": style.DATASET_COLORS[number], "marker": style.DATASET_MARKERS[number], "linestyle": "none"}
        label = f"{name} ({100 * inside.mean():.1f} %)" if len(part) else name
        hits = np.bincount(band[inside], minlength=len(present))
        style.draw_shares(panel, place, hits, count, elinewidth=1.2, label=label, markersize=6, **look)
        below.plot(place, np.bincount(band, weights=high - low, minlength=len(present)) / count, markersize=6, **look)
    panel.set_title(f"True ages inside the {100 * nominal:g} % interval")
    below.set_title("Mean width of the interval")
    panel.set_ylim(min(0.5, panel.get_ylim()[0]), 1.02)
    panel.yaxis.set_major_formatter(style.PERCENT)
    panel.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(faces), borderpad=0, columnspacing=1.2)
    below.set(xlabel="true age in years", ylabel="years")
    below.set_ylim(0, 1.12 * below.dataLim.y1 if bands else None)
    below.set_xticks(sorted(bands), [f"{10 * band}\N{EN DASH}{10 * band + 9}" for band in sorted(bands)])
    return figure


def nominal_coverage(measured: Mapping[str, tuple[Mapping[str, float], int]]) -> Figure:
    """Draw the measured coverage of the age intervals against their nominal coverage.

    Args:
        measured: Data set -> nominal coverage, as text, to measured coverage; and the number of its faces.
    """
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    panel = figure.subplots()
    panel.plot([0, 1], [0, 1], color=style.MIDDLE, linewidth=1, linestyle=":", label="measured = nominal")
    ticks = sorted({float(nominal) for shares, _ in measured.values() for nominal in shares})
    for number, (name, (shares, faces)) in enumerate(measured.items()):
        # Side by side, so that the bars of several data sets can be told apart.
        place = np.array([float(nominal) for nominal in shares]) + 0.008 * (number - (len(measured) - 1) / 2)
        hits = np.rint(np.array(list(shares.values())) * faces)
        look = {"color": style.DATASET_COLORS[number], "marker": style.DATASET_MARKERS[number], "linestyle": "none"}
        label = f"{name} ({faces:,})"
        style.draw_shares(panel, place, hits, faces, elinewidth=1.2, label=label, markersize=6, **look)
    panel.set_title("True ages inside the interval")
    first = max(0.0, min(ticks, default=0.5) - 0.1)
    panel.set(
        xlabel="nominal coverage", ylabel="measured coverage", xlim=(first, 1.02), ylim=(first, 1.02), xticks=ticks
    )
    panel.xaxis.set_major_formatter(style.PERCENT)
    panel.yaxis.set_major_formatter(style.PERCENT)
    panel.legend(loc="upper left")
    return figure


def draw_error(panel: Axes, age: np.ndarray, error: np.ndarray, color: str, dashes: str, label: str) -> None:
    """Draw a smoothed curve of the error by age with its 95 % band."""
    near = values_near_age(age, error, REACH, FEWEST)
    mean = np.array([values.mean() for values in near.values()])
    reach = 1.96 * np.array([values.std(ddof=1) / np.sqrt(len(values)) for values in near.values()])
    years, (mean, low, high) = _interrupted(np.array(list(near), dtype=int), (mean, mean - reach, mean + reach))
    panel.plot(years, mean, dashes, color=color, label=label)
    panel.fill_between(years, low, high, color=color, alpha=0.15, linewidth=0)


def _interrupted(years: np.ndarray, curves: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Put NaN at the ages that are missing, so that no line is drawn across them."""
    if not len(years):
        return years, list(curves)
    every = np.arange(years[0], years[-1] + 1)
    filled = [np.full(len(every), np.nan) for _ in curves]
    for target, curve in zip(filled, curves, strict=True):
        target[years - years[0]] = curve
    return every, filled


def limit_error(panel: Axes, age: np.ndarray, error: np.ndarray) -> None:
    """Start the errors at zero, with room for a legend; single ages with hardly a face may leave at the top."""
    near = values_near_age(age, error, REACH, FEWEST) or {0: error}
    panel.set_ylim(0, 1.5 * max(values.mean() for values in near.values()) + 0.5)


def _limit_years(panel: Axes, faces: Mapping[str, LabeledPredictions]) -> None:
    """Show the ages of the evaluated faces; what is counted behind them may reach further."""
    age = np.concatenate([part.true_age for part in faces.values()])
    if np.isfinite(age).any():
        panel.set_xlim(np.nanmin(age) - 2, np.nanmax(age) + 2)


def put_behind(panel: Axes, behind: Axes, name: str) -> None:
    """Let the axes of counts, on the right, stand behind a panel."""
    behind.set_ylabel(name, color=style.MIDDLE)
    behind.tick_params(axis="y", labelcolor=style.MIDDLE)
    behind.yaxis.set_major_formatter(style.THOUSANDS)
    behind.grid(False)
    behind.spines["right"].set_visible(False)
    behind.set_zorder(panel.get_zorder() - 1)
    panel.patch.set_visible(False)


def _legend_once(panels: Sequence[Axes]) -> None:
    """Explain the lines in the first panel that has any; they are the same in all."""
    for panel in panels:
        if panel.get_legend_handles_labels()[1]:
            style.legend_above(panel)
            return


def _ends(values: np.ndarray) -> tuple[float, float]:
    return max(0.0, float(np.floor(values.min() / 5) * 5)), float(np.ceil(values.max() / 5) * 5)
