from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.models.ages import AgeAxis, expected_age, softmax
from asianage.models.folder import NETWORK
from asianage.models.litert import LiteRTNetwork
from asianage.models.pretrained import open_model
from asianage.networks.residual import residual_network
from asianage.training.export.litert import to_tflite

TINY = {"image_size": 32, "widths": (8, 16), "blocks": (0, 0)}


@pytest.fixture(scope="module")
def crops():
    """40 crops of noise, from dark to bright."""
    noise = np.random.default_rng(0).random((40, 32, 32, 3))
    return (noise * np.linspace(10, 255, 40)[:, None, None, None]).astype(np.uint8)


@pytest.fixture(scope="module")
def network(crops):
    """A network that takes the 20 crops of the least gender logit for women, and the others for men."""
    keras.utils.set_random_seed(0)
    network = residual_network(**TINY)
    kernel, bias = network.get_layer("gender_logit").get_weights()
    network.get_layer("gender_logit").set_weights([20 * kernel, bias])
    logits = network.predict_on_batch(crops.astype(np.float32))["gender_logit"]
    network.get_layer("gender_logit").set_weights([20 * kernel, bias - np.median(logits)])
    return network


@pytest.fixture(scope="module")
def whole(network, crops):
    """The network in int8, with the ranges of all crops."""
    return to_tflite(network, quantization="int8", samples=crops)


@pytest.fixture(scope="module")
def logits(network, crops):
    return network.predict_on_batch(crops.astype(np.float32))["gender_logit"][:, 0]


def run(flatbuffer, crops, num_ages=101):
    return LiteRTNetwork(flatbuffer, source="test", image_size=32, num_ages=num_ages)(crops)


def test_a_gender_that_no_calibration_face_has_stays_possible(network, logits, crops):
    women, men = crops[logits < 0], crops[logits > 0]
    _, received = run(to_tflite(network, quantization="int8", samples=women), men)
    assert len(women) == len(men) == 20
    np.testing.assert_allclose(received, logits[logits > 0], atol=0.25)
    assert received.max() > 0.5


def test_no_range_is_smaller_than_before(network, logits, crops, whole):
    order = np.argsort(logits)
    part = to_tflite(network, quantization="int8", samples=crops[order[18:22]], before=whole)
    for expected, received in zip(run(whole, crops), run(part, crops), strict=True):
        np.testing.assert_allclose(received, expected, atol=0.04 * np.ptp(expected))


def test_a_model_of_other_operators_changes_no_range(network, crops, whole):
    other = open_model("compact").read(NETWORK)
    assert to_tflite(network, quantization="int8", samples=crops, before=other) == whole


def test_a_regression_that_calls_everybody_younger_than_its_axis_can_be_exported(crops):
    axis = AgeAxis(15, 40)
    network = residual_network(**TINY, head="regression", num_ages=axis.num_ages, min_age=axis.min_age)
    layer = network.get_layer("age_years")
    kernel, _ = layer.get_weights()
    layer.set_weights([0 * kernel, np.array([-3.0])])
    age_logits, _ = run(to_tflite(network, quantization="int8", samples=crops), crops, axis.num_ages)
    np.testing.assert_allclose(expected_age(axis, softmax(age_logits)), 15, atol=0.7)
