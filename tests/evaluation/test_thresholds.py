from __future__ import annotations

import json

import numpy as np
import pytest

from asianage.evaluation.metrics import LabeledPredictions
from asianage.evaluation.thresholds import (
    age_calibration_error,
    age_reliability,
    challenge_pairs,
    measure_thresholds,
)
from asianage.models.ages import AgeAxis

AXIS = AgeAxis(0, 80)


def faces(true_age, age, detected=None) -> LabeledPredictions:
    count = len(true_age)
    return LabeledPredictions(
        true_age=np.array(true_age, dtype=float),
        age=np.array(age, dtype=float),
        age_interval=np.zeros((count, 2)),
        is_male=np.zeros(count),
        male_probability=np.zeros(count),
        detected=np.ones(count, dtype=bool) if detected is None else np.array(detected),
        age_low=np.array(true_age, dtype=float),
        age_high=np.array(true_age, dtype=float),
    )


def test_minors_who_pass_and_adults_who_are_challenged_are_counted():
    # Minors of 4, 13, 17 and 17.9 years; adults of 18, 30 and 40; one of unknown age.
    people = faces([4, 13, 17, 17.9, 18, 30, 40, np.nan], [5, 24, 25, 17, 24.9, 26, 60, 30])
    (figures,) = measure_thresholds(people, {}, [(18, 25)])
    assert (figures["threshold"], figures["challenge_age"]) == (18, 25)
    overall = figures["overall"]
    assert (overall["minors"], overall["false_positives"], overall["false_positive_rate"]) == (4, 1, 0.25)
    assert (overall["near_minors"], overall["near_false_positives"]) == (3, 1)
    assert (overall["adults"], overall["adults_challenged"]) == (3, 1)
    assert overall["challenge_rate"] == pytest.approx(1 / 3)
    # Wilson's interval of 1 in 4.
    assert overall["false_positive_rate_interval"] == pytest.approx([0.0456, 0.6994], abs=1e-4)


def test_who_is_not_found_is_challenged():
    people = faces([15, 40], [30, 30], detected=[False, False])
    (figures,) = measure_thresholds(people, {}, [(18, 25)])
    assert figures["overall"]["false_positives"] == 0
    assert figures["overall"]["adults_challenged"] == 1


def test_each_part_has_figures_of_its_own():
    people = faces([15, 16, 40, 50], [30, 10, 40, 20])
    labels = {"gender": ["female", "male", "female", ""], "group": ["", "", "", ""]}
    (figures,) = measure_thresholds(people, labels, [(18, 18)])
    assert figures["by_gender"]["female"]["false_positives"] == 1
    assert figures["by_gender"]["male"]["false_positives"] == 0
    assert figures["by_gender"]["male"]["adults"] == 0
    assert figures["by_group"] == {}
    assert list(figures["by_age_band"]) == ["13-15", "16-17", "40-49", "50-59"]
    assert figures["by_age_band"]["16-17"]["minors"] == 1
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_the_bands_of_every_threshold_hold_every_age_once():
    for threshold in (1, 4, 18, 21, 113, 119):
        ages = np.arange(0, 121)
        (figures,) = measure_thresholds(faces(ages, ages), {}, [(threshold, threshold)])
        bands = figures["by_age_band"].values()
        assert sum(band["minors"] + band["adults"] for band in bands) == 121
        assert not any(band["minors"] and band["adults"] for band in bands)


def test_faces_without_an_age_count_nowhere():
    (figures,) = measure_thresholds(faces([np.nan], [30]), {"gender": ["male"]}, [(18, 25)])
    assert figures["overall"]["minors"] == figures["overall"]["adults"] == 0
    assert figures["overall"]["false_positive_rate"] is None
    assert figures["by_gender"] == figures["by_age_band"] == {}


def test_challenge_ages_follow_their_threshold():
    assert challenge_pairs([18], None) == [(18, 18), (18, 21), (18, 25)]
    assert challenge_pairs([21, 18], [25, 20]) == [(18, 20), (18, 25), (21, 25)]


@pytest.mark.parametrize(
    ("thresholds", "challenge_ages", "message"),
    [
        ([0], None, "`thresholds`"),
        ([18], [120], "`challenge_ages`"),
        ([18, 21], [20], "at least 21"),
        ([1.5], None, "1"),
    ],
)
def test_ages_that_make_no_sense_are_refused(thresholds, challenge_ages, message):
    with pytest.raises(ValueError, match=rf"{message}.*Received: \["):
        challenge_pairs(thresholds, challenge_ages)


def certain(ages) -> np.ndarray:
    distribution = np.zeros((len(ages), AXIS.num_ages), dtype=np.float32)
    distribution[np.arange(len(ages)), ages] = 1.0
    return distribution


def test_the_share_of_a_bin_is_that_of_the_faces_which_are_old_enough():
    distribution = 0.25 * certain([10] * 4) + 0.75 * certain([40] * 4)
    stated, share, counts = age_reliability(AXIS, distribution, faces([18, 17, 50, np.nan], [0] * 4), 18)
    assert counts.tolist() == [0, 0, 0, 0, 0, 0, 0, 3, 0, 0]
    assert stated[7] == pytest.approx(0.75)
    assert share[7] == pytest.approx(2 / 3)


def test_certain_and_right_ages_have_no_calibration_error():
    ages = np.arange(5, 60)
    assert age_calibration_error(AXIS, certain(ages), faces(ages, ages)) == 0.0
    # All are 20 and taken for 5: wrong at the thresholds 10 to 20, right at 21 to 30.
    assert age_calibration_error(AXIS, certain([5] * 9), faces([20] * 9, [5] * 9)) == pytest.approx(11 / 21)
    assert age_calibration_error(AXIS, certain([5]), faces([np.nan], [5])) is None
