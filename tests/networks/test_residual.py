"""tests/training/export/test_litert.py exports this network."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.networks.heads import HEADS, training_network
from asianage.networks.residual import residual_network


def test_the_outputs_are_logits_of_the_stated_shapes():
    network = residual_network(image_size=48, num_ages=7, widths=(4, 8), blocks=(1, 0))
    outputs = network.predict_on_batch(np.zeros((3, 48, 48, 3), dtype=np.float32))
    assert outputs["age_logits"].shape == (3, 7)
    assert outputs["gender_logit"].shape == (3, 1)


def test_scaling_is_part_of_the_network():
    network = residual_network(image_size=32, widths=(4,), blocks=(0,))
    scale = keras.Model(network.input, network.get_layer("scale").output)
    crops = np.array([0.0, 127.5, 255.0], dtype=np.float32)[:, None, None, None] * np.ones((3, 32, 32, 3), np.float32)
    np.testing.assert_allclose(scale.predict_on_batch(crops)[:, 0, 0, 0], [-1, 0, 1], atol=1e-6)


def test_the_layers_and_the_order_of_the_weights_are_those_of_published_models():
    network = residual_network(image_size=32, num_ages=7, widths=(4,), blocks=(1,))
    norm = ("gamma", "beta", "moving_mean", "moving_variance")
    assert [(weight.path, tuple(weight.shape)) for weight in network.weights] == [
        ("stage1_down/kernel", (3, 3, 3, 4)),
        *((f"stage1_down_norm/{name}", (4,)) for name in norm),
        ("stage1_block1_conv1/kernel", (3, 3, 4, 4)),
        *((f"stage1_block1_conv1_norm/{name}", (4,)) for name in norm),
        ("stage1_block1_conv2/kernel", (3, 3, 4, 4)),
        *((f"stage1_block1_conv2_norm/{name}", (4,)) for name in norm),
        ("age_logits/kernel", (4, 7)),
        ("age_logits/bias", (7,)),
        ("gender_logit/kernel", (4, 1)),
        ("gender_logit/bias", (1,)),
    ]


def test_heads_stay_in_float32_under_mixed_precision():
    with_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        networks = [residual_network(image_size=32, widths=(4,), blocks=(0,), head=head) for head in HEADS]
    finally:
        keras.config.set_dtype_policy(with_policy)
    for network in networks:
        assert {str(tensor.dtype) for tensor in network.output.values()} == {"float32"}
        assert {str(tensor.dtype) for tensor in training_network(network).output.values()} == {"float32"}
        assert np.isfinite(network.predict_on_batch(np.zeros((1, 32, 32, 3)))["age_logits"]).all()
