from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras
from keras import layers

from asianage.models.ages import AgeAxis, expected_age, probability_at_least, softmax
from asianage.networks.heads import (
    HEADS,
    OUTPUTS,
    NormalLogits,
    OrdinalLogits,
    UnknownLogits,
    attach_heads,
    prediction_network,
    training_network,
)
from asianage.networks.registry import build_network


def logits(layer, values):
    return keras.ops.convert_to_numpy(layer(np.asarray(values, dtype=np.float32)))


def pixel_network(head, task="both"):
    """Return a network whose raw age output follows from the mean of the red pixels, and its 101 crops."""
    crops = keras.Input((8, 8, 3), name="crops")
    features = layers.GlobalAveragePooling2D()(crops)
    network = keras.Model(crops, attach_heads(features, num_ages=101, head=head, task=task))
    if head == "regression":
        network.get_layer("age_years").set_weights([np.array([[1.0], [0.0], [0.0]]), np.zeros(1)])
    if head == "ordinal":
        slope = np.zeros((3, 100))
        slope[0] = 0.4
        network.get_layer("age_exceedance").set_weights([slope, -0.4 * (np.arange(100) + 0.5)])
    pixels = np.zeros((101, 8, 8, 3), dtype=np.float32)
    pixels[..., 0] = np.arange(101)[:, None, None]
    pixels[:, :4, :, 1] = 255.0
    return network, pixels


@pytest.mark.parametrize(("min_age", "num_ages"), [(0, 101), (15, 26)])
def test_the_expected_age_of_a_regression_is_its_prediction(min_age, num_ages):
    axis = AgeAxis(min_age, min_age + num_ages - 1)
    years = np.linspace(axis.min_age, axis.max_age, 997)[:, None]
    distribution = softmax(logits(NormalLogits(num_ages, min_age), years))
    np.testing.assert_allclose(expected_age(axis, distribution), years[:, 0], atol=0.1)


@pytest.mark.parametrize("spread", [2.0, 5.0])
def test_a_regression_becomes_a_normal_distribution_of_the_stated_spread(spread):
    ages = np.arange(101)
    for mean in (40.0, 40.25, 61.5):
        density = np.exp(-0.5 * ((ages - mean) / spread) ** 2)
        distribution = softmax(logits(NormalLogits(101, 0, spread), [[mean]]))[0]
        np.testing.assert_allclose(distribution, density / density.sum(), atol=2e-5)


def test_the_temperature_of_the_calibration_stretches_the_spread_and_keeps_the_mean():
    distribution = softmax(logits(NormalLogits(101), [[30.0]]), 1.44)[0]
    ages = np.arange(101)
    assert distribution @ ages == pytest.approx(30.0, abs=1e-3)
    assert np.sqrt(distribution @ (ages - 30.0) ** 2) == pytest.approx(5.0 * 1.2, rel=1e-3)


def test_predictions_outside_the_axis_count_as_its_ends():
    inside = logits(NormalLogits(26, 15), [[15.0], [40.0]])
    np.testing.assert_array_equal(logits(NormalLogits(26, 15), [[-300.0], [1e6]]), inside)


def test_a_spread_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"Received: 0\.0"):
        NormalLogits(101, 0, 0.0)


def test_ordinal_probabilities_become_their_differences():
    more_than = np.array([0.9, 0.6, 0.6, 0.1])
    exceedance = np.log(more_than / (1 - more_than))[None]
    np.testing.assert_allclose(softmax(logits(OrdinalLogits(), exceedance))[0], [0.1, 0.3, 0.0, 0.5, 0.1], atol=1e-6)


def test_consistent_classifiers_keep_their_probabilities_and_their_sum():
    random = np.random.default_rng(0)
    exceedance = -np.sort(-random.normal(0, 4, (20, 60)), axis=1)
    axis = AgeAxis(15, 75)
    distribution = softmax(logits(OrdinalLogits(), exceedance))
    more_than = 1 / (1 + np.exp(-exceedance))
    np.testing.assert_allclose(expected_age(axis, distribution), 15 + more_than.sum(axis=1), atol=2e-3)
    for k in (15, 30, 74):
        np.testing.assert_allclose(probability_at_least(axis, distribution, k + 1), more_than[:, k - 15], atol=1e-4)


def test_contradicting_classifiers_are_met_half_way():
    more_than = np.array([0.8, 0.3, 0.5, 0.1])
    exceedance = np.log(more_than / (1 - more_than))[None]
    # Running minimum 0.8 0.3 0.3 0.1, running maximum from behind 0.8 0.5 0.5 0.1.
    np.testing.assert_allclose(softmax(logits(OrdinalLogits(), exceedance))[0], [0.2, 0.4, 0.0, 0.3, 0.1], atol=1e-6)


def test_noise_far_from_the_age_hardly_moves_it():
    random = np.random.default_rng(0)
    more_than = np.where(np.arange(100) < 30, 1 - 1e-3, 1e-3) + random.uniform(-9e-4, 9e-4, (50, 100))
    distribution = softmax(logits(OrdinalLogits(), np.log(more_than / (1 - more_than))))
    age = expected_age(AgeAxis(), distribution)
    # The classifiers' own sum is the measure.
    assert np.abs(age - more_than.sum(axis=1)).max() < 0.05


def test_extreme_classifiers_stay_finite():
    result = logits(OrdinalLogits(), [[1e4] * 7, [-1e4] * 7])
    assert np.isfinite(result).all()
    np.testing.assert_array_equal(result.argmax(axis=1), [7, 0])


def test_what_is_not_learned_is_undecided():
    features = np.array([[0.0, 5.0], [-1e4, 1.0], [1e4, 2.0]])
    np.testing.assert_array_equal(logits(UnknownLogits(4), features), np.zeros((3, 4)))


@pytest.mark.parametrize(("head", "raw", "width"), [("regression", "age_years", 1), ("ordinal", "age_exceedance", 100)])
def test_training_sees_the_raw_output_of_the_same_weights(head, raw, width):
    network, pixels = pixel_network(head)
    trained = training_network(network)
    outputs = trained.predict_on_batch(pixels)
    assert {name: value.shape for name, value in outputs.items()} == {raw: (101, width), "gender_logit": (101, 1)}
    assert all(mine is its for mine, its in zip(trained.weights, network.weights, strict=True))
    if head == "regression":
        np.testing.assert_allclose(outputs[raw][:, 0], np.arange(101), rtol=1e-6)


def test_weights_saved_in_training_load_into_the_exported_network(tmp_path):
    network, pixels = pixel_network("ordinal")
    training_network(network).save_weights(tmp_path / "trained.weights.h5")
    other, _ = pixel_network("ordinal")
    other.set_weights([0 * value for value in other.get_weights()])
    other.load_weights(tmp_path / "trained.weights.h5")
    np.testing.assert_array_equal(
        other.predict_on_batch(pixels)["age_logits"], network.predict_on_batch(pixels)["age_logits"]
    )


def test_training_of_logits_and_of_one_task():
    network, _ = pixel_network("logits")
    assert set(training_network(network).output) == {"age_logits", "gender_logit"}
    assert set(training_network(pixel_network("logits", "age")[0]).output) == {"age_logits"}
    assert set(training_network(pixel_network("regression", "age")[0]).output) == {"age_years"}
    assert set(training_network(pixel_network("logits", "gender")[0]).output) == {"gender_logit"}


@pytest.mark.parametrize("head", HEADS)
def test_networks_survive_their_own_configuration(head):
    network, pixels = pixel_network(head)
    copy = keras.Model.from_config(network.get_config())
    copy.set_weights(network.get_weights())
    np.testing.assert_array_equal(
        copy.predict_on_batch(pixels)["age_logits"], network.predict_on_batch(pixels)["age_logits"]
    )


@pytest.mark.parametrize(("head", "largest", "mean"), [("regression", 1.1, 0.2), ("ordinal", 0.5, 0.25)])
def test_heads_are_exported_in_full_and_in_eight_bits(head, largest, mean, exported):
    network, pixels = pixel_network(head)
    axis = AgeAxis()
    expected = network.predict_on_batch(pixels)
    age = expected_age(axis, softmax(expected["age_logits"]))
    full, genders = exported(network, pixels)
    np.testing.assert_allclose(softmax(full), softmax(expected["age_logits"]), atol=1e-5)
    np.testing.assert_allclose(genders, expected["gender_logit"][:, 0], rtol=1e-5, atol=1e-4)
    errors = np.abs(expected_age(axis, softmax(exported(network, pixels, "int8")[0])) - age)
    # Eight bits for a hundred years are steps of 0.4 years.
    assert errors.max() < largest
    assert errors.mean() < mean


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_tasks_that_are_not_learned_are_exported_as_undecided(quantization, exported):
    crops = keras.Input((8, 8, 3), name="crops")
    features = layers.GlobalAveragePooling2D()(crops)
    outputs = {name: UnknownLogits(width, name=name)(features) for name, width in zip(OUTPUTS, (101, 1), strict=True)}
    ages, genders = exported(keras.Model(crops, outputs), pixel_network("logits")[1], quantization)
    assert not ages.any()
    assert not genders.any()


def test_heads_and_tasks_have_known_names():
    features = keras.Input((3,))
    with pytest.raises(ValueError, match=r"logits, regression, ordinal\. Received: 'rank'"):
        attach_heads(features, num_ages=101, head="rank")
    with pytest.raises(ValueError, match=r"both, age, gender\. Received: 'smile'"):
        attach_heads(features, num_ages=101, task="smile")


def test_a_network_for_prediction_takes_one_crop_and_gives_its_features():
    network = build_network("residual", image_size=32, num_ages=11, widths=(4, 8), blocks=(0, 0))
    served = prediction_network(network)
    assert served.input_shape == (1, 32, 32, 3)
    assert {name: output.shape for name, output in served.output.items()} == {
        "age_logits": (1, 11),
        "gender_logit": (1, 1),
        "features": (1, 8),
    }
    # Of the same width as the ages, they could not be told from them.
    alike = build_network("residual", image_size=32, num_ages=8, widths=(4, 8), blocks=(0, 0))
    assert set(prediction_network(alike).output) == {"age_logits", "gender_logit"}
