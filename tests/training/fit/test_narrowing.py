from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.models.pretrained import open_model
from asianage.networks import mobilenet
from asianage.networks.mobilenet import mobilenet_network
from asianage.training.fit import narrowing
from asianage.training.fit.narrowing import narrow
from tests.training.tiny_recipe import TINY

SIZE = 32


@pytest.fixture
def few_blocks(monkeypatch):
    """MobileNets of three blocks."""
    for module in (mobilenet, narrowing):
        monkeypatch.setattr(module, "BLOCKS", ((32, 1), (64, 2), (64, 1)))


@pytest.fixture
def faces():
    random = np.random.default_rng(0)
    return random.integers(0, 256, (120, SIZE // 4, SIZE // 4, 3), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)


def explained(network, wide, crops) -> float:
    """Return which share of the variance of the logits of one network those of another explain."""
    ours, theirs = (model.predict_on_batch(crops.astype(np.float32))["age_logits"] for model in (network, wide))
    return 1.0 - float(np.square(ours - theirs).sum() / np.square(theirs - theirs.mean(axis=0)).sum())


def networks(alpha):
    wide, network = (mobilenet_network(image_size=SIZE, num_ages=21, dropout=0.0, alpha=one) for one in (1.0, alpha))
    random = np.random.default_rng(1)
    # Large enough that activations reach their limit.
    wide.set_weights([random.normal(0.0, 0.4, weights.shape) for weights in wide.get_weights()])
    return network, wide


@pytest.mark.usefixtures("few_blocks")
def test_a_network_of_the_same_width_computes_the_same(faces):
    network, wide = networks(1.0)
    narrow(network, wide, faces)
    assert explained(network, wide, faces) > 0.99


@pytest.mark.usefixtures("few_blocks")
def test_filters_that_say_nothing_are_what_a_narrower_network_lacks(faces):
    network, wide = networks(0.5)
    random = np.random.default_rng(2)
    for name, filters in (("stem", 32), ("block1_pointwise", 32), ("block2_pointwise", 64), ("block3_pointwise", 64)):
        kernel, bias = wide.get_layer(name).get_weights()
        silent = random.permutation(filters)[filters // 2 :]
        kernel[..., silent], bias[silent] = 0.0, -1.0
        wide.get_layer(name).set_weights([kernel, bias])
    for block in (1, 2, 3):
        layer = wide.get_layer(f"block{block}_depthwise")
        layer.set_weights([layer.get_weights()[0], np.zeros(layer.get_weights()[1].shape)])
    narrow(network, wide, faces)
    assert explained(network, wide, faces) > 0.99


@pytest.mark.usefixtures("few_blocks")
def test_a_narrowed_network_is_closer_than_the_first_filters_of_the_wide_one(faces):
    network, wide = networks(0.75)
    narrow(network, wide, faces)
    fitted = explained(network, wide, faces)
    for layer in (layer for layer in network.layers if layer.weights):
        arrays = zip(layer.get_weights(), wide.get_layer(layer.name).get_weights(), strict=True)
        layer.set_weights([whole[tuple(map(slice, part.shape))] for part, whole in arrays])
    assert fitted > explained(network, wide, faces) + 0.2


def test_only_a_smaller_width_multiplier_is_narrower():
    config = open_model("accurate").config
    half = replace(TINY, architecture="mobilenet", network={"alpha": 0.5})
    assert narrowing.is_narrower(half, config)
    assert not narrowing.is_narrower(replace(half, network={}), config)
    assert not narrowing.is_narrower(TINY, config)
