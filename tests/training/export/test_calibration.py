from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.models.ages import AgeAxis, central_interval, softmax, target_distribution
from asianage.models.config import Calibration
from asianage.training.export.calibration import calibrate

AXIS = AgeAxis()


def overconfident(count: int, seed: int, sharpness: float = 4.0):
    """Return logits with a spread of 4 / sqrt(sharpness) years around errors of 4 years, and the true ages."""
    random = np.random.default_rng(seed)
    age = random.integers(20, 80, count).astype(float)
    center = age + random.normal(0, 4, count)
    logits = -0.5 * ((AXIS.ages[None, :] - center[:, None]) / 4.0) ** 2 * sharpness
    return logits, age


def unknown(count: int) -> np.ndarray:
    return np.full(count, np.nan)


def test_the_temperature_undoes_overconfidence():
    logits, age = overconfident(3000, 0)
    calibration = calibrate(AXIS, logits, np.zeros(3000), age, unknown(3000))
    assert calibration.age_temperature == pytest.approx(4.0, rel=0.1)
    assert calibration.gender_temperature == 1.0


def test_intervals_reach_their_coverage_on_other_faces():
    logits, age = overconfident(2000, 1)
    calibration = calibrate(AXIS, logits, np.zeros(2000), age, unknown(2000))
    logits, age = overconfident(4000, 2)
    distribution = softmax(logits, calibration.age_temperature)
    for coverage, mass in calibration.interval_mass.items():
        low, high = central_interval(AXIS, distribution, mass).T
        assert np.mean((low <= age) & (age <= high)) == pytest.approx(float(coverage), abs=0.025)


def test_intervals_reach_their_coverage_even_when_the_distribution_has_the_wrong_shape():
    random = np.random.default_rng(3)
    age = random.integers(30, 60, 4000).astype(float)
    center = age + random.standard_t(2, 4000) * 3
    logits = -np.abs(AXIS.ages[None, :] - center[:, None])
    calibration = calibrate(AXIS, logits[:2000], np.zeros(2000), age[:2000], unknown(2000))
    distribution = softmax(logits[2000:], calibration.age_temperature)
    low, high = central_interval(AXIS, distribution, calibration.interval_mass["0.9"]).T
    assert np.mean((low <= age[2000:]) & (age[2000:] <= high)) == pytest.approx(0.9, abs=0.025)


def regressing(count: int, seed: int):
    """Return logits of a model that draws everybody over 50 ten years towards the middle, and the true ages."""
    random = np.random.default_rng(seed)
    age = np.where(random.random(count) < 0.85, random.integers(20, 50, count), random.integers(50, 70, count))
    center = age - 10.0 * (age >= 50) + random.normal(0, 3, count)
    return -0.5 * ((AXIS.ages[None, :] - center[:, None]) / 4.0) ** 2, age.astype(float)


def test_intervals_cover_those_too_whom_the_model_estimates_worse():
    logits, age = regressing(3000, 8)
    calibration = calibrate(AXIS, logits, np.zeros(3000), age, unknown(3000))
    logits, age = regressing(6000, 9)
    distribution = softmax(logits, calibration.age_temperature)
    covered = {}
    for name, mass in (("by age", calibration.interval_mass["0.9"]), ("one", 0.9)):
        low, high = central_interval(AXIS, distribution, mass).T
        covered[name] = np.mean(((low <= age) & (age <= high))[age >= 55])
    assert covered["by age"] == pytest.approx(0.9, abs=0.05)
    assert covered["one"] < 0.75


def test_intervals_of_more_coverage_contain_those_of_less():
    logits, age = regressing(600, 10)
    masses = calibrate(AXIS, logits, np.zeros(600), age, unknown(600)).interval_mass
    assert (np.diff([masses[name] for name in ("0.5", "0.8", "0.9", "0.95")], axis=0) >= 0).all()


def test_few_faces_share_one_mass():
    logits, age = overconfident(299, 11)
    masses = calibrate(AXIS, logits, np.zeros(299), age, unknown(299)).interval_mass
    assert all(isinstance(mass, float) for mass in masses.values())


def test_the_gender_temperature_undoes_overconfidence():
    random = np.random.default_rng(4)
    logits = random.normal(0, 2, 5000)
    is_male = (random.random(5000) < 1 / (1 + np.exp(-logits))).astype(float)
    ages, age = overconfident(5000, 5)
    age[20:] = np.nan
    calibration = calibrate(AXIS, ages, 3 * logits, age, is_male)
    assert calibration.gender_temperature == pytest.approx(3.0, rel=0.1)


def test_too_few_faces_are_refused():
    logits, age = overconfident(19, 6)
    with pytest.raises(ValueError, match="20 faces"):
        calibrate(AXIS, logits, np.zeros(19), age, unknown(19))


def covered(calibration, logits, age) -> np.ndarray:
    low, high = central_interval(AXIS, softmax(logits, calibration.age_temperature), calibration.interval_mass["0.9"]).T
    return (low <= age) & (age <= high)


def test_few_faces_shift_the_intervals_of_the_model_before_and_keep_their_shape():
    logits, age = regressing(4000, 5)
    before = calibrate(AXIS, logits, np.zeros(4000), age, unknown(4000))
    logits, age = regressing(50, 6)
    after = calibrate(AXIS, logits, np.zeros(50), age, unknown(50), before=before)
    alone = calibrate(AXIS, logits, np.zeros(50), age, unknown(50))
    logits, age = regressing(8000, 7)
    old = age >= 50
    assert len(after.interval_mass["0.9"]) == 21
    assert covered(after, logits, age)[old].mean() == pytest.approx(0.9, abs=0.05)
    assert covered(alone, logits, age)[old].mean() < 0.8


def test_faces_of_one_gender_leave_its_temperature_as_it_was():
    before = Calibration(gender_temperature=2.5)
    logits, age = overconfident(60, 8)
    women = calibrate(AXIS, logits, np.full(60, -9.0), age, np.zeros(60), before=before)
    assert women.gender_temperature == 2.5
    both = calibrate(AXIS, logits, np.full(60, -9.0), age, np.arange(60) % 2.0, before=before)
    assert both.gender_temperature > 2.5


def test_faces_of_some_ages_do_not_narrow_the_intervals_of_others():
    logits, age = regressing(4000, 5)
    before = calibrate(AXIS, logits, np.zeros(4000), age, unknown(4000))
    logits, age = regressing(4000, 6)
    young = np.flatnonzero((age >= 20) & (age < 30))[:60]
    # As sure as they are right: their temperature is low.
    sure = logits[young] + 4.0 * target_distribution(AXIS, age[young], 2.0)
    after = calibrate(AXIS, sure, np.zeros(60), age[young], unknown(60), before=before)
    assert after.age_temperature >= before.age_temperature
    old = age >= 60
    assert covered(after, logits, age)[old].mean() >= covered(before, logits, age)[old].mean() - 0.01
