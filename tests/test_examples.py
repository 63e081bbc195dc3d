from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage import AgeGenderEstimator
from asianage.models import folder as model_folder

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
COMPACT = model_folder.BUNDLED / "compact"


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def crop(tmp_path) -> Path:
    size = model_folder.open_model_folder(COMPACT).config.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.png")
    return tmp_path / "face.png"


def expected(crop: Path) -> str:
    face = AgeGenderEstimator(detector=None).predict(crop)[0]
    low, high = face.age_interval
    return f"{face.age:.1f} years ({low:.1f}-{high:.1f}), {face.gender} ({face.gender_probability:.1%})\n"


def test_litert_alone_says_what_the_estimator_says(crop):
    output = run("run_without_asianage.py", COMPACT / model_folder.NETWORK, COMPACT / model_folder.CONFIG, crop)
    assert output == expected(crop)


@pytest.mark.slow
def test_onnxruntime_alone_says_what_the_estimator_says(crop, tmp_path):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    from asianage.cli import main

    assert main(["export", "compact", "--to", "onnx", "--output", str(tmp_path / "compact.onnx")]) == 0
    output = run("run_without_asianage.py", tmp_path / "compact.onnx", COMPACT / model_folder.CONFIG, crop)
    age = float(output.split()[0])
    # The bundled network is quantized, the exported one is not.
    assert age == pytest.approx(AgeGenderEstimator(detector=None).predict(crop)[0].age, abs=3)


def test_the_photo_example_finds_and_labels_a_face(hopper, yunet_path, tmp_path, monkeypatch):
    import asianage

    # The example takes the default detector, whose weights come from the Hub.
    monkeypatch.setattr("asianage.faces.detection.selection.YuNetDetector", _with_weights(yunet_path))
    photo = tmp_path / "photo.png"
    Image.fromarray(hopper).save(photo)
    monkeypatch.setattr(sys, "argv", ["predict_photo.py", str(photo), str(tmp_path / "out.jpg")])
    namespace: dict = {"__name__": "example"}
    exec(compile((EXAMPLES / "predict_photo.py").read_text("utf-8"), "predict_photo.py", "exec"), namespace)
    namespace["main"]()
    assert asianage.load_image(tmp_path / "out.jpg").shape == hopper.shape


@pytest.mark.slow
def test_the_fine_tuning_example_says_what_was_gained(tmp_path):
    pytest.importorskip("tensorflow")
    random = np.random.default_rng(0)
    lines = ["file,age,gender"]
    for number in range(12):
        pixels = random.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{20 + number},{('female', 'male')[number % 2]}")
    (tmp_path / "faces.csv").write_text("\n".join(lines))
    output = run("fine_tune_own_faces.py", tmp_path / "faces.csv", tmp_path / "tuned", 1)
    assert "val_score: " in output
    assert AgeGenderEstimator.from_pretrained(tmp_path / "tuned" / "model", detector=None).predict(tmp_path / "0.png")


def _with_weights(path):
    from asianage.faces.detection.yunet import YuNetDetector

    return lambda model_path=None: YuNetDetector(path if model_path is None else model_path)
