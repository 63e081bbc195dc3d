"""From logits on validation data to probabilities that mean what they say, and intervals that hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asianage.ages import AgeAxis, cumulative_at, softmax
from asianage.config import Calibration

COVERAGES = (0.5, 0.8, 0.9, 0.95)

MIN_FACES = 20
"""Faces with an age that a calibration needs."""

_TEMPERATURES = np.exp(np.linspace(np.log(0.25), np.log(4.0), 161))


def calibrate(
    axis: AgeAxis,
    age_logits: np.ndarray,
    gender_logits: np.ndarray,
    age: np.ndarray,
    is_male: np.ndarray,
    *,
    coverages: Sequence[float] = COVERAGES,
) -> Calibration:
    """Fit temperatures (Guo et al., ICML 2017) and conformal interval masses on held-out faces.

    Args:
        axis: The age axis.
        age_logits: float (n, num_ages).
        gender_logits: float (n,), positive for male.
        age: float (n,), in years; NaN if unknown.
        is_male: float (n,), 1 or 0; NaN if unknown.
        coverages: Shares of ages that the intervals are to hold.

    Raises:
        ValueError: Fewer than `MIN_FACES` faces with an age.
    """
    known = np.isfinite(age)
    if known.sum() < MIN_FACES:
        raise ValueError(f"Calibration needs {MIN_FACES} faces or more with an age. Received: {int(known.sum())}.")
    temperature = _age_temperature(axis, age_logits[known], age[known])
    distribution = softmax(age_logits[known], temperature)
    clipped = np.clip(age[known], axis.min_age, axis.max_age)
    # An age lies inside the central interval of mass m exactly if this score is at most m.
    scores = np.abs(2.0 * cumulative_at(axis, distribution, clipped) - 1.0)
    masses = {f"{coverage:g}": _conformal_quantile(scores, coverage) for coverage in coverages}
    labelled = np.isfinite(is_male)
    return Calibration(
        age_temperature=round(temperature, 4),
        gender_temperature=round(_gender_temperature(gender_logits[labelled], is_male[labelled]), 4),
        interval_mass=masses,
    )


def _age_temperature(axis: AgeAxis, logits: np.ndarray, age: np.ndarray) -> float:
    column = np.clip(np.round(age), axis.min_age, axis.max_age).astype(int) - axis.min_age
    rows = np.arange(len(column))
    losses = [-np.log(softmax(logits, t)[rows, column] + 1e-12).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def _gender_temperature(logits: np.ndarray, is_male: np.ndarray) -> float:
    if len(logits) < MIN_FACES:
        return 1.0
    signed = np.where(is_male > 0.5, logits, -logits).astype(np.float64)
    losses = [np.logaddexp(0.0, -signed / t).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def _conformal_quantile(scores: np.ndarray, coverage: float) -> float:
    """Return the split-conformal quantile (Vovk et al. 2005): rank ceil((n + 1) * coverage) of n scores."""
    rank = min(int(np.ceil((len(scores) + 1) * coverage)), len(scores))
    return round(float(np.clip(np.sort(scores)[rank - 1], 1e-4, 1.0 - 1e-4)), 5)
