"""The figures of a report that show numbers. Each function draws one figure and returns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from asianage.data.records import FaceRecord
from asianage.evaluation.figure_style import (
    DARK,
    DATASET_COLORS,
    DATASET_MARKERS,
    DOT_COLOR,
    GENDER_COLORS,
    LIGHT,
    MIDDLE,
    PERCENT,
    THOUSANDS,
    UNKNOWN_COLOR,
    gender_lines,
    note,
    panel_row,
    stacked_panels,
)
from asianage.evaluation.metrics import (
    CALIBRATION_BINS,
    LabelledPredictions,
    calibration_bins,
    confusion_matrix,
    errors_by_age,
    expected_calibration_error,
    values_near_age,
    wilson_interval,
)
from asianage.models.config import GENDERS

REACH = 2
"""Years to either side over which errors by age are averaged."""

FEWEST = 5
"""Faces around an age that a curve by age needs; where there are fewer it is interrupted."""

MAX_DOTS = 5_000
"""Faces that are drawn as a dot each."""


def images_by_age_and_gender(records: Mapping[str, Sequence[FaceRecord]]) -> Figure:
    """Draw how many images there are of each age and gender, one panel per data set."""
    figure, panels = stacked_panels([f"{name}: {len(rows):,} images" for name, rows in records.items()])
    for panel, rows in zip(panels, records.values(), strict=True):
        known = [record for record in rows if record.age is not None]
        bottom: np.ndarray | float = 0.0
        last = max((int(record.age or 0) for record in known), default=0)
        for gender in (*GENDERS, None):
            ages = [int(record.age or 0) for record in known if record.gender == gender]
            if not ages:
                continue
            counts = np.bincount(ages, minlength=last + 1)
            name, color = gender or "unknown", GENDER_COLORS.get(gender or "", UNKNOWN_COLOR)
            label = f"{name} ({len(ages):,})"
            panel.bar(np.arange(last + 1), counts, bottom=bottom, width=0.85, color=color, label=label)
            bottom = bottom + counts
        panel.grid(axis="x", visible=False)
        panel.set_ylabel("images")
        panel.yaxis.set_major_formatter(THOUSANDS)
        if known:
            panel.legend(loc="upper right")
        else:
            note(panel, "no image has an age")
    known_ages = [record.age for rows in records.values() for record in rows if record.age is not None]
    if known_ages:
        panels[-1].set_xlim(min(known_ages) - 2, max(known_ages) + 2)
    panels[-1].set_xlabel("age in years")
    return figure


def training_curves(history: Mapping[str, np.ndarray]) -> Figure:
    """Draw loss, validation error and gender accuracy by epoch, from the columns of ``history.csv``."""
    figure, panels = panel_row(["Training loss", "Validation MAE", "Validation gender accuracy"], side=3.5)
    epoch = history["epoch"]
    panels[0].plot(epoch, history["loss"], color=DARK)
    _curves(panels[1], history, "val_mae_")
    _curves(panels[2], history, "val_gender_")
    panels[1].set_ylabel("years")
    panels[2].yaxis.set_major_formatter(PERCENT)
    best = _best_epoch(history)
    for panel in panels:
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if best is not None:
            panel.axvline(best, color=MIDDLE, linewidth=1, linestyle=":")
    if best is not None:
        panels[0].annotate(
            f"best epoch {best:g}", (best, 0.98), (-4, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="right", va="top", color=MIDDLE, fontsize=9,
        )  # fmt: skip
    return figure


def gender_confusion(faces: Mapping[str, LabelledPredictions]) -> Figure:
    """Draw the confusion matrix of gender, one panel per data set: counts, and shares of the true gender."""
    figure, panels = panel_row(list(faces), side=3.2)
    for panel, part in zip(panels, faces.values(), strict=True):
        part = part.take(np.isfinite(part.is_male))
        matrix = confusion_matrix(part.is_male, part.male_probability > 0.5)
        share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        panel.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(matrix):
            color = "white" if share[row, column] > 0.55 else DARK
            panel.text(column, row - 0.09, f"{count:,}", ha="center", color=color, fontsize=14, fontweight="bold")
            panel.text(column, row + 0.16, f"{100 * share[row, column]:.1f} %", ha="center", color=color)
        panel.set_xticks(range(2), GENDERS)
        panel.set_yticks(range(2), GENDERS, rotation=90, va="center")
        panel.set_xlabel("predicted")
        panel.set_ylabel("labeled")
        panel.tick_params(length=0)
        panel.grid(False)
        panel.spines[:].set_visible(False)
    return figure


def error_by_age(
    faces: Mapping[str, LabelledPredictions], counted: Mapping[str, Sequence[FaceRecord]], *, counted_name: str
) -> Figure:
    """Draw the MAE by age, one panel per data set, with numbers of images by age behind it.

    Args:
        faces: Evaluated faces by data set.
        counted: Records to count, by data set.
        counted_name: What they are, for instance "training images".
    """
    figure, panels = stacked_panels(list(faces))
    for panel, (name, part) in zip(panels, faces.items(), strict=True):
        part = part.take(np.isfinite(part.true_age))
        ages = [int(record.age) for record in counted.get(name, ()) if record.age is not None]
        behind = panel.twinx()
        if ages:
            counts = np.bincount(ages)
            behind.bar(np.arange(len(counts)), counts, width=1.0, color=LIGHT)
        _put_behind(panel, behind, counted_name)
        if not len(part):
            note(panel, "no image has an age")
            continue
        error = np.abs(part.age - part.true_age)
        panel.set_title(f"{name}: MAE {error.mean():.2f}")
        panel.axhline(error.mean(), color=MIDDLE, linewidth=1, linestyle=":")
        single = errors_by_age(part.true_age, error)
        panel.plot(list(single), list(single.values()), "o", color=MIDDLE, markersize=3, label="MAE of one age")
        _draw_error(panel, part.true_age, error, DARK, "-", f"MAE over {2 * REACH + 1} years of age")
        _limit_error(panel, part.true_age, error)
        panel.set_ylabel("MAE in years")
    _legend_once(panels)
    _limit_years(panels[-1], faces)
    panels[-1].set_xlabel("true age in years")
    return figure


def error_by_age_and_gender(faces: Mapping[str, LabelledPredictions]) -> Figure:
    """Draw the MAE by age of female and of male faces, one panel per data set."""
    figure, panels = stacked_panels(list(faces))
    for panel, part in zip(panels, faces.values(), strict=True):
        part = part.take(np.isfinite(part.true_age) & np.isfinite(part.is_male))
        error = np.abs(part.age - part.true_age)
        for code, (gender, color, dashes) in enumerate(gender_lines()):
            mine = part.is_male == code
            if mine.any():
                label = f"{gender} ({error[mine].mean():.2f})"
                _draw_error(panel, part.true_age[mine], error[mine], color, dashes, label)
        if len(part):
            _limit_error(panel, part.true_age, error)
            if not any(np.isfinite(line.get_ydata()).any() for line in panel.lines):
                note(panel, f"no age has {FEWEST} faces or more around it")
            panel.legend(loc="upper left", title="MAE of all ages", title_fontsize=9, alignment="left")
        else:
            note(panel, "no image has both an age and a gender")
        panel.set_ylabel("MAE in years")
    _limit_years(panels[-1], faces)
    panels[-1].set_xlabel("true age in years")
    return figure


def true_against_predicted(faces: Mapping[str, LabelledPredictions]) -> Figure:
    """Draw estimated by true age, one panel per data set, with the median and the middle 80 % of the estimates."""
    figure, panels = panel_row(list(faces), side=3.8)
    for panel, part in zip(panels, faces.values(), strict=True):
        part = part.take(np.isfinite(part.true_age))
        panel.set_xlabel("true age in years")
        panel.set_ylabel("estimated age in years")
        if not len(part):
            note(panel, "no image has an age")
            continue
        ends = _ends(np.concatenate([part.true_age, part.age]))
        # Labels are whole years: a little scatter keeps faces of one age from lying on top of each other.
        random = np.random.default_rng(0)
        dots = part.take(random.permutation(len(part))[:MAX_DOTS])
        scatter = random.uniform(-0.35, 0.35, len(dots))
        alpha = float(np.clip(150 / len(dots) ** 0.75, 0.15, 0.6))
        panel.scatter(dots.true_age + scatter, dots.age, s=8, color=DOT_COLOR, alpha=alpha, linewidths=0)
        panel.plot(ends, ends, color=MIDDLE, linewidth=1, linestyle=":", label="estimated = true")
        near = values_near_age(part.true_age, part.age, REACH, FEWEST)
        quantiles = np.array([np.quantile(values, (0.5, 0.1, 0.9)) for values in near.values()]).reshape(-1, 3).T
        years, (median, low, high) = _interrupted(np.array(list(near), dtype=int), list(quantiles))
        panel.plot(years, median, color=DARK, label="median")
        for edge, label in ((low, "middle 80 %"), (high, None)):
            panel.plot(years, edge, color=DARK, linewidth=1, linestyle="--", label=label)
        panel.set(xlim=ends, ylim=ends, aspect="equal")
    _legend_once(panels)
    return figure


def gender_reliability(faces: LabelledPredictions) -> Figure:
    """Draw how often the predicted gender is right against the probability given to it, with numbers of faces below."""
    faces = faces.take(np.isfinite(faces.is_male))
    figure = Figure(figsize=(5.2, 5.6), layout="constrained")
    panel, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    panel.plot([0.5, 1], [0.5, 1], color=MIDDLE, linewidth=1, linestyle=":", label="calibrated")
    predicted_male = faces.male_probability > 0.5
    confidence = np.maximum(faces.male_probability, 1.0 - faces.male_probability)
    right = predicted_male == (faces.is_male > 0.5)
    edges = np.linspace(0.5, 1.0, CALIBRATION_BINS + 1)
    for code, (gender, color, dashes) in enumerate(gender_lines()):
        mine = predicted_male == bool(code)
        stated, share, counts = calibration_bins(confidence[mine], right[mine])
        width = 0.44 * (edges[1] - edges[0])
        below.bar(edges[:-1] + (0.06 / 0.44 + code) * width, counts, width=width, align="edge", color=color)
        filled = counts > 0
        ends = [wilson_interval(round(s * n), n) for s, n in zip(share[filled], counts[filled], strict=True)]
        reach = np.abs(np.array(ends).reshape(-1, 2).T - share[filled])
        panel.errorbar(
            stated[filled], share[filled], reach, color=color, linestyle=dashes, marker=DATASET_MARKERS[code],
            linewidth=1.4, elinewidth=0.9, label=f"predicted {gender} ({int(mine.sum()):,})",
        )  # fmt: skip
    error = expected_calibration_error(confidence, right)
    panel.set_title(f"Gender probability: calibration error {100 * error:.1f} %")
    panel.set(ylabel="share that is right", ylim=(min(0.45, panel.get_ylim()[0]), 1.02), xlim=(0.49, 1.01))
    panel.legend(loc="lower right")
    below.set(xlabel="probability given to the predicted gender", ylabel="faces", yscale="log", ylim=(0.8, None))
    below.yaxis.set_major_formatter(THOUSANDS)
    below.yaxis.set_minor_formatter(NullFormatter())
    panel.yaxis.set_major_formatter(PERCENT)
    below.xaxis.set_major_formatter(PERCENT)
    return figure


def interval_coverage(faces: Mapping[str, LabelledPredictions], target: float) -> Figure:
    """Draw, by age band and data set, the share of true ages inside their interval, and how wide the intervals are."""
    figure = Figure(figsize=(8.0, 5.4), layout="constrained")
    panel, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    panel.axhline(target, color=MIDDLE, linewidth=1, linestyle=":")
    bands: set[int] = set()
    for number, (name, part) in enumerate(faces.items()):
        part = part.take(np.isfinite(part.true_age))
        low, high = part.age_interval.T
        inside, band = (low <= part.true_age) & (part.true_age <= high), (part.true_age // 10).astype(int)
        present = np.unique(band)
        bands.update(present.tolist())
        share = np.array([inside[band == b].mean() for b in present])
        ends = [wilson_interval(int(inside[band == b].sum()), int((band == b).sum())) for b in present]
        reach = np.abs(np.array(ends).reshape(-1, 2).T - share)
        place = present + 0.16 * (number - (len(faces) - 1) / 2)
        look = {"color": DATASET_COLORS[number], "marker": DATASET_MARKERS[number], "linestyle": "none"}
        label = f"{name} ({100 * inside.mean():.1f} %)" if len(part) else name
        panel.errorbar(place, share, reach, elinewidth=1.2, label=label, markersize=6, **look)
        below.plot(place, [(high - low)[band == b].mean() for b in present], markersize=6, **look)
    panel.set_title(f"True ages inside the {100 * target:g} % interval")
    below.set_title("Mean width of the interval")
    panel.set_ylim(min(0.5, panel.get_ylim()[0]), 1.02)
    panel.yaxis.set_major_formatter(PERCENT)
    panel.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(faces), borderpad=0, columnspacing=1.2)
    below.set(xlabel="true age in years", ylabel="years")
    below.set_ylim(0, 1.12 * below.dataLim.y1 if bands else None)
    below.set_xticks(sorted(bands), [f"{10 * band}\N{EN DASH}{10 * band + 9}" for band in sorted(bands)])
    return figure


def coverage_by_promise(held: Mapping[str, tuple[Mapping[str, float], int]]) -> Figure:
    """Draw which share of the true ages the intervals hold against the share that they promise.

    Args:
        held: Name of a data set -> promised share, as text, to measured share; and the number of its faces.
    """
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    panel = figure.subplots()
    panel.plot([0, 1], [0, 1], color=MIDDLE, linewidth=1, linestyle=":", label="kept")
    promises = sorted({float(promise) for shares, _ in held.values() for promise in shares})
    for number, (name, (shares, faces)) in enumerate(held.items()):
        share = np.array(list(shares.values()))
        ends = [wilson_interval(round(value * faces), faces) for value in share]
        reach = np.abs(np.array(ends).reshape(-1, 2).T - share)
        # Side by side, so that the bars of several data sets can be told apart.
        place = np.array([float(promise) for promise in shares]) + 0.008 * (number - (len(held) - 1) / 2)
        panel.errorbar(
            place, share, reach, color=DATASET_COLORS[number], marker=DATASET_MARKERS[number],
            linestyle="none", elinewidth=1.2, markersize=6, label=f"{name} ({faces:,})",
        )  # fmt: skip
    panel.set_title("True ages inside the interval")
    first = max(0.0, min(promises, default=0.5) - 0.1)
    panel.set(xlabel="promised", ylabel="measured", xlim=(first, 1.02), ylim=(first, 1.02), xticks=promises)
    panel.xaxis.set_major_formatter(PERCENT)
    panel.yaxis.set_major_formatter(PERCENT)
    panel.legend(loc="upper left")
    return figure


def _curves(panel: Axes, history: Mapping[str, np.ndarray], prefix: str) -> None:
    names = [name for name in history if name.startswith(prefix)]
    for number, name in enumerate(names):
        style = number % len(DATASET_COLORS)
        panel.plot(
            history["epoch"], history[name], color=DATASET_COLORS[style], marker=DATASET_MARKERS[style],
            markevery=max(1, len(history["epoch"]) // 8), label=name.removeprefix(prefix),
        )  # fmt: skip
    if names:
        panel.legend()
    else:
        note(panel, "not measured")


def _best_epoch(history: Mapping[str, np.ndarray]) -> float | None:
    score = history.get("val_score")
    if score is None or not np.isfinite(score).any():
        return None
    return float(history["epoch"][int(np.nanargmin(score))])


def _draw_error(panel: Axes, age: np.ndarray, error: np.ndarray, color: str, dashes: str, label: str) -> None:
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


def _limit_error(panel: Axes, age: np.ndarray, error: np.ndarray) -> None:
    """Start the errors at zero, with room for a legend; single ages with hardly a face may leave at the top."""
    near = values_near_age(age, error, REACH, FEWEST) or {0: error}
    panel.set_ylim(0, 1.5 * max(values.mean() for values in near.values()) + 0.5)


def _limit_years(panel: Axes, faces: Mapping[str, LabelledPredictions]) -> None:
    """Show the ages of the evaluated faces; what is counted behind them may reach further."""
    age = np.concatenate([part.true_age for part in faces.values()])
    if np.isfinite(age).any():
        panel.set_xlim(np.nanmin(age) - 2, np.nanmax(age) + 2)


def _put_behind(panel: Axes, behind: Axes, name: str) -> None:
    behind.set_ylabel(name, color=MIDDLE)
    behind.tick_params(axis="y", labelcolor=MIDDLE)
    behind.yaxis.set_major_formatter(THOUSANDS)
    behind.grid(False)
    behind.spines["right"].set_visible(False)
    behind.set_zorder(panel.get_zorder() - 1)
    panel.patch.set_visible(False)


def _legend_once(panels: Sequence[Axes]) -> None:
    """Explain the lines in the first panel that has any; they are the same in all."""
    for panel in panels:
        if panel.get_legend_handles_labels()[1]:
            panel.legend(loc="upper left")
            return


def _ends(values: np.ndarray) -> tuple[float, float]:
    return max(0.0, float(np.floor(values.min() / 5) * 5)), float(np.ceil(values.max() / 5) * 5)
