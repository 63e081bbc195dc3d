from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras
from keras import ops

from asianage.models.ages import AgeAxis, expected_age, softmax, target_distribution
from asianage.networks.heads import attach_heads, training_network
from asianage.training.fit.losses import (
    AgeCrossEntropyLoss,
    AgeDistributionLoss,
    AgeOrdinalLoss,
    AgeRegressionLoss,
    FeatureLoss,
    MeanVarianceLoss,
    age_loss,
    gender_loss,
)
from asianage.training.recipes.recipe import CrossEntropy, LabelDistribution, MeanVariance, Ordinal, Regression

LOSSES = (LabelDistribution(expectation_weight=0.1), CrossEntropy(), Regression(), Ordinal(), MeanVariance())
WIDTHS = {"logits": 4, "regression": 1, "ordinal": 3}
"""Head -> raw outputs for four ages."""


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


def exact(*ages):
    """Return the target of exact ages, which allows each alone."""
    return np.repeat(np.array(ages, dtype=np.float32)[:, None], 2, axis=1)


def test_the_loss_of_a_group_is_minus_the_logarithm_of_the_probability_inside():
    axis = AgeAxis(10, 13)
    probability = np.array([[0.1, 0.2, 0.3, 0.4]], dtype=np.float32)
    group = np.array([[0.0, 1.0, 1.0, 0.0]], dtype=np.float32)
    value = AgeDistributionLoss(axis, 0.5).call(group, np.log(probability))
    # The expected age, 12, lies inside.
    assert float(value[0]) == pytest.approx(-np.log(0.5), rel=1e-5)
    value = AgeDistributionLoss(axis, 0.5).call(group[:, [1, 2, 3, 0]], np.log(probability))
    assert float(value[0]) == pytest.approx(-np.log(0.3) + 0.5 * 1.0, rel=1e-5)


def test_a_group_allows_every_age_inside_it():
    axis, group = AgeAxis(10, 13), np.array([[11.0, 12.0]], dtype=np.float32)
    years = np.array([[11.5], [9.0], [14.0]], dtype=np.float32)
    values = AgeRegressionLoss(axis).call(np.repeat(group, 3, axis=0), years)
    np.testing.assert_allclose(ops.convert_to_numpy(values), [0.0, 2.0, 2.0])
    value = AgeCrossEntropyLoss(axis).call(group, np.log(np.array([[0.1, 0.2, 0.3, 0.4]], dtype=np.float32)))
    assert float(value[0]) == pytest.approx(-np.log(0.5), rel=1e-5)
    more_than = np.array([[0.9, 0.5, 0.2]], dtype=np.float32)
    value = AgeOrdinalLoss(axis).call(group, np.log(more_than / (1 - more_than)))
    # Nothing is known of whether the age is above 11.
    assert float(value[0]) == pytest.approx(-np.log([0.9, 0.8]).sum() / 3, rel=1e-5)


def test_the_regression_loss_is_the_absolute_error_in_years():
    loss = AgeRegressionLoss(AgeAxis(15, 40))
    years = exact(20.0, 30.5, 72.0)
    # An age beyond the axis counts as its end.
    values = loss.call(years, np.array([[22.0], [30.0], [39.0]], dtype=np.float32))
    np.testing.assert_allclose(ops.convert_to_numpy(values), [2.0, 0.5, 1.0], rtol=1e-6)


def test_the_cross_entropy_is_that_of_the_class_of_the_age():
    loss = AgeCrossEntropyLoss(AgeAxis(10, 13))
    probability = np.array([0.1, 0.2, 0.3, 0.4], dtype=np.float32)
    years = exact(10.0, 11.9, 40.0, 0.0)
    values = loss.call(years, np.log(np.tile(probability, (4, 1))) + 5.0)
    np.testing.assert_allclose(ops.convert_to_numpy(values), -np.log([0.1, 0.3, 0.4, 0.1]), rtol=1e-5)


def test_the_ordinal_loss_is_the_mean_of_the_binary_cross_entropies():
    loss = AgeOrdinalLoss(AgeAxis(10, 13))
    more_than = np.array([[0.9, 0.5, 0.2]], dtype=np.float32)
    exceedance = np.log(more_than / (1 - more_than))
    for years, terms in ((11.0, [0.9, 0.5, 0.8]), (13.0, [0.9, 0.5, 0.2]), (10.0, [0.1, 0.5, 0.8])):
        value = loss.call(exact(years), exceedance)
        assert float(value[0]) == pytest.approx(-np.log(terms).mean(), rel=1e-5)


@pytest.mark.parametrize("settings", LOSSES)
def test_losses_stay_finite_at_extreme_outputs(settings):
    axis = AgeAxis(10, 13)
    raw = WIDTHS[settings.head]
    target = np.eye(4)[[0, 3]] if isinstance(settings, LabelDistribution) else exact(10.0, 13.0)
    for scale in (1e4, -1e4):
        values = age_loss(settings, axis).call(
            ops.convert_to_tensor(target, "float32"), ops.convert_to_tensor(np.full((2, raw), scale), "float32")
        )
        assert np.isfinite(ops.convert_to_numpy(values)).all()


@pytest.mark.parametrize("settings", LOSSES[1:])
def test_losses_average_over_the_batch_by_weight(settings):
    axis = AgeAxis(10, 13)
    raw = np.random.default_rng(0).normal(size=(2, WIDTHS[settings.head]))
    loss = age_loss(settings, axis)
    years = exact(12.0, 10.0)
    alone = float(loss(years[:1], raw[:1]))
    assert float(loss(years, raw, sample_weight=np.array([1.0, 0.0]))) == pytest.approx(alone / 2, rel=1e-5)


@pytest.mark.parametrize("settings", LOSSES)
def test_every_loss_learns_the_age_through_its_head(settings):
    axis = AgeAxis(20, 59)
    random = np.random.default_rng(0)
    age = random.integers(20, 60, 256).astype(np.float32)
    features = np.stack([(age - 40) / 20, random.normal(size=256)], axis=1).astype(np.float32)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(32, activation="relu")(inputs)
    outputs = attach_heads(hidden, num_ages=40, min_age=20, head=settings.head, task="age")
    network = keras.Model(inputs, outputs)
    trained = training_network(network)
    (name,) = trained.output
    targets = target_distribution(axis, age, 2.0) if isinstance(settings, LabelDistribution) else exact(*age)
    trained.compile(keras.optimizers.Adam(0.03), loss={name: age_loss(settings, axis)})
    trained.fit(features, {name: targets}, epochs=20, batch_size=32, verbose=0)
    decoded = expected_age(axis, softmax(network.predict_on_batch(features)["age_logits"]))
    # 10 years for the best constant.
    assert np.abs(decoded - age).mean() < 1.5


def test_the_feature_loss_is_in_standard_deviations_and_counts_less_what_hardly_varies():
    known = np.array([[0.0, 0.0, 0.0, 7.0], [2.0, 20.0, 0.2, 7.0]], dtype=np.float32)
    # Deviations 1, 10, 0.1 and none; the median of those that vary is 1, so no unit is below 0.1.
    target = np.zeros((1, 4), dtype=np.float32)
    told = np.array([[1.0, 10.0, 0.1, 0.1]], dtype=np.float32)
    assert float(FeatureLoss(known)(target, told)) == pytest.approx(1.0, rel=1e-5)
    assert float(FeatureLoss(known)(target, told * [[2.0, 0.0, 0.0, 0.0]])) == pytest.approx(1.0, rel=1e-5)


def test_mean_variance_by_hand():
    axis = AgeAxis(20, 22)
    logits = np.log(np.array([[0.25, 0.25, 0.5]], dtype=np.float32))
    # The expected age is 21.25, its variance 11 / 16; the label is 20.
    expected = -np.log(0.25) + 0.2 * 0.5 * 1.25**2 + 0.05 * 11 / 16
    loss = MeanVarianceLoss(axis, 0.2, 0.05)
    assert float(loss(exact(20.0), logits)) == pytest.approx(expected, rel=1e-5)
    # Of a group, 20 to 21, the expected age is a quarter of a year away.
    group = np.array([[20.0, 21.0]], dtype=np.float32)
    assert float(loss(group, logits)) == pytest.approx(-np.log(0.5) + 0.1 * 0.25**2, rel=1e-5)


LEARN = """
import json
import keras, numpy as np
from asianage.models.ages import AgeAxis
from asianage.training.fit.losses import FeatureLoss, age_loss
from asianage.training.recipes.recipe import CrossEntropy, LabelDistribution, MeanVariance, Ordinal, Regression

random, axis = np.random.default_rng(0), AgeAxis(0, 20)
years = np.array([[3, 3], [5, 9], [12, 12], [0, 20]], "float32")
rows = {21: np.eye(21, dtype="float32")[[3, 3, 9, 9]], 8: random.normal(size=(4, 8)).astype("float32")}
cases = [(age_loss(settings, axis), years, width)
         for settings, width in ((CrossEntropy(), 21), (Regression(), 1), (Ordinal(), 20), (MeanVariance(), 21))]
cases += [(age_loss(LabelDistribution(), axis), rows[21], 21),
          (FeatureLoss(random.normal(size=(50, 8)).astype("float32")), rows[8], 8)]
learned = []
for loss, target, width in cases:
    network = keras.Sequential([keras.Input((width,)), keras.layers.Dense(width, kernel_initializer="identity")])
    network.compile("sgd", loss=loss)
    inputs = random.normal(size=(4, width)).astype("float32")
    learned.append(network.fit(inputs, target, epochs=2, shuffle=False, verbose=0).history["loss"])
print(json.dumps(learned))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_other_backends_learn_the_same_from_every_loss(backend):
    pytest.importorskip(backend, reason=f"needs {backend}, which no extra brings")
    expected: dict[str, list] = {}
    exec(LEARN, expected)
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", LEARN], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert np.allclose(json.loads(done.stdout.splitlines()[-1]), expected["learned"], rtol=1e-4)
