from __future__ import annotations

import itertools
import json

import cv2
import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.models import folder as model_folder
from asianage.models.ages import expected_age, softmax
from asianage.models.litert import LiteRTNetwork
from asianage.networks.restore import restore_network

RELEASED = {
    "compact": ("compact-mobilenet", "mobilenet-refine", ["mobilenet-refine"]),
    "accurate": ("mobilenet-refine", "mobilenet", ["mobilenet", "compact-distill-refine"]),
}
"""Bundled model -> its recipe, the one that it began with, and those that it learned from."""


@pytest.fixture(scope="module", params=RELEASED)
def bundled(request):
    return model_folder.open_model_folder(model_folder.BUNDLED / request.param)


def test_every_bundled_model_is_tested():
    assert set(model_folder.bundled_names()) == set(RELEASED)


def test_the_bundled_models_metadata_is_true(bundled):
    recipe, *before = RELEASED[bundled.config.name]
    provenance = bundled.config.provenance
    assert restore_network(bundled).count_params() == provenance["parameters"]
    assert provenance["recipe"]["name"] == recipe
    names = {key: ancestor["recipe"]["name"] for key, ancestor in provenance["ancestors"].items()}
    assert [names.get(provenance["initial"]), [names[key] for key in provenance["teachers"]]] == before
    metrics = json.loads(bundled.read(model_folder.METRICS))
    assert set(metrics["test"]["datasets"]) == set(provenance["faces"]["train"])


def test_the_bundled_network_says_what_its_weights_say(bundled, hopper):
    config = bundled.config
    size, axis = config.image_size, config.axis
    # A real face, looked at from here and there: on pictures that resemble none, eight bits and floating point part.
    crops = []
    for x, y, side in itertools.product((260, 268, 276), (214, 222, 230), (206, 230, 254)):
        face = hopper[y - side // 2 : y + side // 2, x - side // 2 : x + side // 2]
        crops.append(cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA))
    crops = np.stack(crops)
    content = bundled.read(model_folder.NETWORK)
    exported = LiteRTNetwork(content, source="bundled", image_size=size, num_ages=axis.num_ages)(crops)
    outputs = restore_network(bundled).predict_on_batch(crops.astype(np.float32))
    ages = [expected_age(axis, softmax(logits)) for logits in (exported[0], outputs["age_logits"])]
    np.testing.assert_allclose(*ages, atol=1.0)
    np.testing.assert_allclose(exported[1], outputs["gender_logit"][:, 0], atol=0.5)
