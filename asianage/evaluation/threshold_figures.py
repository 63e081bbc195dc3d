"""The figures of a report that show age thresholds. Each function draws one figure and returns it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from asianage.evaluation import figure_style as style
from asianage.evaluation.metrics import LabeledPredictions, values_near_age, wilson_interval
from asianage.evaluation.thresholds import BINS, NEAR, age_calibration_error, age_reliability
from asianage.models.ages import AgeAxis

REACH = 1
"""Years to either side over which the share that passes is taken."""

FEWEST = 5
"""Faces around an age that the curve needs."""

LONGEST_MARGIN = 15
"""Years above a threshold up to which challenge ages are drawn."""

_DASHES = ("-", "--", "-.", ":")


def thresholds(faces: LabeledPredictions, pairs: Sequence[tuple[int, int]]) -> Figure:
    """Draw who passes an age check, by true age, and what every challenge age costs minors and adults.

    Args:
        faces: Evaluated faces.
        pairs: Threshold and challenge age, in years; one row of panels for each threshold.
    """
    limits = sorted({threshold for threshold, _ in pairs})
    figure = Figure(figsize=(9.6, 3.9 * len(limits)), layout="constrained")
    rows = figure.subplots(len(limits), 2, squeeze=False)
    for (by_age, by_challenge), threshold in zip(rows, limits, strict=True):
        challenges = [challenge for limit, challenge in pairs if limit == threshold]
        _draw_passing(by_age, faces, threshold, challenges)
        _draw_trade(by_challenge, faces, threshold, challenges)
    return figure


def age_reliability_diagram(
    faces: LabeledPredictions, axis: AgeAxis, distribution: np.ndarray, limits: Sequence[int]
) -> Figure:
    """Draw how often people are old enough against the probability given to that, with numbers of faces below.

    Args:
        faces: n evaluated faces.
        axis: The age axis.
        distribution: float (n, num_ages), rows sum to 1.
        limits: Ages from which a person is old enough, in years; as many as colors are drawn.
    """
    figure = Figure(figsize=(5.6, 5.8), layout="constrained")
    panel, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    panel.plot([0, 1], [0, 1], color=style.MIDDLE, linewidth=1, linestyle=":", label="calibrated")
    limits = list(limits)[: style.MAX_DATASETS]
    width = 0.88 / BINS / len(limits)
    for number, age in enumerate(limits):
        stated, share, counts = age_reliability(axis, distribution, faces, age)
        place = np.linspace(0, 1, BINS, endpoint=False) + 0.06 / BINS + number * width
        below.bar(place, counts, width=width, align="edge", color=style.DATASET_COLORS[number])
        filled = counts > 0
        style.draw_shares(
            panel, stated[filled], np.rint(share * counts)[filled], counts[filled], color=style.DATASET_COLORS[number],
            marker=style.DATASET_MARKERS[number], linestyle=_DASHES[number], linewidth=1.4, elinewidth=0.9,
            label=f"{age} or older ({int(counts.sum()):,})",
        )  # fmt: skip
    error = age_calibration_error(axis, distribution, faces)
    panel.set_title("" if error is None else f"Calibration error {100 * error:.1f} %, mean over 10 to 30 years")
    panel.set(ylabel="share that is old enough", ylim=(-0.02, 1.02), xlim=(-0.02, 1.02))
    panel.legend(loc="lower right")
    below.set(xlabel="probability of being old enough", ylabel="faces", yscale="log", ylim=(0.8, None))
    below.yaxis.set_major_formatter(style.THOUSANDS)
    below.yaxis.set_minor_formatter(NullFormatter())
    panel.yaxis.set_major_formatter(style.PERCENT)
    below.xaxis.set_major_formatter(style.PERCENT)
    return figure


def _draw_passing(panel: Axes, faces: LabeledPredictions, threshold: int, challenges: Sequence[int]) -> None:
    """Draw the share that passes by true age, one curve for each challenge age."""
    known = np.isfinite(faces.true_age)
    age = faces.true_age[known]
    for number, challenge in enumerate(challenges):
        passed = (faces.detected & (faces.age >= challenge))[known].astype(float)
        near = values_near_age(age, passed, REACH, FEWEST)
        years = np.array([year for year in near if abs(year - threshold) <= 2 * LONGEST_MARGIN], dtype=int)
        share = np.array([near[year].mean() for year in years])
        ends = [wilson_interval(int(near[year].sum()), len(near[year])) for year in years]
        look = number % style.MAX_DATASETS
        panel.plot(
            years,
            share,
            color=style.DATASET_COLORS[look],
            linestyle=_DASHES[look],
            label=f"estimate {challenge} or more",
        )
        panel.fill_between(
            years, *np.array(ends).reshape(-1, 2).T, color=style.DATASET_COLORS[look], alpha=0.15, linewidth=0
        )
    panel.axvline(threshold - 0.5, color=style.MIDDLE, linewidth=1, linestyle=":")
    panel.set_title(f"Threshold {threshold}: who passes")
    panel.set(xlabel="true age in years", ylabel="share that passes", ylim=(-0.02, 1.02))
    panel.yaxis.set_major_formatter(style.PERCENT)
    panel.legend(loc="lower right")


def _draw_trade(panel: Axes, faces: LabeledPredictions, threshold: int, challenges: Sequence[int]) -> None:
    """Draw, for every challenge age, the share of minors who pass and of adults who are challenged."""
    ages = np.arange(threshold, max([threshold + LONGEST_MARGIN, *challenges]) + 1)
    lines = (
        (
            f"minors {threshold - NEAR}\N{EN DASH}{threshold - 1} who pass",
            faces.aged(threshold - NEAR, threshold - 1),
            1,
        ),
        ("adults who are challenged", faces.at_least(threshold), 0),
    )
    for (label, counts, passing), color, dashes in zip(lines, ("#D55E00", style.DARK), _DASHES, strict=False):
        total = int(counts.sum())
        if not total:
            continue
        hits = [int((counts & ((faces.detected & (faces.age >= age)) == bool(passing))).sum()) for age in ages]
        ends = np.array([wilson_interval(hit, total) for hit in hits]).T
        panel.plot(ages, np.array(hits) / total, color=color, linestyle=dashes, label=f"{label} ({total:,})")
        panel.fill_between(ages, *ends, color=color, alpha=0.15, linewidth=0)
    for challenge in challenges:
        panel.axvline(challenge, color=style.MIDDLE, linewidth=1, linestyle=":")
    panel.set_title("What a challenge age costs")
    panel.set(xlabel="challenge age in years", ylabel="share", ylim=(-0.02, 1.02))
    panel.yaxis.set_major_formatter(style.PERCENT)
    if panel.get_legend_handles_labels()[1]:
        panel.legend(loc="upper right")
    else:
        style.note(panel, "no image has an age")
