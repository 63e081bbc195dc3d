"""The figures of a report that show age thresholds. Each function draws one figure and returns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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


def thresholds_by_part(measured: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Draw minors who pass and adults who are challenged by data set, gender and group; None without such parts.

    Args:
        measured: What `thresholds.measure_thresholds` returns; one row of panels for each threshold.
    """
    limits = sorted({node["threshold"] for node in measured})
    names = {limit: _part_names([node for node in measured if node["threshold"] == limit]) for limit in limits}
    if not any(names.values()):
        return None
    heights = [1.2 + 0.42 * len(names[limit]) for limit in limits]
    figure = Figure(figsize=(9.6, sum(heights)), layout="constrained")
    rows = figure.subplots(len(limits), 2, squeeze=False, sharey="row", height_ratios=heights)
    for (passing, challenged), limit in zip(rows, limits, strict=True):
        nodes = [node for node in measured if node["threshold"] == limit]
        _draw_parts(passing, nodes, names[limit], "near_minors", "near_false_positives")
        _draw_parts(challenged, nodes, names[limit], "adults", "adults_challenged")
        passing.set_title(f"Threshold {limit}: minors {limit - NEAR}\N{EN DASH}{limit - 1} who pass")
        challenged.set_title("Adults who are challenged")
        passing.set_yticks(range(len(names[limit])), [name for _, name in names[limit]])
        passing.invert_yaxis()
        if challenged.get_legend_handles_labels()[0]:
            challenged.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
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


def _part_names(nodes: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return kind and name of the parts of every kind that has more than one."""
    kinds = [(kind, nodes[0].get(kind, {})) for kind in ("by_dataset", "by_gender", "by_group")]
    return [(kind, name) for kind, parts in kinds if len(parts) > 1 for name in parts]


def _draw_parts(
    panel: Axes, nodes: Sequence[Mapping[str, Any]], names: Sequence[tuple[str, str]], everyone: str, hits: str
) -> None:
    """Draw one share per part and challenge age, with its interval."""
    for number, node in enumerate(nodes):
        look = number % style.MAX_DATASETS
        label: str | None = f"challenge age {node['challenge_age']}"
        for row, (kind, name) in enumerate(names):
            leaf = node[kind].get(name)
            if leaf is None or not leaf[everyone]:
                continue
            low, high = wilson_interval(leaf[hits], leaf[everyone])
            share, place = leaf[hits] / leaf[everyone], row + 0.2 * (number - (len(nodes) - 1) / 2)
            panel.errorbar(
                share, place, xerr=[[max(share - low, 0)], [max(high - share, 0)]], color=style.DATASET_COLORS[look],
                marker=style.DATASET_MARKERS[look], markersize=5, elinewidth=1.1, linestyle="none", label=label,
            )  # fmt: skip
            label = None
    panel.set_xlim(-0.02, 1.02)
    panel.xaxis.set_major_formatter(style.PERCENT)


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
