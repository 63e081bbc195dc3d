from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.training.fit.network import build_network, freeze_layers, trained_network, transfer_weights
from tests.training.tiny_recipe import TINY

SMALL = replace(TINY, network={"widths": (4,), "blocks": (0,)})


def residual(blocks, image_size):
    faces = replace(TINY.faces, image_size=image_size)
    return build_network(replace(TINY, network={"widths": (4, 8), "blocks": blocks}, faces=faces))


def trainable(network):
    return {layer.name: layer.trainable for layer in network.layers if layer.weights}


def test_a_network_is_built_from_the_seed_in_the_policy_of_its_recipe():
    networks = [build_network(recipe) for recipe in (SMALL, SMALL, replace(SMALL, seed=1))]
    first, again, other = (network.get_layer("age_logits").get_weights()[0] for network in networks)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    mixed = build_network(replace(SMALL, dtype_policy="mixed_bfloat16"))
    assert {layer.compute_dtype for layer in mixed.layers} == {"bfloat16", "float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_a_trained_network_is_handed_on_and_only_built_again_in_float32(tmp_path):
    mixed = build_network(replace(SMALL, dtype_policy="mixed_bfloat16"))
    mixed.save_weights(tmp_path / "best.weights.h5")
    network = build_network(replace(SMALL, seed=1))
    assert trained_network(SMALL, network, tmp_path / "best.weights.h5") is network
    plain = trained_network(replace(SMALL, dtype_policy="mixed_bfloat16"), mixed, tmp_path / "best.weights.h5")
    assert {layer.compute_dtype for layer in plain.layers} == {"float32"}
    for found in (network, plain):
        for one, two in zip(found.get_weights(), mixed.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_deeper_network_for_larger_crops_gives_its_layers():
    deep, shallow = residual((2, 1), 48), residual((1, 1), 32)
    transfer_weights(shallow, deep)
    for layer in shallow.layers:
        for mine, theirs in zip(layer.get_weights(), deep.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    with pytest.raises(ValueError, match=r"layer 'stage1_block2_conv1' has weights of the shapes \[\] instead"):
        transfer_weights(deep, shallow)


def test_layers_are_frozen_by_name():
    plain = trainable(build_network(SMALL))
    assert all(plain.values())
    backbone = trainable(build_network(replace(SMALL, freeze=("backbone",))))
    assert {name for name, moves in backbone.items() if moves} == {"age_logits", "gender_logit"}
    first = next(iter(plain))
    assert [name for name, moves in trainable(build_network(replace(SMALL, freeze=(first,)))).items() if not moves] == [
        name for name in plain if name.startswith(first)
    ]
    normalizations = trainable(build_network(replace(SMALL, freeze_normalization=True)))
    assert {name for name, moves in normalizations.items() if not moves} == {
        layer.name for layer in build_network(SMALL).layers if isinstance(layer, keras.layers.BatchNormalization)
    }


@pytest.mark.parametrize(
    ("names", "problem"),
    [(("nothing",), "Received: 'nothing'. Layers: .*age_logits"), (("",), "must leave layers to train")],
)
def test_what_cannot_be_frozen_is_refused(names, problem):
    with pytest.raises(ValueError, match=problem):
        freeze_layers(build_network(SMALL), names)
