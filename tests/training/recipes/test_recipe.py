from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from asianage import AgeGenderEstimator
from asianage.models.folder import open_model_folder
from asianage.networks.restore import restore_network
from asianage.training import CHAIN_RECIPES, RECIPES, STUDY_RECIPES, ChainRecipe, Cycle, train
from asianage.training.fit.fitting import build_network, check_objective

SIZES = {
    "simple_cnn": {"filters": (4, 4), "units": (8, 4)},
    "vggface": {"units": (8, 4)},
    "compact": {"widths": (4, 8), "blocks": (0, 1)},
    "dlib_resnet": {"blocks": (1, 1, 1, 1)},
    "mobilenet": {},
}


def tiny(recipe):
    return recipe.changed(
        network={**recipe.network, **SIZES[recipe.architecture]}, pretrained="", image_size=32, epochs=1, batch_size=8,
        margin=min(recipe.margin, 4), precision="float32", teacher_weight=0.0, feature_weight=0.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def faces(tiny_records):
    """The small faces, all of ages of the study: 32 for training, 60 for validation, 18 for testing."""
    splits = ["train"] * 32 + ["val"] * 60 + ["test"] * 18
    return [
        replace(record, age=15.0 + record.age % 26, split=split)
        for record, split in zip(tiny_records, splits, strict=True)
    ]


def names():
    """Name every recipe of one network; of two that differ in the gender of the faces only, the larger is run once."""
    for name, recipe in RECIPES.items():
        if recipe.architecture in SIZES:
            yield pytest.param(name, marks=[pytest.mark.slow] if name == "vggface-age-female" else [])


@pytest.mark.parametrize("name", list(names()))
def test_every_recipe_runs_from_faces_to_a_model(name, faces, tmp_path):
    recipe = tiny(RECIPES[name])
    learned_from = [record for record in faces if record.split != "test"]
    estimator = train(recipe, learned_from, tmp_path, detector=None)
    config = AgeGenderEstimator.from_pretrained(tmp_path / "model", detector=None).model.config
    assert config.provenance["recipe"]["name"] == name
    used = [r for r in learned_from if r.split == "train" and recipe.only_gender in ("", r.gender)]
    assert config.provenance["faces"]["train"] == {"tiny": len(used)}
    assert np.isfinite(estimator.predict(faces[0].path)[0].age)


@pytest.mark.parametrize(
    ("name", "measured"), [("simple-cnn-gender", "gender_accuracy"), ("simple-cnn-age-male", "mae")]
)
def test_only_what_was_learned_is_measured(name, measured, faces, tmp_path):
    train(tiny(RECIPES[name]), faces, tmp_path, detector=None)
    overall = json.loads((tmp_path / "model" / "metrics.json").read_text())["test"]["all"]["overall"]
    assert [key for key in ("mae", "gender_accuracy") if overall.get(key) is not None] == [measured]


@pytest.mark.parametrize("name", ["study-simple-cnn", pytest.param("study", marks=pytest.mark.slow)])
def test_the_system_of_the_study_is_trained_by_one_command(name, faces, tmp_path):
    recipe = STUDY_RECIPES[name]
    recipe = recipe.changed(**{part: tiny(value) for part, value in recipe.parts.items()})
    estimator = train(recipe, faces, tmp_path, detector=None, precision="float32")
    paths = [record.path for record in faces[:8]]
    parts = {part: AgeGenderEstimator(open_model_folder(tmp_path / part / "model")) for part in recipe.parts}
    genders = [face.gender for face in parts["gender"].predict_crops(paths)]
    assert [face.gender for face in estimator.predict_crops(paths)] == genders
    assert estimator.model.config.provenance["parts"]["age_male"]["recipe"]["only_gender"] == "male"
    network = restore_network(estimator.model)
    assert network.count_params() == sum(part.model.config.provenance["parameters"] for part in parts.values())


def test_a_chain_trains_each_network_from_those_before(faces, tmp_path, monkeypatch):
    first = RECIPES["compact-label-distribution"].changed(name="first")
    chain = ChainRecipe(
        "chain",
        (
            Cycle(tiny(first)),
            Cycle(tiny(first).changed(name="second", seed=1, teacher_weight=0.5), teachers=("first",)),
            Cycle(tiny(first).changed(name="third", image_size=40), initial="second"),
        ),
    )
    estimator = train(chain, faces, tmp_path, detector=None)
    assert estimator.model.path == tmp_path / "model"
    provenance = estimator.model.config.provenance
    ancestors = provenance["ancestors"]
    second = ancestors[provenance["initial"]]
    assert [provenance["recipe"]["name"], second["recipe"]["name"]] == ["third", "second"]
    assert [ancestors[key]["recipe"]["name"] for key in second["teachers"]] == ["first"]
    assert len(ancestors) == 2
    assert {path.name for path in tmp_path.glob("crops-*")} == {"crops-32-4", "crops-40-4"}
    # Only the last is measured: the split test is for what is published.
    assert list(tmp_path.rglob("model/metrics.json")) == [tmp_path / "model" / "metrics.json"]
    assert not (tmp_path / "first" / "report").exists()
    with pytest.raises(ValueError, match="holds a run of another recipe"):
        train(chain.changed(epochs=2), faces, tmp_path, detector=None)
    # Given again, nothing is trained and no teacher asked.
    monkeypatch.setattr("asianage.training.train_network.ask_teachers", None)
    before = (tmp_path / "best.weights.h5").stat().st_mtime_ns
    again = train(chain, faces, tmp_path, detector=None)
    assert again.predict(faces[0].path)[0].age == estimator.predict(faces[0].path)[0].age
    assert (tmp_path / "best.weights.h5").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (Cycle(RECIPES["compact"]), "name of its own"),
        (Cycle(RECIPES["compact-scratch"], initial="nobody"), "must build on earlier ones. Received: nobody"),
        (Cycle(RECIPES["compact-refine"]), "must have teachers if"),
        (Cycle(RECIPES["compact-scratch"], teachers=("compact",)), "must have teachers if"),
        (Cycle(RECIPES["compact-scratch"].changed(only_gender="male")), "the same genders"),
    ],
)
def test_a_chain_that_does_not_hold_is_refused_before_it_begins(second, problem):
    with pytest.raises(ValueError, match=problem):
        ChainRecipe("broken", (Cycle(RECIPES["compact"]), second))


def test_weights_that_a_later_cycle_needs_are_looked_for_first(faces, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install face_recognition_models"):
        train("compact-release", faces, tmp_path / "run", detector=None)
    assert not (tmp_path / "run").exists()


def test_one_file_cannot_be_the_published_weights_of_two_networks(faces, tmp_path):
    with pytest.raises(ValueError, match=r"`pretrained` is one file.*Leave it out"):
        train("compact-release", faces, tmp_path / "run", detector=None, pretrained=tmp_path / "weights.bin")
    assert not (tmp_path / "run").exists()


def test_the_release_chain_is_made_of_recipes_by_name():
    for cycle in CHAIN_RECIPES["compact-release"].cycles:
        assert RECIPES[cycle.recipe.name] == cycle.recipe


@pytest.mark.parametrize("name", ["gender", "age", "age-male", "age-female"])
def test_simple_cnns_have_the_parameters_of_the_study(name):
    assert build_network(RECIPES[f"simple-cnn-{name}"]).count_params() == 2_588_705


@pytest.mark.parametrize("name", ["vggface-age-male", "vggface-age-female"])
def test_vggface_networks_have_the_parameters_of_the_study(name):
    network = build_network(RECIPES[name])
    assert network.count_params() == 15_371_329
    assert sum(int(np.prod(weight.shape)) for weight in network.non_trainable_weights) == 1_735_488


def test_recipes_have_networks_for_their_objectives():
    for recipe in RECIPES.values():
        check_objective(recipe, build_network(recipe.changed(image_size=32)))


def test_the_heads_are_compared_on_one_schedule():
    heads = [RECIPES[f"compact-{name}"] for name in ("regression", "cross-entropy", "label-distribution", "ordinal")]
    same = [recipe.changed(name="", objective="", network={}) for recipe in heads]
    assert all(recipe == same[0] for recipe in same)
    assert len({(recipe.objective, recipe.network["head"]) for recipe in heads}) == 4
