from __future__ import annotations

import io
import logging

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import h5py
import keras

from asianage.models.ages import softmax
from asianage.models.litert import LiteRTNetwork
from asianage.networks.face_landmarks import face_landmarks_network
from asianage.networks.residual import residual_network
from asianage.training.export.litert import fold_scaling, to_tflite, to_weights

TINY = {"image_size": 32, "widths": (8, 16), "blocks": (0, 1)}


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return residual_network(**TINY)


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)


# Dark samples must not narrow the range of pixels.
@pytest.mark.parametrize(
    ("quantization", "darker", "tolerance"), [("float32", 1, 1e-5), ("float16", 1, 1e-3), ("int8", 4, 2e-2)]
)
def test_the_exported_network_computes_what_the_network_computes(
    network, crops, capfd, quantization, darker, tolerance
):
    flatbuffer = to_tflite(network, quantization=quantization, samples=crops // darker)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("tensorflow").level != logging.ERROR
    ages, genders = LiteRTNetwork(flatbuffer, source="test", image_size=32, num_ages=101)(crops)
    expected = network.predict_on_batch(crops.astype(np.float32))
    np.testing.assert_allclose(softmax(ages), softmax(expected["age_logits"]), atol=tolerance)
    np.testing.assert_allclose(genders, expected["gender_logit"][:, 0], atol=10 * tolerance)
    if quantization == "int8":
        assert to_tflite(network, quantization=quantization, samples=crops // darker) == flatbuffer


def test_half_precision_weights_load_into_the_network(network, crops, tmp_path):
    path = tmp_path / "half.weights.h5"
    path.write_bytes(to_weights(network))
    other = residual_network(**TINY)
    other.load_weights(path)
    expected = network.predict_on_batch(crops.astype(np.float32))
    received = other.predict_on_batch(crops.astype(np.float32))
    np.testing.assert_allclose(received["age_logits"], expected["age_logits"], atol=5e-3)
    with h5py.File(path) as file:
        assert file["layers/conv2d/vars/0"].dtype == np.float16


def test_weights_of_a_trained_network_come_without_its_optimizer(crops):
    network = residual_network(**TINY)
    before = to_weights(network)
    network.compile(keras.optimizers.Adam(0.0), loss={"age_logits": "mse", "gender_logit": "mse"})
    network.optimizer.build(network.trainable_variables)
    assert to_weights(network) == before
    with h5py.File(io.BytesIO(before)) as file:
        assert "optimizer" not in file


def test_int8_needs_samples_and_known_quantizations(network):
    with pytest.raises(ValueError, match="samples"):
        to_tflite(network, quantization="int8")
    with pytest.raises(ValueError, match=r"float32, float16, int8\. Received: 'int4'"):
        to_tflite(network, quantization="int4")


def test_a_factor_of_the_input_is_folded_into_the_first_convolution():
    network = face_landmarks_network()
    folded = fold_scaling(network)
    assert not any(isinstance(layer, keras.layers.Rescaling) for layer in folded.layers)
    inputs = np.random.default_rng(0).uniform(0, 255, (2, *network.input_shape[1:])).astype(np.float32)
    expected, received = network.predict_on_batch(inputs), folded.predict_on_batch(inputs)
    for name, values in expected.items():
        np.testing.assert_allclose(received[name], values, rtol=1e-3, atol=1e-4)


def test_a_network_that_shifts_its_input_keeps_its_scaling(network):
    assert fold_scaling(network) is network
