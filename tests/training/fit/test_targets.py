from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.data.records import FaceRecord
from asianage.models.ages import AgeAxis, target_distribution
from asianage.training.fit.distillation import TeacherOutputs
from asianage.training.fit.targets import add_teachers, label_targets

RECORDS = [
    FaceRecord(Path("a.png"), 20.0, "female"),
    FaceRecord(Path("b.png"), None, "male"),
    FaceRecord(Path("c.png"), 31.5, None),
]
OUTPUTS = ("age_logits", "gender_logit")


def test_a_missing_label_has_the_weight_0():
    targets, weights = label_targets(RECORDS, OUTPUTS, AgeAxis(), sigma=2.0)
    assert weights["age_logits"].tolist() == [1.0, 0.0, 1.0]
    assert weights["gender_logit"].tolist() == [1.0, 1.0, 0.0]
    assert targets["gender_logit"].tolist() == [[0.0], [1.0], [0.0]]
    np.testing.assert_allclose(
        targets["age_logits"][[0, 2]], target_distribution(AgeAxis(), np.array([20.0, 31.5]), 2.0)
    )
    np.testing.assert_allclose(targets["age_logits"].sum(axis=1), 1.0, rtol=1e-5)


def test_without_a_spread_the_targets_are_years_and_only_what_is_learned_has_any():
    targets, weights = label_targets(RECORDS, ["age_years"], AgeAxis(), sigma=None)
    assert list(targets) == list(weights) == ["age_years"]
    assert targets["age_years"].tolist() == [[20.0], [0.0], [31.5]]
    assert targets["age_years"].dtype == np.float32


def test_targets_are_shared_between_labels_and_teachers():
    axis = AgeAxis()
    outputs = TeacherOutputs(np.eye(3, axis.num_ages, dtype=np.float32), np.array([0.1, 0.9, 0.5], dtype=np.float32))
    labels, _ = label_targets(RECORDS, OUTPUTS, axis, sigma=2.0)
    targets, weights = label_targets(RECORDS, OUTPUTS, axis, sigma=2.0)
    add_teachers(targets, weights, outputs, 0.25)
    np.testing.assert_allclose(
        targets["age_logits"], 0.75 * labels["age_logits"] + 0.25 * outputs.age_distributions, atol=1e-6
    )
    np.testing.assert_allclose(targets["gender_logit"][:, 0], [0.025, 0.975, 0.125], atol=1e-6)
    assert "teacher_features" not in targets


def test_features_of_a_teacher_are_targets_that_always_count():
    outputs = TeacherOutputs(np.zeros((3, 101)), np.zeros(3), np.arange(6.0).reshape(3, 2))
    targets, weights = label_targets(RECORDS, OUTPUTS, AgeAxis(), sigma=2.0)
    add_teachers(targets, weights, outputs, 0.5)
    assert targets["teacher_features"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert weights["teacher_features"].tolist() == [1.0, 1.0, 1.0]
