"""From logits on validation data to temperatures, and to intervals of a stated coverage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asianage.models.ages import AgeAxis, cumulative_at, softmax
from asianage.models.config import Calibration
from asianage.training.export.shrinkage import (
    FEWEST_OF_A_GENDER,
    mass_at,
    odds,
    shrunk_masses,
    shrunk_temperature,
)

COVERAGES = (0.5, 0.8, 0.9, 0.95)
"""Coverages that have an interval mass in config.json."""

MIN_FACES = 20
"""Faces with an age that a calibration needs."""

FACES_BY_AGE = 300
"""Faces with an age from which on intervals are calibrated age by age."""

YEARS_BETWEEN = 5
"""Distance between ages that have an interval mass of their own."""

_BANDWIDTH = 3.0
_FACES_NEAR = 40

_TEMPERATURES = np.exp(np.linspace(np.log(0.25), np.log(4.0), 161))


def calibrate(
    axis: AgeAxis,
    age_logits: np.ndarray,
    gender_logits: np.ndarray,
    age: np.ndarray,
    is_male: np.ndarray,
    *,
    coverages: Sequence[float] = COVERAGES,
    before: Calibration | None = None,
) -> Calibration:
    """Fit temperatures (Guo et al., ICML 2017) and conformal interval masses on validation faces.

    With enough faces the masses are label-conditional (Vovk, 'Conditional validity of inductive conformal predictors',
    ACML 2012): every age has the mass that reaches the coverage among people of about that age. One mass for all ages
    reaches it on average only, and covers too few of those whom the model estimates worse.

    Args:
        axis: The age axis.
        age_logits: float (n, num_ages).
        gender_logits: float (n,), positive for male.
        age: float (n,), in years; NaN if unknown.
        is_male: float (n,), 1 or 0; NaN if unknown.
        coverages: Coverages of the intervals, in (0, 1).
        before: Calibration of the model that was trained further. The fewer the faces are, the more of it stays.

    Raises:
        ValueError: Fewer than `MIN_FACES` faces with an age.
    """
    known = np.isfinite(age)
    if known.sum() < MIN_FACES:
        raise ValueError(f"Calibration needs {MIN_FACES} faces or more with an age. Received: {int(known.sum())}.")
    temperature = _age_temperature(axis, age_logits[known], age[known])
    if before is not None:
        shrunk = shrunk_temperature(temperature, before.age_temperature, int(known.sum()))
        # A lower one would narrow the intervals of all ages. Where faces are near, their masses do.
        temperature = max(shrunk, before.age_temperature)
    distribution = softmax(age_logits[known], temperature)
    clipped = np.clip(age[known], axis.min_age, axis.max_age)
    # An age lies inside the central interval of mass m exactly if this score is at most m.
    scores = np.abs(2.0 * cumulative_at(axis, distribution, clipped) - 1.0)
    masses: dict[str, float | list[float]] = {}
    for coverage in coverages:
        former = None if before is None else before.interval_mass.get(f"{coverage:g}")
        masses[f"{coverage:g}"] = _masses(axis, clipped, scores, coverage, former)
    return Calibration(
        age_temperature=round(temperature, 4),
        gender_temperature=round(_gender_temperature(gender_logits, is_male, before), 4),
        interval_mass=masses,
    )


def _age_temperature(axis: AgeAxis, logits: np.ndarray, age: np.ndarray) -> float:
    column = np.clip(np.round(age), axis.min_age, axis.max_age).astype(int) - axis.min_age
    rows = np.arange(len(column))
    losses = [-np.log(softmax(logits, t)[rows, column] + 1e-12).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def _gender_temperature(logits: np.ndarray, is_male: np.ndarray, before: Calibration | None) -> float:
    labeled = np.isfinite(is_male)
    of_each = min(np.sum(is_male == 1.0), np.sum(is_male == 0.0))
    if labeled.sum() < MIN_FACES or (before is not None and of_each < FEWEST_OF_A_GENDER):
        return 1.0 if before is None else before.gender_temperature
    signed = np.where(is_male > 0.5, logits, -logits)[labeled].astype(np.float64)
    losses = [np.logaddexp(0.0, -signed / t).mean() for t in _TEMPERATURES]
    fitted = float(_TEMPERATURES[int(np.argmin(losses))])
    return fitted if before is None else shrunk_temperature(fitted, before.gender_temperature, int(labeled.sum()))


def _masses(
    axis: AgeAxis, age: np.ndarray, scores: np.ndarray, coverage: float, before: float | Sequence[float] | None
) -> float | list[float]:
    """Return one mass for all ages, or with enough faces, or masses before, one for each of evenly spaced ages."""
    by_age = len(scores) >= FACES_BY_AGE
    if before is None:
        if by_age:
            return [_inside(mass) for mass in _quantiles_by_age(axis, age, scores, coverage)]
        return _inside(_conformal_quantile(scores, coverage))
    # The step from the mass before to the one that a face needs.
    steps = odds(scores) - odds(mass_at(axis, before, age))
    knots = _knots(axis)
    needed = (
        _quantiles_by_age(axis, age, steps, coverage)
        if by_age
        else np.full(len(knots), _conformal_quantile(steps, coverage))
    )
    return [_inside(mass) for mass in shrunk_masses(axis, before, knots, age, needed)]


def _conformal_quantile(scores: np.ndarray, coverage: float) -> float:
    """Return the split-conformal quantile (Vovk et al. 2005): rank ceil((n + 1) * coverage) of n scores."""
    rank = min(int(np.ceil((len(scores) + 1) * coverage)), len(scores))
    return float(np.sort(scores)[rank - 1])


def _quantiles_by_age(axis: AgeAxis, age: np.ndarray, scores: np.ndarray, coverage: float) -> np.ndarray:
    """Return conformal quantiles at the knots, each from faces near that age.

    A face weighs less the further its age is away, by a normal distribution, which is wider where few faces are near.
    """
    order = np.argsort(scores)
    quantiles = []
    for knot in _knots(axis):
        distance = np.abs(age - knot)
        bandwidth = max(_BANDWIDTH, float(np.sort(distance)[min(_FACES_NEAR, len(age)) - 1]))
        weights = np.exp(-0.5 * (distance / bandwidth) ** 2)[order]
        # The face to be predicted counts too, as one of exactly that age.
        reached = np.searchsorted(np.cumsum(weights), coverage * (weights.sum() + 1.0))
        quantiles.append(float(scores[order[min(int(reached), len(scores) - 1)]]))
    return np.array(quantiles)


def _knots(axis: AgeAxis) -> np.ndarray:
    """Return the ages that have an interval mass of their own, from one end of the axis to the other."""
    return np.linspace(axis.min_age, axis.max_age, round((axis.max_age - axis.min_age) / YEARS_BETWEEN) + 1)


def _inside(score: float) -> float:
    return round(float(np.clip(score, 1e-4, 1.0 - 1e-4)), 5)
