"""Calibrate a model that was trained further: what few new faces say, added to what many old ones said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asianage.models.ages import AgeAxis

PRIOR_FACES = 20
"""New faces that count as much as the calibration before."""

FEWEST_OF_A_GENDER = 10
"""Faces of each gender below which the temperature of the gender stays: women alone say nothing about men."""

YEARS_NEAR = 5.0
"""Distance within which a face speaks for an age."""


def shrunk_temperature(fitted: float, before: float, faces: int) -> float:
    """Return the geometric mean of two temperatures. The one before weighs as much as `PRIOR_FACES` faces."""
    share = faces / (faces + PRIOR_FACES)
    return float(fitted**share * before ** (1.0 - share))


def shrunk_masses(
    axis: AgeAxis,
    before: float | Sequence[float],
    knots: np.ndarray,
    age: np.ndarray,
    needed: np.ndarray,
) -> list[float]:
    """Return the interval masses of a model that was trained further, at evenly spaced ages.

    Args:
        axis: The age axis.
        before: Mass, or masses at evenly spaced ages, of the model before.
        knots: float (k,): ages of the masses, in years, from one end of the axis to the other.
        age: float (n,): ages of the new faces, in years.
        needed: float (k,): how much the mass of each knot must be larger than before, on the scale of `odds`.

    Returns:
        k masses. Where the new faces need wider intervals, they are wider at all ages. Where they need narrower ones,
        only ages become narrower that some of these faces have.
    """
    near = np.array([np.sum(np.abs(age - knot) <= YEARS_NEAR) for knot in knots])
    faces = np.where(needed > 0.0, len(age), near)
    moved = odds(mass_at(axis, before, knots)) + needed * faces / (faces + PRIOR_FACES)
    return list(1.0 / (1.0 + np.exp(-moved)))


def mass_at(axis: AgeAxis, mass: float | Sequence[float], age: np.ndarray) -> np.ndarray:
    """Return the interval mass at ages, interpolated between evenly spaced ones."""
    masses = np.atleast_1d(np.asarray(mass, dtype=np.float64))
    return np.interp(age, np.linspace(axis.min_age, axis.max_age, len(masses)), masses)


def odds(mass: np.ndarray) -> np.ndarray:
    """Return the logarithm of the odds of masses, in which a step means as much near 0 and 1 as in the middle."""
    inside = np.clip(mass, 1e-4, 1.0 - 1e-4)
    return np.log(inside / (1.0 - inside))
