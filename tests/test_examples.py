from __future__ import annotations

import csv
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage import AgeGenderEstimator, load_image
from asianage.models import folder as model_folder
from tests.conftest import draw_face
from tests.docs.command import centered_faces

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
COMPACT = model_folder.BUNDLED / "compact"


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs an example in this process and returns what it prints."""

    def run_example(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with centered_faces():
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run_example


@pytest.fixture
def photo(tmp_path) -> Path:
    Image.fromarray(draw_face(30, "female", 0, side=160)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def crop(tmp_path) -> Path:
    size = model_folder.open_model_folder(COMPACT).config.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.png")
    return tmp_path / "face.png"


def test_each_example_is_short_and_explains_itself_without_arguments(monkeypatch):
    for path in EXAMPLES.iterdir():
        assert len(path.read_text("utf-8").splitlines()) < 60
        if path.name != "fine_tune_own_faces.py":  # It imports TensorFlow first.
            monkeypatch.setattr(sys, "argv", [path.name])
            with pytest.raises(SystemExit, match=f"python examples/{path.name} [A-Z]"):
                runpy.run_path(str(path), run_name="__main__")


def test_the_photo_example_prints_and_draws_a_face(run, photo, tmp_path):
    output = run("predict_photo.py", photo, tmp_path / "labeled.jpg")
    assert re.match(r"face 1: (fe)?male \(\d+%\), \d+ years \(\d+-\d+\)\n  probability of 18 or more: \d+%\n", output)
    assert load_image(tmp_path / "labeled.jpg").shape == load_image(photo).shape


def test_the_folder_example_writes_a_line_per_face(run, photo, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    run("predict_folder.py", tmp_path, tmp_path / "faces.csv")
    (row,) = csv.DictReader((tmp_path / "faces.csv").open(encoding="utf-8"))
    assert row["file"] == str(photo)
    assert 0 <= float(row["age"]) <= 100


def test_litert_alone_predicts_what_the_estimator_predicts(run, crop):
    face = AgeGenderEstimator(detector=None).predict(crop)[0]
    low, high = face.age_interval
    expected = f"{face.age:.1f} years ({low:.1f}-{high:.1f}), {face.gender} ({face.gender_probability:.1%})\n"
    network, config = COMPACT / model_folder.NETWORK, COMPACT / model_folder.CONFIG
    assert run("run_without_asianage.py", network, config, crop) == expected


@pytest.mark.slow
def test_onnxruntime_alone_predicts_what_the_estimator_predicts(run, crop, tmp_path):
    pytest.importorskip("tf2onnx", reason="needs the extra onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    from asianage.cli import main

    assert main(["export", "compact", "--to", "onnx", "--output", str(tmp_path / "compact.onnx")]) == 0
    output = run("run_without_asianage.py", tmp_path / "compact.onnx", COMPACT / model_folder.CONFIG, crop)
    age = float(re.search(r"([\d.]+) years \(", output)[1])
    # The bundled network is quantized, the exported one is not.
    assert age == pytest.approx(AgeGenderEstimator(detector=None).predict(crop)[0].age, abs=3)


@pytest.mark.slow
def test_the_fine_tuning_example_prints_the_gain(run, tmp_path):
    pytest.importorskip("tensorflow", reason="needs the extra train")
    lines = ["file,age,gender"]
    for number in range(12):
        gender = ("female", "male")[number % 2]
        Image.fromarray(draw_face(20 + number, gender, number, side=96)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{20 + number},{gender}")
    (tmp_path / "faces.csv").write_text("\n".join(lines))
    output = run("fine_tune_own_faces.py", tmp_path / "faces.csv", tmp_path / "tuned", 1)
    assert "val_score: " in output
    assert AgeGenderEstimator(tmp_path / "tuned" / "model", detector=None).predict(tmp_path / "0.png")
