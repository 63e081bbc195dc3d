from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.errors import ModelFormatError
from asianage.models.config import ModelConfig
from asianage.networks import backbones
from asianage.networks.backbones import register_backbone
from asianage.networks.heads import RAW_OUTPUTS, features_network, learned_tasks, training_network
from asianage.networks.registry import build_network, head_of, tasks_of
from asianage.networks.restore import build_from_config


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(backbones, "REGISTERED", known := {})
    monkeypatch.setattr("asianage.networks.registry.REGISTERED", known)

    @register_backbone("mine")
    def mine(crops, *, width=4):
        return keras.layers.Conv2D(width, 3, strides=4, name="conv")(keras.layers.Rescaling(1 / 255)(crops))

    @register_backbone("flat")
    def flat(crops):
        return keras.layers.Dense(6)(keras.layers.Flatten()(crops))

    return mine


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(("name", "width"), [("mine", 5), ("flat", 6)])
def test_a_function_becomes_an_architecture_with_every_head_and_task(name, width):
    arguments = {"head": "ordinal", "task": "age", "dropout": 0.3, **({"width": 5} if name == "mine" else {})}
    network = build_network(name, image_size=16, num_ages=26, min_age=15, **arguments)
    outputs = network.predict_on_batch(np.zeros((2, 16, 16, 3), dtype=np.float32))
    assert {key: value.shape for key, value in outputs.items()} == {"age_logits": (2, 26), "gender_logit": (2, 1)}
    assert tasks_of(name, arguments) == learned_tasks(network) == {"age"}
    assert set(training_network(network).output) == {RAW_OUTPUTS[head_of(name, arguments)]}
    assert features_network(network).output.shape == (None, width)


@pytest.mark.usefixtures("registered")
def test_a_model_folder_names_it_and_an_unknown_one_is_explained():
    config = ModelConfig(name="a", architecture="mine", network={"width": 3}, image_size=16)
    assert build_from_config(config).get_layer("conv").filters == 3
    missing = ModelConfig(name="a", architecture="theirs", network={}, image_size=16)
    with pytest.raises(ModelFormatError, match=r"register it first: import its module.*--register"):
        build_from_config(missing)


@pytest.mark.usefixtures("registered")
def test_arguments_that_it_does_not_take_are_refused():
    with pytest.raises(ValueError, match="'mine' has no option depth"):
        build_network("mine", image_size=16, num_ages=5, depth=3)
    with pytest.raises(ValueError, match="must not have arguments of the network: head"):
        register_backbone("bad")(lambda crops, *, head="x": crops)
    with pytest.raises(ValueError, match="`name` must be a word"):
        register_backbone("two words")
