from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.data.records import FaceRecord
from asianage.models.ages import AgeAxis
from asianage.training.recipes.recipe import Faces
from asianage.training.sampling import MAX_REPEATS, sampling_shares

AXIS = AgeAxis(0, 100)


def faces(**options):
    return Faces(image_size=96, margin=0, **options)


def people(ages, **options):
    return [FaceRecord(Path(f"{i}.png"), float(age), None, **options) for i, age in enumerate(ages)]


def test_other_groups_are_used_less():
    records = [*people([20], group="asian"), *people([20], group="White"), *people([20])]
    assert sampling_shares(records, faces(other_group_share=0.4), AXIS).tolist() == [1.0, 0.4, 1.0]


def test_rare_ages_are_used_more_often_in_an_epoch_of_the_same_length():
    records = people([30] * 90 + [12] * 10)
    shares = sampling_shares(records, faces(age_balance=0.5), AXIS)
    assert shares.sum() == pytest.approx(100.0)
    assert shares[-1] / shares[0] == pytest.approx(3.0, rel=0.02)


def test_no_face_is_repeated_too_often():
    shares = sampling_shares(people([30] * 500 + [80]), faces(age_balance=1.0), AXIS)
    assert shares[-1] == pytest.approx(MAX_REPEATS)


def test_a_group_counts_as_evenly_spread_and_an_unknown_age_as_usual():
    teens = [FaceRecord(Path("t.png"), None, None, age_low=10, age_high=19)] * 10
    unknown = [FaceRecord(Path("u.png"), None, "male")]
    shares = sampling_shares([*people([30] * 10), *teens, *unknown], faces(age_balance=0.5), AXIS)
    assert np.ptp(shares[10:20]) == 0.0
    assert shares[10] > 1.5 * shares[0]


def test_emphasized_ages_are_used_more_often_by_their_factor():
    teens = [FaceRecord(Path("t.png"), None, None, age_low=10, age_high=19)] * 5
    across = [FaceRecord(Path("a.png"), None, None, age_low=15, age_high=24)] * 5
    records = [*people([30] * 10), *people([19] * 5), *teens, *across, FaceRecord(Path("u.png"), None, "male")]
    shares = sampling_shares(records, faces(emphasis=((10, 19, 2.0), (0, 12, 5.0))), AXIS)
    assert shares.sum() == pytest.approx(len(records))
    np.testing.assert_allclose(shares / shares[0], [1.0] * 10 + [2.0] * 10 + [1.0] * 6)
