from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras
from PIL import Image

from asianage import MissingExtraError
from asianage.models.config import ModelConfig
from asianage.models.folder import NETWORK, WEIGHTS, write_model_folder
from asianage.networks.residual import residual_network
from asianage.training.export.conversion import FORMATS, convert_model
from asianage.training.export.litert import to_weights

TINY = {"widths": [8, 16], "blocks": [0, 1]}

TOLERANCE = {"keras": 1e-6, "saved_model": 1e-5, "onnx": 1e-5, "tflite": 1e-5, "int8": 2e-2}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of a tiny network; its file for prediction is no network."""
    keras.utils.set_random_seed(0)
    config = ModelConfig(name="tiny", architecture="residual", network=TINY, image_size=32)
    files = {NETWORK: b"network", WEIGHTS: to_weights(residual_network(image_size=32, **TINY))}
    return write_model_folder(tmp_path_factory.mktemp("model") / "tiny", config, files, card="tiny\n")


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    random = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def int8(model, samples, tmp_path_factory):
    """The model converted to int8."""
    return convert_model(model, "int8", tmp_path_factory.mktemp("int8") / "tiny.tflite", samples=samples)


def check(converted, to):
    assert converted.path.exists()
    assert converted.probability_difference <= TOLERANCE[to]
    assert converted.gender_difference <= 10 * TOLERANCE[to]
    assert converted.age_difference <= 100 * TOLERANCE[to]
    assert list(converted.path.parent.iterdir()) == [converted.path]


@pytest.mark.parametrize("to", sorted(set(FORMATS) - {"int8"}))
def test_every_format_computes_what_the_network_computes(model, tmp_path, monkeypatch, capfd, to):
    if to == "onnx":
        pytest.importorskip("tf2onnx", reason="needs the extra onnx")
        pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    monkeypatch.chdir(tmp_path)
    converted = convert_model(model, to)
    assert str(converted.path) == f"tiny{FORMATS[to].suffix}"
    assert capfd.readouterr().out == ""
    check(converted, to)


def test_int8_computes_nearly_what_the_network_computes(int8):
    check(int8, "int8")
    assert int8.age_difference > 0


@pytest.mark.parametrize("key", ["quantization", "precision"])
def test_the_network_of_a_model_that_is_int8_is_taken_as_it_is(model, int8, tmp_path, key):
    config = ModelConfig(name="tiny8", architecture="residual", network=TINY, image_size=32, provenance={key: "int8"})
    files = {NETWORK: int8.path.read_bytes(), WEIGHTS: model.read(WEIGHTS)}
    quantized = write_model_folder(tmp_path / "model", config, files, card="tiny\n")
    converted = convert_model(quantized, "int8", tmp_path / "out" / "x.tflite")
    assert converted.path.read_bytes() == int8.path.read_bytes()
    check(converted, "int8")


def test_nothing_is_overwritten_and_wrong_arguments_are_explained(model, tmp_path):
    (tmp_path / "there.keras").write_text("mine")
    with pytest.raises(FileExistsError, match=r"there\.keras"):
        convert_model(model, "keras", tmp_path / "there.keras")
    assert (tmp_path / "there.keras").read_text() == "mine"
    with pytest.raises(ValueError, match=r"keras, saved_model, onnx, tflite, int8\. Received: 'coreml'"):
        convert_model(model, "coreml", tmp_path / "x")
    for samples in (None, []):
        with pytest.raises(ValueError, match=r"int8 needs `samples`.*Received: (None|\[\])"):
            convert_model(model, "int8", tmp_path / "x.tflite", samples=samples)
    assert not (tmp_path / "x.tflite").exists()


def test_a_failed_conversion_leaves_nothing_behind(model, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.Model, "save", lambda *arguments, **options: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        convert_model(model, "keras", tmp_path / "x.keras")
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_a_format_needs_is_named_with_its_extra(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(MissingExtraError, match=r"package `tf2onnx`.*asianage\[onnx\]"):
        convert_model(model, "onnx", tmp_path / "out.onnx")
    assert list(tmp_path.iterdir()) == []
