from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asianage.data.crop_cache import CropCache
from asianage.data.records import FaceRecord
from asianage.models.ages import AgeAxis, age_interval, expected_age, softmax, target_distribution
from asianage.models.config import Calibration

pytest.importorskip("cv2")

from asianage.training.export import stretch

AXIS = AgeAxis()
FACES = 200


@pytest.fixture
def cache() -> CropCache:
    random = np.random.default_rng(0)
    ages = random.normal(40.0, 4.0, FACES).round()
    records = [FaceRecord(Path(f"{number}.jpg"), int(age), None, split="val") for number, age in enumerate(ages)]
    crops = random.integers(60, 80, (FACES, 96, 96, 3), dtype=np.uint8)
    crops[:, :, 48:] += 100
    return CropCache(records, crops, np.ones(FACES, bool), 96, 0)


def network(crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimate 40 years, and ten years more in the dark, as sure as ever."""
    dark = crops.mean(axis=(1, 2, 3)) < 32
    return np.log(target_distribution(AXIS, np.where(dark, 50.0, 40.0), 4.0) + 1e-9), np.zeros(len(crops))


def test_intervals_are_stretched_by_what_makes_estimates_worse(cache):
    calibration = Calibration(interval_mass={"0.9": 0.93})
    found = stretch.interval_stretch(network, cache, np.arange(FACES), AXIS, calibration)
    assert set(found) == set(stretch.CHANGES)
    assert found["dark"] > 1.8
    assert all(1.0 <= factor < 1.2 for warning, factor in found.items() if warning != "dark")


def test_the_stretched_intervals_have_the_coverage(cache):
    calibration = Calibration(interval_mass={"0.9": 0.93})
    factor = stretch.interval_stretch(network, cache, np.arange(FACES), AXIS, calibration)["dark"]
    logits, _ = network(np.zeros((FACES, 4, 4, 3)))
    distributions = softmax(logits)
    low, high = age_interval(AXIS, distributions, 0.93).T
    middle = expected_age(AXIS, distributions)
    age = np.array([record.age for record in cache.records])
    inside = (age >= middle - factor * (middle - low)) & (age <= middle + factor * (high - middle))
    assert 0.89 <= inside.mean() <= 0.94


def test_too_few_faces_stretch_nothing(cache):
    few = np.arange(stretch.MIN_FACES - 1)
    assert stretch.interval_stretch(network, cache, few, AXIS, Calibration()) == {}


def test_every_change_is_warned_of_or_certain(cache):
    random = np.random.default_rng(1)
    for warning, change in stretch.CHANGES.items():
        changed = [change(np.array(cache.inner(position)), random) for position in range(20)]
        assert all(crop.shape == (96, 96, 3) and crop.dtype == np.uint8 for crop in changed)
        if warning not in stretch.CERTAIN:
            assert any(stretch._is_warned(crop, warning) for crop in changed), warning


def test_the_data_set_that_needs_most_decides(cache):
    calibration = Calibration(interval_mass={"0.9": 0.93})
    records = [
        replace(record, dataset="far" if number % 2 else "near", age=record.age + 8.0 * (number % 2))
        for number, record in enumerate(cache.records)
    ]
    alone = [record if record.dataset == "far" else replace(record, age=None) for record in records]
    of_both, of_far, of_near = (
        stretch.interval_stretch(network, replace(cache, records=faces), np.arange(FACES), AXIS, calibration)["blurred"]
        for faces in (records, alone, cache.records)
    )
    assert of_far > 1.3 * of_near
    assert of_both == pytest.approx(of_far, rel=0.05)
