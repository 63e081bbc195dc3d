from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from asianage import model_folder
from asianage.networks.compact import compact_network


def test_the_outputs_are_logits_of_the_stated_shapes():
    network = compact_network(image_size=48, num_ages=7, widths=(4, 8), blocks=(1, 0))
    outputs = network.predict_on_batch(np.zeros((3, 48, 48, 3), dtype=np.float32))
    assert outputs["age_logits"].shape == (3, 7)
    assert outputs["gender_logit"].shape == (3, 1)


def test_scaling_is_part_of_the_network():
    network = compact_network(image_size=32, widths=(4,), blocks=(0,))
    scale = keras.Model(network.input, network.get_layer("scale").output)
    crops = np.array([0.0, 127.5, 255.0], dtype=np.float32)[:, None, None, None] * np.ones((3, 32, 32, 3), np.float32)
    np.testing.assert_allclose(scale.predict_on_batch(crops)[:, 0, 0, 0], [-1, 0, 1], atol=1e-6)


def test_the_bundled_models_metadata_is_true():
    model = model_folder.open_model_folder(model_folder.BUNDLED / "compact")
    config = model.config
    network = compact_network(
        image_size=config.image_size, num_ages=config.max_age - config.min_age + 1, **config.network
    )
    assert network.count_params() == config.provenance["parameters"]
    network.load_weights(model.file(model_folder.WEIGHTS))
    json.loads(model.file(model_folder.METRICS).read_text("utf-8"))
