from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow")

from asianage import model_folder
from asianage.ages import AgeAxis, expected_age, softmax
from asianage.runtime import LiteRTNetwork
from asianage.training import RECIPES
from asianage.training.restoring import restore_network


@pytest.fixture(scope="module")
def bundled():
    return model_folder.open_model_folder(model_folder.BUNDLED / "compact")


def test_the_bundled_models_metadata_is_true(bundled):
    provenance = bundled.config.provenance
    assert restore_network(bundled).count_params() == provenance["parameters"]
    assert json.loads(json.dumps(RECIPES["compact-distill"].to_dict())) == provenance["recipe"]
    teachers = [teacher["recipe"]["name"] for teacher in provenance["teachers"]]
    assert teachers == ["compact-large", "compact-refine", "compact-scratch-refine"]
    metrics = json.loads(bundled.file(model_folder.METRICS).read_text("utf-8"))
    assert set(metrics["test"]["datasets"]) == set(provenance["faces"]["train"])


def test_the_bundled_network_says_what_its_weights_say(bundled):
    config = bundled.config
    # Smooth light and shadow: on noise, which no face resembles, eight bits and floating point part.
    y, x = np.mgrid[:96, :96]
    light = [200 - ((x - 48) ** 2 + (y - 48 + 3 * number) ** 2) // (20 + 3 * number) for number in range(6)]
    crops = np.repeat(np.stack(light)[..., None], 3, axis=3).clip(0, 255).astype(np.uint8)
    size, axis = config.image_size, AgeAxis(config.min_age, config.max_age)
    crops = np.stack([cv2.resize(crop, (size, size)) for crop in crops])
    exported, _ = LiteRTNetwork(bundled.file(model_folder.NETWORK), image_size=size, num_ages=axis.num_ages)(crops)
    expected = restore_network(bundled).predict_on_batch(crops.astype(np.float32))["age_logits"]
    apart = np.abs(expected_age(axis, softmax(exported)) - expected_age(axis, softmax(expected)))
    # On real faces eight bits move an age by less; `tests/benchmarks/precisions.py` measures what that costs.
    assert apart.mean() < 2.0
    assert apart.max() < 4.0
