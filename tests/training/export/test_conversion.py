from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras
from PIL import Image

from asianage.models.config import ModelConfig
from asianage.models.folder import NETWORK, WEIGHTS, write_model_folder
from asianage.networks.residual import residual_network
from asianage.training.export.conversion import FORMATS, export_model
from asianage.training.export.litert import to_tflite, to_weights

OPTIONS = {"widths": [8, 16], "blocks": [0, 1]}

TOLERANCE = {"keras": 1e-6, "saved_model": 1e-5, "onnx": 1e-5, "tflite": 1e-5, "int8": 2e-2}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    keras.utils.set_random_seed(0)
    network = residual_network(image_size=32, **OPTIONS)
    config = ModelConfig(name="tiny", architecture="residual", network=OPTIONS, image_size=32)
    files = {NETWORK: to_tflite(network), WEIGHTS: to_weights(network)}
    return write_model_folder(tmp_path_factory.mktemp("model") / "tiny", config, files, card="tiny\n")


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    random = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_what_the_network_says(model, samples, tmp_path, capfd, form):
    if form == "onnx":
        pytest.importorskip("tf2onnx")
        pytest.importorskip("onnxruntime")
    exported = export_model(model, form, tmp_path / f"out{FORMATS[form]}", samples=samples if form == "int8" else None)
    assert capfd.readouterr().out == ""
    assert exported.path.exists()
    assert exported.probability_difference <= TOLERANCE[form]
    assert exported.gender_difference <= 10 * TOLERANCE[form]
    assert exported.age_difference <= 100 * TOLERANCE[form]
    assert [path.name for path in tmp_path.iterdir()] == [exported.path.name]


def test_nothing_is_overwritten_and_wrong_wishes_are_explained(model, tmp_path):
    (tmp_path / "there.keras").write_text("mine")
    with pytest.raises(FileExistsError, match=r"there\.keras"):
        export_model(model, "keras", tmp_path / "there.keras")
    assert (tmp_path / "there.keras").read_text() == "mine"
    with pytest.raises(ValueError, match="saved_model"):
        export_model(model, "coreml", tmp_path / "x")
    for samples in (None, []):
        with pytest.raises(ValueError, match="samples"):
            export_model(model, "int8", tmp_path / "x.tflite", samples=samples)
    assert not (tmp_path / "x.tflite").exists()


def test_a_failed_export_leaves_nothing_behind(model, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.Model, "save", lambda *arguments, **options: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        export_model(model, "keras", tmp_path / "x.keras")
    assert list(tmp_path.iterdir()) == []
