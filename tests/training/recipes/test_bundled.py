from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.data.crop_cache import CropCache
from asianage.data.records import FaceRecord
from asianage.models.folder import BUNDLED
from asianage.networks.pretrained import PRETRAINED
from asianage.training import train
from asianage.training.fit.age_gender import fit_network
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
    values["augmentation"]["grey"] = values["augmentation"].pop("gray")
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


def tiny(recipe):
    return replace(
        recipe,
        network={**recipe.network, **TINY_NETWORKS[recipe.architecture]},
        faces=replace(recipe.faces, image_size=32, margin=4),
    )


@pytest.mark.parametrize("name", STAGES)
def test_every_recipe_builds_its_network_and_names_known_weights(name):
    network = build_network(tiny(STAGES[name]))
    assert network.output["age_logits"].shape == (None, 101)
    assert STAGES[name].pretrained in {"", *PRETRAINED}


def test_a_network_of_the_first_stage_is_fitted(tmp_path):
    recipe = replace(tiny(bundled.DLIB), epochs=1, batch_size=8)
    crops = np.random.default_rng(0).integers(0, 256, (16, 40, 40, 3), dtype=np.uint8)
    records = [FaceRecord(Path(f"{i}.png"), 20.0 + i, ("female", "male")[i % 2]) for i in range(16)]
    known = np.ones(16, dtype=bool)
    cache = CropCache(records, crops, known, 32, 4)
    best = fit_network(recipe, build_network(recipe), cache, np.arange(8), np.arange(8, 16), tmp_path)
    assert best.is_file()


def test_weights_that_a_later_stage_needs_are_looked_for_first(tiny_records, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install face_recognition_models"):
        train("bundled-models", tiny_records, tmp_path / "run", detector=None)
    assert not (tmp_path / "run").exists()


def test_one_file_cannot_be_the_published_weights_of_two_networks(tiny_records, tmp_path):
    with pytest.raises(ValueError, match=r"`pretrained` is one file.*Leave it out"):
        train("bundled-models", tiny_records, tmp_path / "run", detector=None, pretrained=tmp_path / "weights.bin")
    assert not (tmp_path / "run").exists()
