from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.data.records import FaceRecord
from asianage.models.ages import AgeAxis, target_distribution
from asianage.training.fit.distillation import TeacherOutputs
from asianage.training.fit.targets import make_targets, told_labels
from asianage.training.recipes.recipe import Distillation, Regression
from tests.training.tiny_recipe import TINY

RECORDS = [
    FaceRecord(Path("a.png"), 20.0, "female"),
    FaceRecord(Path("b.png"), None, "male"),
    FaceRecord(Path("c.png"), 31.0, None),
]


def test_a_missing_label_has_the_weight_0():
    targets, weights = make_targets(TINY, RECORDS)
    assert weights["age_logits"].tolist() == [1.0, 0.0, 1.0]
    assert weights["gender_logit"].tolist() == [1.0, 1.0, 0.0]
    assert targets["gender_logit"].tolist() == [[0.0], [1.0], [0.0]]
    expected = target_distribution(AgeAxis(), np.array([20.0, 31.0]), TINY.age_loss.sigma)
    np.testing.assert_allclose(targets["age_logits"][[0, 2]], expected)
    np.testing.assert_allclose(targets["age_logits"].sum(axis=1), 1.0, rtol=1e-5)


def test_a_group_allows_each_of_its_ages_and_no_teacher_changes_it():
    teen = FaceRecord(Path("d.png"), None, "male", age_low=10, age_high=12)
    recipe = replace(TINY, distillation=Distillation(weight=0.5))
    outputs = TeacherOutputs(np.eye(1, 101, 30, dtype=np.float32), np.array([0.0], dtype=np.float32))
    targets, weights = make_targets(recipe, [teen], outputs)
    assert np.flatnonzero(targets["age_logits"][0]).tolist() == [10, 11, 12]
    assert targets["age_logits"].sum() == 3.0
    assert targets["gender_logit"].tolist() == [[1.0]]
    assert weights["age_logits"].tolist() == [1.0]


def test_other_losses_take_years_and_only_what_is_learned_has_targets():
    recipe = replace(TINY, architecture="simple_cnn", network={"task": "age"}, age_loss=Regression(), gender_loss=None)
    targets, weights = make_targets(recipe, RECORDS)
    assert list(targets) == list(weights) == ["age_years"]
    assert targets["age_years"].tolist() == [[20.0, 20.0], [0.0, 0.0], [31.0, 31.0]]
    assert targets["age_years"].dtype == np.float32


def test_targets_are_shared_between_labels_and_teachers():
    ages, males = np.eye(3, 101, dtype=np.float32), np.array([0.1, 0.9, 0.5], dtype=np.float32)
    recipe = replace(TINY, distillation=Distillation(weight=0.25))
    labels, weights = make_targets(TINY, RECORDS)
    targets, mixed_weights = make_targets(recipe, RECORDS, TeacherOutputs(ages, males))
    np.testing.assert_allclose(targets["age_logits"], 0.75 * labels["age_logits"] + 0.25 * ages, atol=1e-6)
    np.testing.assert_allclose(targets["gender_logit"][:, 0], [0.025, 0.975, 0.125], atol=1e-6)
    assert list(mixed_weights) == list(weights)
    for name, values in weights.items():
        np.testing.assert_array_equal(mixed_weights[name], values)


def test_features_of_a_teacher_are_targets_that_always_count():
    outputs = TeacherOutputs(np.zeros((3, 101)), np.zeros(3), np.arange(6.0).reshape(3, 2))
    recipe = replace(TINY, distillation=Distillation(weight=0.25, feature_weight=1.0))
    targets, weights = make_targets(recipe, RECORDS, outputs)
    assert targets["teacher_features"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert weights["teacher_features"].tolist() == [1.0, 1.0, 1.0]


def test_a_teacher_that_is_told_the_label_comes_nearer_to_it():
    distillation = Distillation(weight=0.5, label_spread=5.0)
    says_30 = np.repeat(target_distribution(AgeAxis(), np.array([30.0]), 5.0), 3, axis=0)
    told = told_labels(says_30, AgeAxis(), [(20.0, 20.0), None, (25.0, 40.0)], distillation)
    np.testing.assert_allclose(told.sum(axis=1), 1.0, rtol=1e-5)
    # Two normal distributions of the same spread meet in the middle.
    np.testing.assert_allclose(told[0] @ AgeAxis().ages, 25.0, atol=0.1)
    np.testing.assert_array_equal(told[1], says_30[1])
    assert told[2] @ AgeAxis().ages == pytest.approx(30.2, abs=0.3)


def test_a_label_that_a_teacher_excludes_stays_possible():
    distillation = Distillation(weight=0.5, label_spread=1.0)
    told = told_labels(np.eye(1, 101, 90, dtype=np.float32), AgeAxis(), [(10.0, 10.0)], distillation)
    assert np.isfinite(told).all()
    assert told.argmax() == 10


def test_the_targets_hold_what_the_told_teachers_say():
    recipe = replace(TINY, distillation=Distillation(weight=1.0, label_spread=5.0))
    ages = target_distribution(AgeAxis(), np.array([30.0, 30.0, 41.0]), 5.0)
    targets, _ = make_targets(recipe, RECORDS, TeacherOutputs(ages, np.zeros(3, np.float32)))
    np.testing.assert_allclose(targets["age_logits"][[0, 2]] @ AgeAxis().ages, [25.0, 36.0], atol=0.2)
