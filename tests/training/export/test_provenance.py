from __future__ import annotations

import subprocess

import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.models.config import ModelConfig
from asianage.models.folder import ModelFolder
from asianage.training.export.provenance import ancestry, commit, frozen_parameters


def test_frozen_parameters_are_those_that_no_step_changes():
    inputs = keras.Input((3,))
    frozen = keras.layers.Dense(4, name="frozen")
    x = keras.layers.BatchNormalization()(frozen(inputs))
    network = keras.Model(inputs, keras.layers.Dense(1)(x))
    assert frozen_parameters(network) == 0
    frozen.trainable = False
    assert frozen_parameters(network) == 3 * 4 + 4


def model(name, tmp_path, **before):
    provenance = {"recipe": {"name": name}, **before}
    return ModelFolder(tmp_path, ModelConfig(name=name, architecture="a", image_size=96, provenance=provenance))


def test_the_commit_is_that_of_the_package_and_not_of_a_repository_around_it(tmp_path, monkeypatch):
    def run(*command):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True, capture_output=True)

    run("init")
    run("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--allow-empty", "-m", "first")
    for place in ("asianage", "site-packages/asianage"):
        (tmp_path / place).mkdir(parents=True)
        monkeypatch.setattr("asianage.__file__", str(tmp_path / place / "__init__.py"))
        assert len(commit()) == (40 if place == "asianage" else 0)


def test_a_model_that_is_met_twice_is_named_once(tmp_path):
    first = model("first", tmp_path)
    second = model("second", tmp_path, **ancestry(first))
    third = ancestry(second, [first, second])
    names = {key: run["recipe"]["name"] for key, run in third["ancestors"].items()}
    assert sorted(names.values()) == ["first", "second"]
    assert [names[key] for key in (third["initial"], *third["teachers"])] == ["second", "first", "second"]
    above = third["ancestors"][third["initial"]]
    assert (names[above["initial"]], above["teachers"], "ancestors" in above) == ("first", [], False)


def test_models_of_one_name_that_differ_are_two(tmp_path):
    runs = [model("same", tmp_path, parameters=count) for count in (1, 2)]
    assert len(ancestry(None, runs)["ancestors"]) == 2
    assert ancestry(None) == {"initial": None, "teachers": [], "ancestors": {}}
