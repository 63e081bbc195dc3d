from __future__ import annotations

import numpy as np
import pytest

from asianage.evaluation.age_groups import FEWEST_FACES, age_group_figures
from asianage.evaluation.metrics import LabeledPredictions


def grouped(groups, age, true_age=None) -> LabeledPredictions:
    low, high = np.array(groups, dtype=float).reshape(-1, 2).T
    count = len(low)
    return LabeledPredictions(
        true_age=np.full(count, np.nan) if true_age is None else np.array(true_age, dtype=float),
        age=np.array(age, dtype=float),
        age_interval=np.zeros((count, 2)),
        is_male=np.zeros(count),
        male_probability=np.zeros(count),
        detected=np.ones(count, dtype=bool),
        age_low=low,
        age_high=high,
    )


def test_the_last_year_of_a_group_counts_as_a_whole():
    # In, in, too old by a year, too young by five.
    faces = grouped([(10, 19)] * 3 + [(20, 29)], [10.0, 19.9, 21.0, 15.0])
    figures = age_group_figures(faces, bootstrap_samples=10)
    assert figures["faces_with_age_group"] == 4
    assert figures["age_group_accuracy"] == 0.5
    assert figures["age_group_accuracy_interval"] == pytest.approx([0.150036, 0.849964], abs=1e-5)
    assert (figures["age_group_too_old"], figures["age_group_too_young"]) == (0.25, 0.25)
    assert figures["years_outside_age_group"] == pytest.approx((1 + 5) / 4)
    low, high = figures["years_outside_age_group_interval"]
    assert 0 <= low <= 1.5 <= high <= 5


def test_the_mean_over_groups_leaves_out_small_ones():
    count = FEWEST_FACES
    groups = [(0, 9)] * count + [(10, 19)] * 2 * count + [(20, 29)] * (count - 1)
    ages = [5.0] * count + [12.0] * count + [25.0] * count + [50.0] * (count - 1)
    figures = age_group_figures(grouped(groups, ages), bootstrap_samples=10)
    assert figures["macro_age_group_accuracy"] == pytest.approx((1.0 + 0.5) / 2)
    small = age_group_figures(grouped([(0, 9)], [5.0]), bootstrap_samples=10)
    assert small["macro_age_group_accuracy"] is None


def test_groups_that_begin_with_the_same_year_are_two():
    groups, ages = [(60, 69)] * 10 + [(60, 120)] * 90, [50.0] * 10 + [65.0] * 90
    figures = age_group_figures(grouped(groups, ages), bootstrap_samples=10)
    assert figures["macro_age_group_accuracy"] == 1.0


def test_exact_and_unknown_ages_are_no_groups():
    nan = np.nan
    figures = age_group_figures(grouped([(20, 20), (nan, nan)], [20.0, 30.0], true_age=[20.0, nan]))
    assert figures.pop("faces_with_age_group") == 0
    assert set(figures.values()) == {None}


def test_a_group_is_younger_or_older_than_an_age_only_as_a_whole():
    faces = grouped([(10, 19), (20, 29), (17, 19)], [0.0] * 3)
    assert faces.below(20).tolist() == [True, False, True]
    assert faces.at_least(20).tolist() == [False, True, False]
    assert not (faces.below(18) | faces.at_least(18))[[0, 2]].any()
    # A known age counts more than its group.
    known = grouped([(10, 19)], [0.0], true_age=[17.5])
    assert known.below(18).tolist() == [True]
