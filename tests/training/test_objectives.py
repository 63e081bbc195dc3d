from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from keras import ops

from asianage.ages import AgeAxis, target_distribution
from asianage.training.objectives import AgeDistributionLoss, gender_loss


def test_the_age_loss_is_divergence_plus_error_of_the_expectation():
    axis = AgeAxis(0, 2)
    target = np.array([[0.0, 1.0, 0.0]], dtype=np.float32)
    logits = np.log(np.array([[0.25, 0.25, 0.5]], dtype=np.float32))
    # Divergence -log 0.25; expected age 1.25 against 1.
    expected = -np.log(0.25) + 0.1 * 0.25
    assert float(AgeDistributionLoss(axis, 0.1)(target, logits)) == pytest.approx(expected, rel=1e-5)


def test_the_age_loss_vanishes_at_its_target():
    axis = AgeAxis()
    target = target_distribution(axis, np.array([5.0, 30.0, 99.0]), 2.0)
    logits = np.log(target + 1e-12)
    assert float(AgeDistributionLoss(axis, 0.15)(target, logits)) == pytest.approx(0.0, abs=1e-4)


def test_the_age_loss_averages_over_the_batch_by_weight():
    axis = AgeAxis(0, 2)
    target = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], dtype=np.float32)
    logits = np.zeros((2, 3), dtype=np.float32)
    loss = AgeDistributionLoss(axis, 0.0)
    assert float(loss(target, logits, sample_weight=np.array([1.0, 0.0]))) == pytest.approx(np.log(3) / 2, rel=1e-5)


def test_the_gender_loss_is_the_binary_cross_entropy_of_a_logit():
    value = gender_loss()(ops.convert_to_tensor([[1.0], [0.0]]), ops.convert_to_tensor([[0.0], [2.0]]))
    assert float(value) == pytest.approx((np.log(2) + np.log(1 + np.exp(2))) / 2, rel=1e-5)
