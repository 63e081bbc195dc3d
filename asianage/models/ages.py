"""The age axis: an age -> a target distribution; a distribution -> age, interval and P(age >= k).

Training and prediction use the same axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class AgeAxis:
    """Whole years from `min_age` to `max_age`, both included.

    An age of 20 is the year in which a person is 20 years old; as a number it is 20.0.
    """

    min_age: int = 0
    max_age: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.min_age < self.max_age:
            raise ValueError(
                f"An age axis needs 0 <= min_age < max_age. Received: min_age={self.min_age}, max_age={self.max_age}."
            )

    @property
    def num_ages(self) -> int:
        """Number of ages on the axis."""
        return self.max_age - self.min_age + 1

    @property
    def ages(self) -> np.ndarray:
        """float32 (num_ages,): the ages, in years."""
        return np.arange(self.min_age, self.max_age + 1, dtype=np.float32)


def target_distribution(axis: AgeAxis, age: np.ndarray, sigma: float) -> np.ndarray:
    """Encode ages as normal distributions over the axis (label distribution learning).

    Gao et al.: 'Deep Label Distribution Learning with Label Ambiguity', IEEE TIP 2017. The spread grows with the age
    until 18 years, where it reaches `sigma`: a year matters more at two than at thirty.

    Args:
        axis: The age axis; ages outside it count as its ends.
        age: float (n,), in years.
        sigma: Standard deviation for adults, in years; positive.

    Returns:
        float32 (n, num_ages), rows sum to 1.

    Raises:
        ValueError: An age is not finite, or `sigma` is not positive.
    """
    age = np.asarray(age, dtype=np.float64)
    if not (sigma > 0.0 and np.isfinite(age).all()):
        raise ValueError(f"`age` must be finite and `sigma` positive. Received: age={age.tolist()}, sigma={sigma}.")
    age = np.clip(age, axis.min_age, axis.max_age)[:, None]
    spread = sigma * np.minimum((age + 2.0) / 20.0, 1.0)
    exponent = -0.5 * ((axis.ages[None, :] - age) / spread) ** 2
    # The largest becomes 0: a small sigma then leaves the nearest age instead of nothing.
    distribution = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return (distribution / distribution.sum(axis=1, keepdims=True)).astype(np.float32)


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return the distributions of `logits`, float (n, num_ages), divided by a temperature; rows sum to 1."""
    scaled = np.asarray(logits, dtype=np.float32) / np.float32(temperature)
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def expected_age(axis: AgeAxis, distribution: np.ndarray) -> np.ndarray:
    """Return the mean age of distributions (n, num_ages), in years: float32 (n,)."""
    return _mean(axis.ages, distribution)


def median_age(axis: AgeAxis, distribution: np.ndarray) -> np.ndarray:
    """Return the age that half of each distribution (n, num_ages) lies below, in years: float32 (n,), on the axis."""
    edges = np.concatenate([axis.ages - 0.5, [axis.max_age + 0.5]])
    middle = _first_at_most_zero(edges, 0.5 - _cumulative(distribution))
    return np.clip(middle, axis.min_age, axis.max_age).astype(np.float32)


def estimated_age(axis: AgeAxis, distribution: np.ndarray, estimate: str) -> np.ndarray:
    """Return the age that stands for each distribution (n, num_ages), in years: float32 (n,).

    Args:
        axis: The age axis.
        distribution: float (n, num_ages), rows sum to 1.
        estimate: One of `ESTIMATES`.
    """
    return ESTIMATES[estimate](axis, distribution)


def probability_at_least(axis: AgeAxis, distribution: np.ndarray, age: float) -> np.ndarray:
    """Return P(age >= `age`) of distributions (n, num_ages): float32 (n,). A fraction of a year counts as a share."""
    share = np.clip(axis.ages + 1.0 - age, 0.0, 1.0)
    return np.clip(_mean(share, distribution), 0.0, 1.0)


def cumulative_at(axis: AgeAxis, distribution: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Return the share of each distribution below its age, with half of the age's own year.

    Args:
        axis: The age axis.
        distribution: float (n, num_ages), rows sum to 1.
        age: float (n,), in years.

    Returns:
        float64 (n,), in [0, 1].
    """
    edges = np.concatenate([axis.ages - 0.5, [axis.max_age + 0.5]])
    cumulative = _cumulative(distribution)
    return np.array([np.interp(value, edges, row) for value, row in zip(age, cumulative, strict=True)])


def central_interval(axis: AgeAxis, distribution: np.ndarray, mass: float | Sequence[float]) -> np.ndarray:
    """Return the first and the last age within the central `mass` of each distribution.

    Args:
        axis: The age axis.
        distribution: float (n, num_ages), rows sum to 1.
        mass: Probability inside, in (0, 1). Several numbers belong to evenly spaced ages, from one end of the axis to
            the other, and are interpolated linearly: each age then has a mass of its own.

    Returns:
        float32 (n, 2): lower and upper end, in years, within the axis.
    """
    edges = np.concatenate([axis.ages - 0.5, [axis.max_age + 0.5]])
    masses = np.atleast_1d(np.asarray(mass, dtype=np.float64))
    allowed = np.interp(edges, np.linspace(axis.min_age, axis.max_age, len(masses)), masses)
    outside = 2.0 * _cumulative(distribution) - 1.0
    low = _first_at_most_zero(edges, -outside - allowed)
    high = _first_at_most_zero(edges[::-1], (outside - allowed)[:, ::-1])
    return np.clip(np.stack([low, high], axis=1), axis.min_age, axis.max_age).astype(np.float32)


def age_interval(
    axis: AgeAxis, distribution: np.ndarray, mass: float | Sequence[float], estimate: str = "mean"
) -> np.ndarray:
    """Return the interval of an estimate: the central one, extended to the estimated age.

    The mean of a very skewed distribution may lie outside its central interval. Arguments and result are those of
    `central_interval` and `estimated_age`.
    """
    interval = central_interval(axis, distribution, mass)
    age = estimated_age(axis, distribution, estimate)
    return np.stack([np.minimum(interval[:, 0], age), np.maximum(interval[:, 1], age)], axis=1)


def stretched_interval(axis: AgeAxis, interval: np.ndarray, age: np.ndarray, factor: float | np.ndarray) -> np.ndarray:
    """Return intervals whose ends lie `factor` times as far from the age, within the axis.

    Args:
        axis: The age axis.
        interval: float (n, 2): lower and upper ends, in years.
        age: float (n,), in years.
        factor: 1 or more, for all or float (n,).

    Returns:
        float32 (n, 2).
    """
    middle, factors = np.asarray(age)[:, None], np.asarray(factor).reshape(-1, 1)
    stretched = np.clip(middle + factors * (interval - middle), axis.min_age, axis.max_age)
    return np.where(factors == 1.0, interval, stretched).astype(np.float32)


def _first_at_most_zero(positions: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return where rows of values (n, positions) first reach zero, interpolated linearly between positions."""
    index = np.argmax(values <= 0.0, axis=1)
    before = np.maximum(index - 1, 0)
    rows = np.arange(len(values))
    above, below = values[rows, before], values[rows, index]
    share = np.where(index > 0, above / np.where(index > 0, above - below, 1.0), 0.0)
    return positions[before] + share * (positions[index] - positions[before])


def _mean(values: np.ndarray, distribution: np.ndarray) -> np.ndarray:
    """Return the mean of values (num_ages,) under distributions (..., num_ages): float32 (...,).

    A product of matrices rounds a row of many otherwise than a row alone.
    """
    weighted = np.asarray(distribution, dtype=np.float64) * np.asarray(values, dtype=np.float64)
    return weighted.sum(axis=-1).astype(np.float32)


def _cumulative(distribution: np.ndarray) -> np.ndarray:
    total = np.cumsum(np.asarray(distribution, dtype=np.float64), axis=1)
    return np.concatenate([np.zeros((len(total), 1)), total / total[:, -1:]], axis=1)


ESTIMATES: Mapping[str, Callable[[AgeAxis, np.ndarray], np.ndarray]] = {"mean": expected_age, "median": median_age}
"""How one age stands for a distribution."""
