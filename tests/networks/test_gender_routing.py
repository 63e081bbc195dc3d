from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.models.ages import softmax
from asianage.networks.gender_routing import AreaShrinking, GenderRouting, gender_routing_network
from asianage.networks.simple_cnn import simple_cnn_network
from asianage.training.export.litert import to_weights

SMALL = {"filters": (4, 8), "units": (16, 8)}


@pytest.fixture(scope="module")
def network(crops):
    keras.utils.set_random_seed(0)
    network = gender_routing_network(
        image_size=24,
        age_architecture="simple_cnn",
        gender_image_size=16,
        gender_options=SMALL,
        age_options=SMALL,
    )
    for name, bias in (("age_female", 20.0), ("age_male", 50.0)):
        layer = network.get_layer(name).get_layer("age_years")
        layer.set_weights([100 * layer.get_weights()[0], np.array([bias])])
    # Both genders occur.
    kernel, bias = (gender := network.get_layer("gender").get_layer("gender_logit")).get_weights()
    middle = np.median(network.predict_on_batch(crops(24))["gender_logit"])
    gender.set_weights([10 * kernel, 10 * (bias - middle)])
    return network


def test_the_likelier_gender_chooses_the_age_network():
    female, male = np.zeros((3, 4), dtype=np.float32), np.ones((3, 4), dtype=np.float32)
    gender = np.array([[-0.1], [0.1], [30.0]], dtype=np.float32)
    result = keras.ops.convert_to_numpy(GenderRouting()([gender, female, male]))
    np.testing.assert_allclose(result, [[0] * 4, [1] * 4, [1] * 4], atol=1e-6)


def test_the_system_computes_what_its_parts_compute(network, crops):
    inputs = crops(24)
    outputs = network.predict_on_batch(inputs)
    shrunk = network.get_layer("shrink")(inputs)
    gender = network.get_layer("gender").predict_on_batch(keras.ops.convert_to_numpy(shrunk))["gender_logit"]
    parts = (network.get_layer(name) for name in ("age_female", "age_male"))
    female, male = (part.predict_on_batch(inputs)["age_logits"] for part in parts)
    clear = np.abs(gender[:, 0]) > 0.02
    assert 5 < (gender[clear] > 0).sum() < clear.sum() - 5
    np.testing.assert_allclose(outputs["gender_logit"], gender, rtol=1e-4, atol=1e-5)
    expected = np.where(gender > 0, male, female)
    np.testing.assert_allclose(outputs["age_logits"][clear], expected[clear], rtol=1e-3, atol=1e-3)


def test_trained_parts_take_their_place(network, crops):
    trained = simple_cnn_network(image_size=24, task="age", **SMALL)
    part = network.get_layer("age_male")
    before = part.get_weights()
    part.set_weights(trained.get_weights())
    inputs = crops(24, 4)
    np.testing.assert_allclose(
        part.predict_on_batch(inputs)["age_logits"], trained.predict_on_batch(inputs)["age_logits"], rtol=1e-5
    )
    part.set_weights(before)


def test_the_system_has_the_parameters_of_its_parts():
    network = gender_routing_network(image_size=100, age_architecture="simple_cnn")
    assert network.count_params() == 3 * 2_588_705
    assert [layer.name for layer in network.layers if isinstance(layer, keras.Model)] == [
        "gender",
        "age_female",
        "age_male",
    ]


@pytest.mark.parametrize(("quantization", "tolerance"), [("float32", 1e-4), ("int8", 0.1)])
def test_the_exported_system_computes_what_the_network_computes(network, crops, exported, quantization, tolerance):
    inputs = crops(24)
    expected = network.predict_on_batch(inputs)
    ages, genders = exported(network, inputs, quantization)
    clear = np.abs(expected["gender_logit"][:, 0]) > 0.5
    np.testing.assert_allclose(genders, expected["gender_logit"][:, 0], atol=10 * tolerance)
    errors = np.abs(softmax(ages) @ np.arange(101) - softmax(expected["age_logits"]) @ np.arange(101))
    assert errors[clear].mean() < 10 * tolerance


def test_its_weights_go_through_a_file(network, crops, tmp_path):
    path = tmp_path / "half.weights.h5"
    path.write_bytes(to_weights(network))
    other = gender_routing_network(
        image_size=24, age_architecture="simple_cnn", gender_image_size=16, gender_options=SMALL, age_options=SMALL
    )
    other.load_weights(path)
    for received, expected in zip(other.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-4)


def test_shrinking_takes_the_mean_of_the_area():
    image = np.random.default_rng(0).uniform(0, 255, (2, 6, 6, 3)).astype(np.float32)
    halves = keras.ops.convert_to_numpy(AreaShrinking(6, 3)(image))
    np.testing.assert_allclose(halves, image.reshape(2, 3, 2, 3, 2, 3).mean(axis=(2, 4)), rtol=1e-5)
    row = np.repeat([10.0, 20.0, 40.0], 3)[None, None, :].reshape(1, 1, 3, 3).repeat(3, axis=1).astype(np.float32)
    # Each new pixel covers one and a half old ones, across and down.
    shrunk = keras.ops.convert_to_numpy(AreaShrinking(3, 2)(row))
    np.testing.assert_allclose(shrunk[0, :, :, 0], [[40 / 3, 100 / 3]] * 2, rtol=1e-5)
    turned = keras.ops.convert_to_numpy(AreaShrinking(3, 2)(row.transpose(0, 2, 1, 3)))
    np.testing.assert_allclose(turned, shrunk.transpose(0, 2, 1, 3), rtol=1e-5)


def test_impossible_systems_are_refused():
    with pytest.raises(ValueError, match=r"simple_cnn, vggface\. Received: 'residual'"):
        gender_routing_network(age_architecture="residual")
    with pytest.raises(ValueError, match="Received: 100 and 64"):
        gender_routing_network(image_size=64, age_architecture="simple_cnn")
