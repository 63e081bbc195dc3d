"""Estimates used as an age check: minors who pass it, adults who are challenged, and probabilities that come true.

The terms are those of NIST's FATE AEV. A person passes if the estimated age reaches the challenge age; everybody else
is challenged, which means asked for another proof of age. So is everybody whose face was not found.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from asianage.evaluation.metrics import LabeledPredictions, calibration_bins, calibration_gap, wilson_interval
from asianage.models.ages import AgeAxis, probability_at_least

DEFAULT_THRESHOLDS = (18,)
"""Age thresholds that every evaluation measures, in years."""

MARGINS = (0, 3, 7)
"""Years from a threshold to the challenge ages that are measured where none are named: 18, 21 and 25 for 18."""

NEAR = 5
"""Minors of up to this many years below a threshold count in figures of their own: the youngest flatter the others."""

CALIBRATED_AGES = range(10, 31)
"""Thresholds over which the calibration error of `probability_at_least` is averaged, in years."""

BINS = 10
"""Bins of the probability of being old enough, between 0 and 1."""

_OLDEST = 120


def challenge_pairs(thresholds: Sequence[int], challenge_ages: Sequence[int] | None) -> list[tuple[int, int]]:
    """Return every threshold with every challenge age that belongs to it, in years, in ascending order.

    Args:
        thresholds: Ages from which a person is old enough, in years.
        challenge_ages: Estimates that pass, in years; those below a threshold do not belong to it. None takes the
            threshold itself and the ages `MARGINS` above it.

    Raises:
        ValueError: An age is no whole number of years between 1 and 119, or a threshold has no challenge age.
    """
    for name, ages in (("thresholds", thresholds), ("challenge_ages", challenge_ages or ())):
        if not all(isinstance(age, int) and 1 <= age < _OLDEST for age in ages):
            raise ValueError(f"`{name}` must be whole years from 1 to {_OLDEST - 1}. Received: {list(ages)}.")
    pairs = [
        (threshold, challenge)
        for threshold in sorted(set(thresholds))
        for challenge in sorted(set(challenge_ages or (threshold + margin for margin in MARGINS)))
        if challenge >= threshold
    ]
    if lacking := set(thresholds) - {threshold for threshold, _ in pairs}:
        raise ValueError(
            f"`challenge_ages` must hold an age of at least {max(lacking)}, the threshold. "
            f"Received: {list(challenge_ages or ())}."
        )
    return pairs


def measure_thresholds(
    faces: LabeledPredictions, labels: Mapping[str, Sequence[str]], pairs: Sequence[tuple[int, int]]
) -> list[dict[str, Any]]:
    """Return the figures of every threshold and challenge age, as plain values for JSON.

    Args:
        faces: n faces with and without an age; those without one count nowhere.
        labels: Kind of part, for instance "gender" -> n labels; "" belongs to no part.
        pairs: Threshold and challenge age, in years, as `challenge_pairs` returns them.
    """
    return [
        {
            "threshold": threshold,
            "challenge_age": challenge,
            "overall": _figures(faces, threshold, challenge),
            **{f"by_{kind}": _by_label(faces, names, threshold, challenge) for kind, names in labels.items()},
            "by_age_band": {
                f"{first}-{last}": _figures(faces.take(faces.aged(first, last)), threshold, challenge)
                for first, last in _bands(threshold)
                if faces.aged(first, last).any()
            },
        }
        for threshold, challenge in pairs
    ]


def age_reliability(
    axis: AgeAxis, distribution: np.ndarray, faces: LabeledPredictions, age: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group faces by their probability of being `age` or older, in `BINS` bins of equal width.

    Args:
        axis: The age axis.
        distribution: float (n, num_ages), rows sum to 1.
        faces: The n faces; those that are not known to be younger or older do not count.
        age: In years.

    Returns:
        Mean probability float (bins,), share of faces that are old enough float (bins,), faces int (bins,); NaN in
        empty bins.
    """
    old_enough, younger = faces.at_least(age), faces.below(age)
    known = old_enough | younger
    probability = probability_at_least(axis, distribution[known], age)
    return calibration_bins(probability, old_enough[known], BINS, lowest=0.0)


def age_calibration_error(axis: AgeAxis, distribution: np.ndarray, faces: LabeledPredictions) -> float | None:
    """Return the expected calibration error of `probability_at_least`, averaged over the thresholds 10 to 30 years.

    Arguments are those of `age_reliability`. None if no face has an age.
    """
    errors = []
    for age in CALIBRATED_AGES:
        binned = age_reliability(axis, distribution, faces, age)
        if binned[2].sum():
            errors.append(calibration_gap(*binned))
    return float(np.mean(errors)) if errors else None


def _figures(faces: LabeledPredictions, threshold: int, challenge: int) -> dict[str, Any]:
    passed = faces.detected & (faces.age >= challenge)
    minor, adult = faces.below(threshold), faces.at_least(threshold)
    near = faces.aged(threshold - NEAR, threshold - 1)
    return {
        **_counted("minors", "false_positives", "false_positive_rate", minor, passed),
        **_counted("near_minors", "near_false_positives", "near_false_positive_rate", near, passed),
        **_counted("adults", "adults_challenged", "challenge_rate", adult, ~passed),
    }


def _counted(everyone: str, hits: str, rate: str, counts: np.ndarray, hit: np.ndarray) -> dict[str, Any]:
    """Return the number of faces that count, of those that are hit, and their share with its interval."""
    number, total = int((counts & hit).sum()), int(counts.sum())
    return {
        everyone: total,
        hits: number,
        rate: number / total if total else None,
        f"{rate}_interval": list(wilson_interval(number, total)) if total else None,
    }


def _by_label(faces: LabeledPredictions, names: Sequence[str], threshold: int, challenge: int) -> dict[str, Any]:
    column = np.array(names)
    parts = {name: _figures(faces.take(column == name), threshold, challenge) for name in sorted(set(names) - {""})}
    return {name: figures for name, figures in parts.items() if figures["minors"] + figures["adults"]}


def _bands(threshold: int) -> list[tuple[int, int]]:
    """Return first and last year of age bands that are narrow around a threshold and ten years wide far above it."""
    close = [0, *(threshold + years for years in (-NEAR, -2, 0, 3, 7))]
    decades = range(10 * (close[-1] // 10 + 1), _OLDEST, 10)
    edges = sorted({edge for edge in (*close, *decades, _OLDEST + 1) if edge >= 0})
    return [(first, end - 1) for first, end in itertools.pairwise(edges)]
