"""Figures of merit of age and gender estimates: NumPy in, plain numbers out.

Errors are in years, shares in [0, 1]. A figure without labels to compute it from is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from asianage.data.special_figures import AgeRange
from asianage.models.config import GENDERS

CUMULATIVE_YEARS = (1, 3, 5, 7)
"""Years k of the cumulative scores CS@k."""

CONFIDENCE_LEVEL = 0.95
"""Level of the intervals of figures: the bootstrap's of the MAE, Wilson's of shares."""

CALIBRATION_BINS = 10
"""Bins of the confidence in a gender, between 0.5 and 1."""

# Resampled faces that lie in memory at once: 32 MB of positions.
_RESAMPLED_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LabeledPredictions:
    """Labels and estimates of n faces, side by side.

    Attributes:
        true_age: float64 (n,), in years; NaN if unknown.
        age: float64 (n,): the estimate, in years.
        age_interval: float64 (n, 2): lower and upper end, in years.
        is_male: float64 (n,), 1 or 0; NaN if unknown.
        male_probability: float64 (n,), in [0, 1].
        detected: bool (n,): False where the whole picture was taken as the face.
        age_low: float64 (n,): first year of the age group; the age itself where there is none; NaN if unknown.
        age_high: float64 (n,): last year of the age group, included.
    """

    true_age: np.ndarray
    age: np.ndarray
    age_interval: np.ndarray
    is_male: np.ndarray
    male_probability: np.ndarray
    detected: np.ndarray
    age_low: np.ndarray
    age_high: np.ndarray

    def __len__(self) -> int:
        return len(self.age)

    def at_least(self, age: float) -> np.ndarray:
        """Return bool (n,): who is known to be `age` or older."""
        return np.where(np.isfinite(self.true_age), self.true_age, self.age_low) >= age

    def below(self, age: float) -> np.ndarray:
        """Return bool (n,): who is known to be younger than `age`."""
        return np.where(np.isfinite(self.true_age), self.true_age, self.age_high) < age

    def aged(self, first: float, last: float) -> np.ndarray:
        """Return bool (n,): who is known to be `first` to `last` years old; the last year counts as a whole."""
        return self.at_least(first) & self.below(last + 1)

    def take(self, rows: np.ndarray | list[int]) -> LabeledPredictions:
        """Return the faces at `rows`, positions int (m,) or a mask bool (n,)."""
        return LabeledPredictions(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def summarize(faces: LabeledPredictions, *, bootstrap_samples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Return every figure of a set of faces by name; a face counts where it has the label."""
    aged = faces.take(np.isfinite(faces.true_age))
    gendered = faces.take(np.isfinite(faces.is_male))
    return {
        "faces": len(faces),
        "faces_with_age": len(aged),
        "faces_with_gender": len(gendered),
        "detection_failures": int(np.count_nonzero(~faces.detected)),
        **_age_figures(aged, bootstrap_samples, seed),
        **_gender_figures(gendered),
    }


def errors_by_age(true_age: np.ndarray, error: np.ndarray) -> dict[int, float]:
    """Return the MAE at each whole age that occurs, youngest first; a fraction of a year is dropped from the age."""
    whole = np.floor(true_age).astype(int)
    return {int(age): float(np.mean(np.abs(error[whole == age]))) for age in np.unique(whole)}


def values_near_age(age: np.ndarray, value: np.ndarray, reach: int, at_least: int = 1) -> dict[int, np.ndarray]:
    """Collect the values of faces of about the same age, so that ages with few faces do not make a curve jump.

    Args:
        age: float (n,), in years.
        value: float (n,).
        reach: Faces up to this many years younger or older count as well.
        at_least: Ages with fewer faces around them are left out.

    Returns:
        Whole age -> values of the faces around it, float (k,); youngest first.
    """
    whole = np.floor(age).astype(int)
    near = {int(center): value[np.abs(whole - center) <= reach] for center in np.unique(whole)}
    return {center: values for center, values in near.items() if len(values) >= at_least}


def wilson_interval(hits: int, faces: int) -> tuple[float, float]:
    """Return the 95 % interval of the share `hits` / `faces` (Wilson 1927); `faces` must be 1 or more."""
    z = 1.959964  # of CONFIDENCE_LEVEL
    center = (hits + z**2 / 2) / (faces + z**2)
    reach = z / (faces + z**2) * np.sqrt(hits * (faces - hits) / faces + z**2 / 4)
    return float(max(center - reach, 0.0)), float(min(center + reach, 1.0))


def age_range_figures(faces: LabeledPredictions, ages: AgeRange) -> dict[str, Any]:
    """Return the number of faces in an age range, and the figures that it is measured by, each with its name."""
    inside = faces.take(faces.at_least(ages.first) & faces.below(ages.end))
    needed = inside.is_male if ages.figures[0] == "gender_accuracy" else inside.true_age
    inside = inside.take(np.isfinite(needed))
    figures = {"mae": _mae, "gender_accuracy": _gender_accuracy}
    measured = {f"{name}_{ages.name}": figures[name](inside) for name in ages.figures}
    return {f"faces_{ages.name}": len(inside), **measured}


def naturally_weighted(faces: LabeledPredictions, counts: Mapping[int, int]) -> dict[str, Any]:
    """Return the MAE with every age weighted by its number of faces in a population, and the share that it covers.

    Args:
        faces: Faces with and without an age.
        counts: Age -> number of faces in the population; only ages with a measured error count.
    """
    aged = faces.take(np.isfinite(faces.true_age))
    measured = errors_by_age(aged.true_age, aged.age - aged.true_age)
    weights = {age: count for age, count in counts.items() if age in measured}
    weight = sum(weights.values())
    error = sum(count * measured[age] for age, count in weights.items()) / weight if weight else None
    return {
        f"mae_natural_{min(counts)}_{max(counts)}": error,
        "natural_share_covered": weight / sum(counts.values()),
    }


def bootstrap_interval(values: np.ndarray, *, samples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Return the percentile bootstrap interval (Efron and Tibshirani 1993) of the mean of `values`, float (n,).

    Args:
        values: One value per face, for instance its absolute error.
        samples: Number of samples of n faces, drawn with replacement.
        seed: Seed of the draws.
    """
    random = np.random.default_rng(seed)
    means = np.empty(samples)
    step = max(1, _RESAMPLED_AT_ONCE // len(values))
    for start in range(0, samples, step):
        count = min(step, samples - start)
        means[start : start + count] = values[random.integers(0, len(values), (count, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [(1.0 - CONFIDENCE_LEVEL) / 2.0, (1.0 + CONFIDENCE_LEVEL) / 2.0])
    return float(low), float(high)


def confusion_matrix(is_male: np.ndarray, predicted_male: np.ndarray) -> np.ndarray:
    """Return int64 (2, 2): counts by true gender (row) and predicted gender (column), in the order of `GENDERS`."""
    cell = 2 * np.asarray(is_male, dtype=int) + np.asarray(predicted_male, dtype=int)
    return np.bincount(cell, minlength=4).reshape(2, 2)


def calibration_bins(
    confidence: np.ndarray, right: np.ndarray, bins: int = CALIBRATION_BINS, *, lowest: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group faces by confidence, in `bins` bins of equal width between `lowest` and 1.

    Args:
        confidence: float (n,), in [lowest, 1]: probability of what is predicted, for instance of a gender.
        right: bool (n,): whether the prediction is right.
        bins: Number of bins.
        lowest: Where the first bin begins.

    Returns:
        Mean confidence float (bins,), share of right predictions float (bins,), faces int (bins,); NaN in empty bins.
    """
    column = np.clip(((confidence - lowest) / (1.0 - lowest) * bins).astype(int), 0, bins - 1)
    counts = np.bincount(column, minlength=bins)
    total = np.where(counts > 0, counts, np.nan)
    mean_confidence = np.bincount(column, weights=confidence, minlength=bins) / total
    share_right = np.bincount(column, weights=np.asarray(right, dtype=float), minlength=bins) / total
    return mean_confidence, share_right, counts


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """Return the expected calibration error (Guo et al., ICML 2017): mean gap of confidence and accuracy over faces."""
    return calibration_gap(*calibration_bins(confidence, right, bins))


def calibration_gap(mean_confidence: np.ndarray, share_right: np.ndarray, counts: np.ndarray) -> float:
    """Return the mean gap of confidence and accuracy over faces, of what `calibration_bins` returns."""
    filled = counts > 0
    gaps = np.abs(mean_confidence[filled] - share_right[filled])
    return float(np.sum(gaps * counts[filled]) / np.sum(counts))


def _age_figures(faces: LabeledPredictions, bootstrap_samples: int, seed: int) -> dict[str, Any]:
    names = ["mae", "mae_interval", "rmse", "bias", *(f"cs_at_{years}" for years in CUMULATIVE_YEARS)]
    if not len(faces):
        names += ["macro_mae", "interval_coverage", "interval_coverage_interval", "interval_mean_width"]
        return dict.fromkeys(names)
    error = faces.age - faces.true_age
    low, high = faces.age_interval.T
    inside = (low <= faces.true_age) & (faces.true_age <= high)
    return {
        "mae": float(np.mean(np.abs(error))),
        "mae_interval": list(bootstrap_interval(np.abs(error), samples=bootstrap_samples, seed=seed)),
        "rmse": float(np.sqrt(np.mean(np.square(error)))),
        "bias": float(np.mean(error)),
        **{f"cs_at_{years}": float(np.mean(np.abs(error) <= years)) for years in CUMULATIVE_YEARS},
        "macro_mae": float(np.mean(list(errors_by_age(faces.true_age, error).values()))),
        "interval_coverage": float(np.mean(inside)),
        "interval_coverage_interval": list(wilson_interval(int(inside.sum()), len(faces))),
        "interval_mean_width": float(np.mean(high - low)),
    }


def _gender_figures(faces: LabeledPredictions) -> dict[str, Any]:
    predicted_male = faces.male_probability > 0.5
    right = predicted_male == (faces.is_male > 0.5)
    matrix = confusion_matrix(faces.is_male, predicted_male)
    recall = [_share(matrix[i, i], matrix[i].sum()) for i in range(2)]
    precision = [_share(matrix[i, i], matrix[:, i].sum()) for i in range(2)]
    both = [value for value in recall if value is not None]
    confidence = np.maximum(faces.male_probability, 1.0 - faces.male_probability)
    return {
        "gender_accuracy": float(np.mean(right)) if len(faces) else None,
        "gender_accuracy_interval": list(wilson_interval(int(right.sum()), len(faces))) if len(faces) else None,
        "gender_balanced_accuracy": sum(both) / 2.0 if len(both) == 2 else None,
        "gender_precision": dict(zip(GENDERS, precision, strict=True)),
        "gender_recall": dict(zip(GENDERS, recall, strict=True)),
        "gender_confusion": {
            true: dict(zip(GENDERS, row, strict=True)) for true, row in zip(GENDERS, matrix.tolist(), strict=True)
        },
        "gender_calibration_error": expected_calibration_error(confidence, right) if len(faces) else None,
    }


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _mae(faces: LabeledPredictions) -> float | None:
    faces = faces.take(np.isfinite(faces.true_age))
    return float(np.mean(np.abs(faces.age - faces.true_age))) if len(faces) else None


def _gender_accuracy(faces: LabeledPredictions) -> float | None:
    faces = faces.take(np.isfinite(faces.is_male))
    return float(np.mean((faces.male_probability > 0.5) == (faces.is_male > 0.5))) if len(faces) else None
