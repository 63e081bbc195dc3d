"""How much wider the interval of a badly seen face must be, measured on validation crops that are made so."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from asianage.data.crop_cache import CropCache
from asianage.faces.quality import SMALL, face_quality
from asianage.models.ages import AgeAxis, age_interval, estimated_age, softmax
from asianage.models.config import Calibration

COVERAGE = 0.9
"""Coverage that the wider intervals have."""

FACES = 800
"""Faces that are changed, at most."""

MIN_FACES = 50
"""Faces with a warning that its factor needs."""

Network = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def interval_stretch(
    network: Network, cache: CropCache, val: np.ndarray, axis: AgeAxis, calibration: Calibration
) -> dict[str, float]:
    """Return warning -> factor by which an interval is stretched, so that it covers as often as that of a good face.

    The factor is the conformal quantile of the distance of the true age from the estimate, in units of the distance of
    the interval's end. Of data sets with `MIN_FACES` such faces, the one that needs most decides.

    Args:
        network: Crops -> age logits and gender logits, as a prediction runs it.
        cache: The crops.
        val: int (n,): positions of the validation faces.
        axis: The age axis.
        calibration: Temperatures and interval masses for good faces.
    """
    known = [position for position in val if cache.records[position].age is not None]
    random = np.random.default_rng(0)
    chosen = random.permutation(known)[:FACES]
    factors = {}
    for warning, change in CHANGES.items():
        crops = [change(np.array(cache.inner(position)), random) for position in chosen]
        warned = [number for number, crop in enumerate(crops) if warning in CERTAIN or _is_warned(crop, warning)]
        if len(warned) < MIN_FACES:
            continue
        age = np.array([cache.records[chosen[number]].age for number in warned], dtype=np.float64)
        logits, _ = network(np.stack([crops[number] for number in warned]))
        distributions = softmax(logits, calibration.age_temperature)
        datasets = np.array([cache.records[chosen[number]].dataset for number in warned])
        parts = [datasets == name for name in set(datasets)]
        parts = [part for part in parts if part.sum() >= MIN_FACES] or [np.ones(len(warned), dtype=bool)]
        factors[warning] = max(_factor(axis, distributions[part], age[part], calibration) for part in parts)
    return factors


def _factor(axis: AgeAxis, distributions: np.ndarray, age: np.ndarray, calibration: Calibration) -> float:
    estimated = estimated_age(axis, distributions, calibration.age_estimate)
    mass = calibration.mass_of(COVERAGE)
    low, high = age_interval(axis, distributions, mass, calibration.age_estimate).T
    reach = np.where(age < estimated, estimated - low, high - estimated)
    distance = np.abs(np.clip(age, axis.min_age, axis.max_age) - estimated) / np.maximum(reach, 0.1)
    rank = min(int(np.ceil((len(age) + 1) * COVERAGE)), len(age))
    return round(float(np.clip(np.sort(distance)[rank - 1], 1.0, 10.0)), 3)


def _is_warned(crop: np.ndarray, warning: str) -> bool:
    side = float(len(crop))
    return warning in face_quality(crop, (0.0, 0.0, side, side), None).warnings


def _darkened(crop: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return (crop * random.uniform(0.08, 0.3)).round().astype(np.uint8)


def _brightened(crop: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return (crop * random.uniform(1.6, 3.0)).round().clip(0, 255).astype(np.uint8)


def _blurred(crop: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), len(crop) * random.uniform(0.02, 0.05)))


def _shrunk(crop: np.ndarray, random: np.random.Generator) -> np.ndarray:
    side = int(random.uniform(SMALL / 2, SMALL))
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, crop.shape[:2], interpolation=cv2.INTER_LINEAR))


def _cut_off(crop: np.ndarray, random: np.random.Generator) -> np.ndarray:
    kept = int(len(crop) * random.uniform(0.65, 0.85))
    crop[kept:] = crop[kept - 1]
    return crop


CHANGES: dict[str, Change] = {
    "cut off": _cut_off,
    "small": _shrunk,
    "dark": _darkened,
    "overexposed": _brightened,
    "blurred": _blurred,
}
"""Warning -> what makes a crop deserve it."""

CERTAIN = frozenset({"cut off", "small"})
"""Warnings that depend on the photo: a crop that was changed for them would have them."""
