from __future__ import annotations

import math

import numpy as np
import pytest

from asianage.data.special_figures import AgeRange
from asianage.evaluation import metrics
from asianage.evaluation.metrics import LabeledPredictions, summarize


def predictions(true_age, age, is_male, male_probability, reach=2.0, detected=None):
    age = np.array(age, dtype=float)
    return LabeledPredictions(
        true_age=np.array(true_age, dtype=float),
        age=age,
        age_interval=np.stack([age - reach, age + reach], axis=1),
        is_male=np.array(is_male, dtype=float),
        male_probability=np.array(male_probability, dtype=float),
        detected=np.ones(len(age), dtype=bool) if detected is None else np.array(detected),
        age_low=np.array(true_age, dtype=float),
        age_high=np.array(true_age, dtype=float),
    )


# Errors: +1, -3, 0, +8; genders: right, wrong, right, right.
FOUR = predictions([20, 20, 30, 40], [21, 17, 30, 48], [1, 1, 0, 0], [0.9, 0.2, 0.3, 0.4])


def test_age_figures_are_those_computed_by_hand():
    figures = summarize(FOUR)
    assert figures["mae"] == pytest.approx(3.0)
    assert figures["bias"] == pytest.approx(1.5)
    assert figures["rmse"] == pytest.approx(math.sqrt((1 + 9 + 0 + 64) / 4))
    assert [figures[f"cs_at_{years}"] for years in (1, 3, 5, 7)] == [0.5, 0.75, 0.75, 0.75]
    assert figures["macro_mae"] == pytest.approx((2 + 0 + 8) / 3)
    assert figures["interval_coverage"] == 0.5
    assert figures["interval_coverage_interval"] == pytest.approx([0.150036, 0.849964], abs=1e-5)
    assert figures["interval_mean_width"] == pytest.approx(4.0)


def test_gender_figures_are_those_computed_by_hand():
    figures = summarize(FOUR)
    assert figures["gender_accuracy"] == 0.75
    assert figures["gender_accuracy_interval"] == pytest.approx([0.300642, 0.954414], abs=1e-5)
    assert figures["gender_balanced_accuracy"] == pytest.approx((1.0 + 0.5) / 2)
    assert figures["gender_recall"] == {"female": 1.0, "male": 0.5}
    assert figures["gender_precision"] == {"female": pytest.approx(2 / 3), "male": 1.0}
    assert figures["gender_confusion"] == {"female": {"female": 2, "male": 0}, "male": {"female": 1, "male": 1}}
    # Four bins with one face each: confidence 0.9 right, 0.8 wrong, 0.7 right, 0.6 right.
    assert figures["gender_calibration_error"] == pytest.approx((0.1 + 0.8 + 0.3 + 0.4) / 4)


def test_the_studys_confusion_matrix_gives_the_studys_figures():
    counts = {(0, 0.0): 11930, (0, 1.0): 804, (1, 1.0): 18634, (1, 0.0): 1515}
    is_male = np.repeat([true for true, _ in counts], list(counts.values()))
    probability = np.repeat([predicted for _, predicted in counts], list(counts.values()))
    unknown = np.full(len(is_male), np.nan)
    figures = summarize(predictions(unknown, np.full(len(is_male), 25.0), is_male, probability))
    assert round(figures["gender_accuracy"], 2) == 0.93
    assert round(figures["gender_precision"]["male"], 2) == 0.96
    assert round(figures["gender_precision"]["female"], 2) == 0.89


def test_rows_count_only_where_they_have_a_label():
    nan = math.nan
    faces = predictions([20, nan, 30], [22, 99, 30], [nan, 0, 1], [0.1, 0.1, 0.1], detected=[True, False, True])
    figures = summarize(faces)
    assert (figures["faces"], figures["faces_with_age"], figures["faces_with_gender"]) == (3, 2, 2)
    assert figures["detection_failures"] == 1
    assert figures["mae"] == pytest.approx(1.0)
    assert figures["gender_accuracy"] == 0.5


def test_figures_without_labels_are_none_and_not_nan():
    nothing = predictions([], [], [], []).take(np.array([], dtype=int))
    figures = summarize(nothing)
    assert figures["faces"] == 0
    names = ("mae", "mae_interval", "rmse", "bias", "cs_at_5", "macro_mae", "interval_coverage", "gender_accuracy")
    for name in (*names, "interval_coverage_interval", "gender_accuracy_interval"):
        assert figures[name] is None
    assert figures["gender_precision"] == {"female": None, "male": None}
    assert figures["gender_confusion"]["male"] == {"female": 0, "male": 0}


def test_balanced_accuracy_needs_both_genders():
    figures = summarize(predictions([20, 30], [20, 30], [1, 1], [0.9, 0.1]))
    assert figures["gender_balanced_accuracy"] is None
    assert figures["gender_recall"] == {"female": None, "male": 0.5}
    assert figures["gender_precision"] == {"female": 0.0, "male": 1.0}


def test_an_even_probability_counts_as_female_as_in_the_estimator():
    figures = summarize(predictions([20], [20], [0], [0.5]))
    assert figures["gender_accuracy"] == 1.0


def test_an_error_of_exactly_k_years_is_inside_the_cumulative_score():
    faces = predictions([30.0, 30.0, 30.0], [35.0, 25.0, 35.01], [1, 1, 1], [0.9] * 3)
    assert summarize(faces)["cs_at_5"] == pytest.approx(2 / 3)


def test_the_ends_belong_to_the_interval():
    faces = predictions([22, 18, 22.1], [20, 20, 20], [1, 1, 1], [0.9] * 3)
    assert summarize(faces)["interval_coverage"] == pytest.approx(2 / 3)


def test_the_bootstrap_interval_of_a_large_sample_is_that_of_the_normal_distribution():
    values = np.random.default_rng(3).exponential(4.0, 2000)
    low, high = metrics.bootstrap_interval(values, samples=4000, seed=1)
    reach = 1.96 * values.std() / math.sqrt(len(values))
    assert low == pytest.approx(values.mean() - reach, abs=0.02)
    assert high == pytest.approx(values.mean() + reach, abs=0.02)


def test_the_bootstrap_is_decided_by_its_seed_and_not_by_its_chunks(monkeypatch):
    values = np.random.default_rng(0).normal(size=50)
    whole = metrics.bootstrap_interval(values, samples=100, seed=7)
    assert metrics.bootstrap_interval(values, samples=100, seed=8) != whole
    monkeypatch.setattr(metrics, "_RESAMPLED_AT_ONCE", 51)
    assert metrics.bootstrap_interval(values, samples=100, seed=7) == whole


def test_errors_by_age_drop_the_fraction_of_an_age():
    errors = metrics.errors_by_age(np.array([31.9, 20.0, 20.7]), np.array([4.0, -1.0, 3.0]))
    assert errors == {20: 2.0, 31: 4.0}
    assert list(errors) == [20, 31]


def test_the_weighted_error_counts_only_ages_that_both_have():
    faces = predictions([20, 21, 50, np.nan], [22, 27, 150, 30], [1] * 4, [0.9] * 4)
    figures = metrics.naturally_weighted(faces, {20: 300, 21: 100, 22: 400})
    assert figures["mae_natural_20_22"] == pytest.approx((300 * 2 + 100 * 6) / 400)
    assert figures["natural_share_covered"] == pytest.approx(0.5)
    others = metrics.naturally_weighted(faces, {30: 300})
    assert others == {"mae_natural_30_30": None, "natural_share_covered": 0.0}


def test_an_age_range_counts_the_faces_with_the_label_of_its_first_figure():
    faces = predictions([14, 15, 40, np.nan, 20], [14, 17, 40, 20, 20], [1, 1, np.nan, 0, 0], [0.9, 0.9, 0.9, 0.1, 0.9])
    genders = AgeRange(name="from_15", first=15, figures=("gender_accuracy",))
    assert metrics.age_range_figures(faces, genders) == {"faces_from_15": 2, "gender_accuracy_from_15": 0.5}
    both = AgeRange(name="to_20", first=15, end=21, figures=("mae", "gender_accuracy"))
    expected = {"faces_to_20": 2, "mae_to_20": 1.0, "gender_accuracy_to_20": 0.5}
    assert metrics.age_range_figures(faces, both) == expected
    nobody = AgeRange(name="from_90", first=90, figures=("mae",))
    assert metrics.age_range_figures(faces, nobody) == {"faces_from_90": 0, "mae_from_90": None}


def test_confidences_of_a_half_and_of_one_have_a_bin():
    stated, share, counts = metrics.calibration_bins(np.array([0.5, 1.0, 0.96]), np.array([False, True, True]))
    assert counts.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (stated[0], share[0]) == (0.5, 0.0)
    assert (stated[9], share[9]) == (pytest.approx(0.98), 1.0)
    assert np.isnan(stated[1])
    assert np.isnan(share[1])


def test_probabilities_that_come_true_have_no_calibration_error():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1.0, 200_000)
    assert metrics.expected_calibration_error(confidence, random.random(200_000) < confidence) < 0.01
    assert metrics.expected_calibration_error(confidence, np.full(200_000, True)) == pytest.approx(0.25, abs=0.01)


def test_values_near_an_age_are_those_within_reach():
    near = metrics.values_near_age(np.array([20, 21, 23.5, 40]), np.array([1.0, 2.0, 3.0, 4.0]), 2)
    assert {age: values.tolist() for age, values in near.items()} == {
        20: [1.0, 2.0],
        21: [1.0, 2.0, 3.0],
        23: [2.0, 3.0],
        40: [4.0],
    }
    assert list(metrics.values_near_age(np.array([20, 21, 23.5, 40]), np.zeros(4), 2, at_least=3)) == [21]


def test_the_wilson_interval_is_that_of_the_literature():
    # Newcombe, 'Two-sided confidence intervals for the single proportion', Statistics in Medicine 1998, table I.
    assert metrics.wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert metrics.wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert metrics.wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
