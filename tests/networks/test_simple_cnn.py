"""test_gender_routing.py exports these networks, as parts of the whole, and takes their weights through a file."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.networks.heads import training_network
from asianage.networks.simple_cnn import simple_cnn_network

SMALL = {"image_size": 24, "filters": (4, 8), "units": (16, 8)}


@pytest.mark.parametrize("task", ["age", "gender"])
def test_the_studys_networks_have_2588705_parameters(task):
    network = simple_cnn_network(task=task)
    assert network.count_params() == 2_588_705
    assert training_network(network).count_params() == 2_588_705
    assert all(weight.trainable for weight in network.weights)
    shapes = [tuple(weight.shape) for weight in network.weights if len(weight.shape) > 1]
    assert shapes == [(3, 3, 3, 64), (3, 3, 64, 32), (25 * 25 * 32, 128), (128, 64), (64, 1)]


@pytest.mark.parametrize(("task", "rates"), [("age", [0.5, 0.5]), ("gender", [0.5, 0.25, 0.5])])
def test_the_age_network_lacks_the_middle_dropout(task, rates):
    layers = simple_cnn_network(task=task, **SMALL).layers
    assert [layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)] == rates


def test_each_network_trains_its_own_task_and_leaves_the_other_undecided(crops):
    inputs = crops(24, 6)
    age = simple_cnn_network(task="age", **SMALL)
    assert {name: tuple(value.shape) for name, value in training_network(age).output.items()} == {
        "age_years": (None, 1)
    }
    assert not age.predict_on_batch(inputs)["gender_logit"].any()
    gender = simple_cnn_network(task="gender", num_ages=26, **SMALL)
    assert set(training_network(gender).output) == {"gender_logit"}
    outputs = gender.predict_on_batch(inputs)
    assert outputs["gender_logit"].std() > 0
    np.testing.assert_array_equal(outputs["age_logits"], np.zeros((6, 26)))


def test_scaling_is_part_of_the_network():
    network = simple_cnn_network(**SMALL)
    scale = keras.Model(network.input, network.get_layer("scale").output)
    np.testing.assert_allclose(scale.predict_on_batch(np.full((1, 24, 24, 3), 255.0)), 1.0, rtol=1e-6)


def test_one_network_learns_one_task():
    with pytest.raises(ValueError, match="Received: 'both'"):
        simple_cnn_network(task="both")
    with pytest.raises(ValueError, match="Received: 2"):
        simple_cnn_network(image_size=2)
