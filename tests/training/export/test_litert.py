from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import h5py
import keras

from asianage.models.ages import softmax
from asianage.models.litert import LiteRTNetwork
from asianage.networks.dlib_resnet import dlib_resnet_network
from asianage.networks.residual import residual_network
from asianage.training.export.litert import fold_scaling, to_tflite, to_weights


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return residual_network(image_size=32, widths=(8, 16), blocks=(0, 1))


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float16", 1e-3), ("int8", 2e-2)])
def test_the_exported_network_says_what_the_network_says(network, crops, capfd, precision, tolerance):
    flatbuffer = to_tflite(network, precision=precision, samples=crops)
    assert capfd.readouterr() == ("", "")
    ages, genders = LiteRTNetwork(flatbuffer, source="test", image_size=32, num_ages=101)(crops)
    expected = network.predict_on_batch(crops.astype(np.float32))
    np.testing.assert_allclose(softmax(ages), softmax(expected["age_logits"]), atol=tolerance)
    np.testing.assert_allclose(genders, expected["gender_logit"][:, 0], atol=10 * tolerance)


def test_dark_samples_do_not_narrow_the_range_of_pixels(network, crops):
    flatbuffer = to_tflite(network, precision="int8", samples=crops // 4)
    ages, _ = LiteRTNetwork(flatbuffer, source="test", image_size=32, num_ages=101)(crops)
    expected = network.predict_on_batch(crops.astype(np.float32))
    np.testing.assert_allclose(softmax(ages), softmax(expected["age_logits"]), atol=2e-2)


def test_half_precision_weights_load_into_the_network(network, crops, tmp_path):
    path = tmp_path / "half.weights.h5"
    path.write_bytes(to_weights(network))
    other = residual_network(image_size=32, widths=(8, 16), blocks=(0, 1))
    other.load_weights(path)
    expected = network.predict_on_batch(crops.astype(np.float32))
    received = other.predict_on_batch(crops.astype(np.float32))
    np.testing.assert_allclose(received["age_logits"], expected["age_logits"], atol=5e-3)
    with h5py.File(path) as file:
        assert file["layers/conv2d/vars/0"].dtype == np.float16


def test_int8_needs_samples_and_known_precisions(network):
    with pytest.raises(ValueError, match="samples"):
        to_tflite(network, precision="int8")
    with pytest.raises(ValueError, match="int4"):
        to_tflite(network, precision="int4")


def test_a_factor_of_the_input_is_folded_into_the_first_convolution(crops):
    network = dlib_resnet_network(image_size=32, num_ages=11, blocks=(1, 1, 1, 1))
    folded = fold_scaling(network)
    assert not any(isinstance(layer, keras.layers.Rescaling) for layer in folded.layers)
    inputs = crops.astype(np.float32)
    expected, received = network.predict_on_batch(inputs), folded.predict_on_batch(inputs)
    np.testing.assert_allclose(received["age_logits"], expected["age_logits"], rtol=1e-3, atol=1e-4)


def test_a_network_that_shifts_its_input_keeps_its_scaling(network):
    assert fold_scaling(network) is network
