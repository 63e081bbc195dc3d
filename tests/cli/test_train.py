from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage import AgeGenderEstimator
from asianage.cli import main
from asianage.data.split_file import read_split


def test_a_recipe_is_trained_as_the_options_say(trained, tiny_records):
    run, printed = trained
    assert printed == f"model: {run / 'model'}\n"
    model = AgeGenderEstimator(run / "model", detector=None).model
    assert model.config.name == "small"
    assert model.config.provenance["recipe"]["epochs"] == 1
    records = read_split(run / "split.csv", tiny_records[0].path.parent)
    assert {record.split for record in records} == {"train", "val", "test"}
    metrics = json.loads(model.read("metrics.json"))
    assert metrics["test"]["all"]["overall"]["faces"] == sum(record.split == "test" for record in records)


def test_a_baseline_is_measured_on_a_list_alone(tmp_path, capsys):
    table = tmp_path / "AFAD-Full.txt"
    table.write_text("./20/111/1-0.jpg\n./30/111/2-0.jpg\n./25/112/3-0.jpg\n")
    assert main(["train", "age-baseline", str(table), str(tmp_path / "run")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["metrics"]["male"] == {"faces": 2, "mean_age": 25.0, "mae": 5.0}
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == printed


@pytest.mark.parametrize(
    ("recipe", "given", "message"),
    [
        ("detector", ["--seed", "5", "--batch-size", "3"], "'detector' does not take --batch-size, --seed"),
        ("detector", ["--detector", "none", "--initial", "compact"], "does not take --detector, --initial"),
        ("heads", ["--teacher", "compact"], "'heads' does not take --teacher"),
        ("age-baseline", ["--epochs", "3"], "'age-baseline' does not take --epochs"),
        ("compact", ["--faces", "faces.csv"], "'compact' does not take --faces"),
    ],
)
def test_options_that_a_recipe_would_ignore_are_refused(tmp_path, capsys, recipe, given, message):
    assert main(["train", recipe, str(tmp_path), str(tmp_path / "run"), *given]) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_recipe_ends_with_two(tmp_path, capsys):
    assert main(["train", "resnet", str(tmp_path), str(tmp_path / "run")]) == 2
    assert "resnet" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_detector_is_trained_on_photos(tmp_path, capsys, monkeypatch):
    asked = {}

    def train_detector(data, output, **options):
        asked.update(data=data, output=output, **options)
        return SimpleNamespace(path=output / "model")

    monkeypatch.setattr("asianage.training.detector.train.train_detector", train_detector)
    command = ["train", "detector", "photos", str(tmp_path), "--faces", "a.csv", "--faces", "b.csv", "--epochs", "3"]
    assert main(command) == 0
    assert capsys.readouterr().out == f"model: {tmp_path / 'model'}\n"
    assert asked == {
        "data": Path("photos"),
        "output": tmp_path,
        "faces": [Path("a.csv"), Path("b.csv")],
        "epochs": 3,
        "name": None,
        "pretrained": None,
        "progress": True,
    }
