from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from asianage import AgeGenderEstimator
from asianage.training import RECIPES, train
from asianage.training.records import write_records

TINY = RECIPES["compact-scratch"].changed(
    network={"widths": (8, 16), "blocks": (0, 1)}, image_size=32, margin=4, epochs=12, batch_size=10,
    learning_rate=1e-2, ema_momentum=0.8, precision="float32",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tiny_records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    table = folder / "faces.csv"
    write_records(tiny_records, table)
    return train(TINY, table, folder / "run", detector=None), folder / "run"


def test_training_returns_an_estimator_that_has_learned(run, tiny_records):
    estimator, _ = run
    test = [record for record in tiny_records if record.split == "test"]
    faces = estimator.predict_crops([record.path for record in test])
    assert np.mean([face.gender == record.gender for face, record in zip(faces, test, strict=True)]) > 0.8
    assert np.mean([abs(face.age - record.age) for face, record in zip(faces, test, strict=True)]) < 15


def test_the_folder_is_a_model_with_true_metadata(run, tiny_records):
    estimator, folder = run
    again = AgeGenderEstimator.from_pretrained(folder / "model", detector=None)
    config = again.model.config
    assert config.provenance["recipe"]["name"] == "compact-scratch"
    assert config.provenance["faces"] == {"train": {"tiny": 60}, "val": {"tiny": 30}}
    picture = tiny_records[0].path
    assert again.predict(picture)[0].age == estimator.predict(picture)[0].age


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


def test_calling_again_changes_nothing(run, tiny_records):
    _, folder = run
    before = (folder / "model" / "model.weights.h5").read_bytes()
    train(TINY, tiny_records, folder, detector=None)
    assert (folder / "model" / "model.weights.h5").read_bytes() == before


def test_a_run_can_begin_with_the_weights_of_a_model(run, tiny_records, tmp_path):
    _, folder = run
    recipe = TINY.changed(name="more", epochs=1, learning_rate=1e-6)
    train(recipe, tiny_records, tmp_path / "run", initial=folder / "model", detector=None)
    first = (tmp_path / "run" / "history.csv").read_text().splitlines()[1].split(",")[-1]
    last = (folder / "history.csv").read_text().splitlines()[-1].split(",")[-1]
    assert float(first) == pytest.approx(float(last), abs=3.0)
    config = AgeGenderEstimator.from_pretrained(tmp_path / "run" / "model", detector=None).model.config
    assert config.provenance["initial"]["recipe"]["name"] == "compact-scratch"


def test_unknown_recipes_and_missing_splits_are_explained(tiny_records, tmp_path):
    with pytest.raises(ValueError, match="compact"):
        train("resnet", tiny_records, tmp_path)
    unsplit = [dataclasses.replace(record, split="") for record in tiny_records]
    with pytest.raises(ValueError, match="must have a split"):
        train(TINY, unsplit, tmp_path, detector=None)
