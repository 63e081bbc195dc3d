from __future__ import annotations

import dataclasses
import importlib
import json
import shutil

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage import AgeGenderEstimator
from asianage.data.split_file import read_split
from asianage.data.splits import identity_split
from asianage.training import train
from tests.training.tiny_recipe import TINY


@pytest.fixture
def run(tiny_run):
    return AgeGenderEstimator(tiny_run / "model", detector=None), tiny_run


def test_training_writes_a_model_that_has_learned(run, tiny_records):
    estimator, _ = run
    test = [record for record in tiny_records if record.split == "test"]
    faces = estimator.predict_crops([record.path for record in test], align=False)
    assert np.mean([face.gender == record.gender for face, record in zip(faces, test, strict=True)]) >= 0.8
    assert np.mean([abs(face.age - record.age) for face, record in zip(faces, test, strict=True)]) < 15


def test_the_model_has_true_metadata(run):
    config = run[0].model.config
    assert config.provenance["recipe"] == TINY.to_dict()
    assert config.provenance["faces"] == {"train": {"tiny": 60}, "val": {"tiny": 30}}


def test_metrics_are_those_of_the_estimator_on_the_test_part(run, tiny_records):
    estimator, folder = run
    test = [record for record in tiny_records if record.split == "test"]
    errors = [abs(estimator.predict(record.path)[0].age - record.age) for record in test]
    metrics = json.loads((folder / "model" / "metrics.json").read_text("utf-8"))
    assert metrics["test"]["all"]["overall"]["mae"] == pytest.approx(np.mean(errors), abs=1e-3)
    assert metrics["test"]["all"]["overall"]["faces"] == 20


def test_the_run_tells_what_it_did(run):
    _, folder = run
    assert (folder / "left_out.csv").is_file()
    assert len((folder / "history.csv").read_text().splitlines()) == 13
    assert json.loads((folder / "recipe.json").read_text())["epochs"] == 12
    assert "tiny" in (folder / "model" / "README.md").read_text("utf-8")


def test_missing_splits_are_explained(tiny_records, tmp_path):
    unsplit = [dataclasses.replace(record, split="") for record in tiny_records]
    with pytest.raises(ValueError, match="must have a split"):
        train(TINY, unsplit, tmp_path, detector=None)


@pytest.mark.parametrize(
    ("split", "measured_on"), [("study", "val"), ("random", "val"), ("identity", "test"), ("predefined", "test")]
)
def test_the_split_decides_what_is_measured(split, measured_on, tiny_records, tmp_path, monkeypatch):
    given = []

    def train_nothing(recipe, records, run, **options):
        given.append((records, options["measured_on"]))
        return AgeGenderEstimator(detector=None)

    module = importlib.import_module("asianage.training.train")
    monkeypatch.setattr(module, "train_network", train_nothing)
    faces = [dataclasses.replace(record, age=15.0 + record.age % 26) for record in tiny_records]
    train(TINY, faces, tmp_path, split=split, fold=int(split == "identity"), detector=None)
    [(records, measured)] = given
    assert measured == measured_on
    assert {"train", measured_on} <= {record.split for record in records}
    if split == "identity":
        assert records == identity_split(faces, fold=1)
        assert read_split(tmp_path / "split.csv", faces[0].path.parent) == records


def test_a_run_does_not_go_on_with_other_faces_another_recipe_or_another_model(run, tiny_records, tmp_path):
    _, folder = run
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    with pytest.raises(ValueError, match="`seed` was 0 and is 1"):
        train(dataclasses.replace(TINY, seed=1), tiny_records, folder, detector=None)
    with pytest.raises(ValueError, match="other faces or another split"):
        train(TINY, tiny_records[1:], folder, detector=None)
    other = shutil.copytree(folder / "model", tmp_path / "other")
    with pytest.raises(ValueError, match="`initial` was null and is "):
        train(TINY, tiny_records, folder, initial=other, detector=None)
    with pytest.raises(ValueError, match="must not replace what it reads"):
        train(TINY, tiny_records, folder, initial=folder / "model", detector=None)
    assert {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()} == before


def only(gender):
    return lambda records: [record for record in records if record.gender == gender]


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (only("male"), {}, ValueError, "Received: male only"),
        (list, {"dataset": "afad"}, ValueError, "Data sets: tiny"),
        (list, {"split": "chance"}, ValueError, "identity, random, study, predefined"),
        (list, {"split": "identity", "fold": 5}, ValueError, "fold"),
        (lambda faces: [dataclasses.replace(r, path=r.path / "x.png") for r in faces], {}, FileNotFoundError, "110 of"),
        (lambda faces: [dataclasses.replace(r, age=None, gender=None) for r in faces], {}, ValueError, "No face is"),
    ],
)  # fmt: skip
def test_unusable_faces_leave_nothing_behind(change, options, error, message, tiny_records, tmp_path):
    with pytest.raises(error, match=message):
        train(TINY, change(tiny_records), tmp_path / "run", detector=None, **options)
    assert not (tmp_path / "run" / "model").exists()
    assert not list(tmp_path.rglob("*.partial"))
    assert not list(tmp_path.rglob("*.h5"))


@pytest.mark.parametrize("age", ["old", "-1", "200"])
def test_a_table_with_an_impossible_age_is_refused_with_its_line(age, tmp_path):
    table = tmp_path / "faces.csv"
    table.write_text(f"file,age\na.png,20\nb.png,{age}\n")
    with pytest.raises(ValueError, match="line 3: `age` must be a number"):
        train(TINY, table, tmp_path / "run", detector=None)
    assert not (tmp_path / "run").exists()


def test_folders_that_are_not_there_or_hold_no_faces_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="not there"):
        train(TINY, tmp_path / "data", tmp_path / "run", detector=None)
    (tmp_path / "data").mkdir()
    with pytest.raises(ValueError, match="holds no pictures"):
        train(TINY, tmp_path / "data", tmp_path / "run", detector=None)
    assert not (tmp_path / "run").exists()


def test_settings_change_the_recipe_and_more_epochs_go_on(run, tiny_records, tmp_path, monkeypatch):
    given = []

    def train_nothing(recipe, records, run, **options):
        given.append(recipe)
        return AgeGenderEstimator(detector=None)

    monkeypatch.setattr(importlib.import_module("asianage.training.train"), "train_network", train_nothing)
    train(TINY, tiny_records, tmp_path, epochs=2, seed=3, batch_size=5, learning_rate=1e-3, detector=None)
    [recipe] = given
    assert (recipe.epochs, recipe.seed, recipe.batch_size, recipe.optimizer.learning_rate) == (2, 3, 5, 1e-3)
    train(TINY, tiny_records, run[1], epochs=TINY.epochs + 1, detector=None)
    with pytest.raises(ValueError, match="`epochs` was 12 and is 11"):
        train(TINY, tiny_records, run[1], epochs=TINY.epochs - 1, detector=None)
