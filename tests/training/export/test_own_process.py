from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra train")

import keras

from asianage.errors import MissingExtraError
from asianage.models.litert import LiteRTNetwork
from asianage.networks.simple_cnn import simple_cnn_network
from asianage.training.export import own_process
from asianage.training.export.litert import check_quantization, to_tflite
from asianage.training.export.own_process import convert_elsewhere


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return simple_cnn_network(image_size=16, num_ages=11, min_age=20, filters=(4, 4), units=(8, 4), pixels="study")


@pytest.fixture
def jax(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")


def test_the_other_process_gets_what_it_needs_and_its_file_is_returned(network, jax, monkeypatch):
    crops = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    asked = []

    def run(command, env, **options):
        asked.append((command[1:3], env["KERAS_BACKEND"], env["CUDA_VISIBLE_DEVICES"]))
        with monkeypatch.context() as patch:
            patch.setattr(keras.backend, "backend", lambda: "tensorflow")
            own_process.main(Path(command[3]), command[4])
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    content = to_tflite(network, quantization="int8", samples=crops)
    assert asked == [(["-m", "asianage.training.export.own_process"], "tensorflow", "-1")]
    ages, _ = LiteRTNetwork(content, source="test", image_size=16, num_ages=11)(crops)
    expected = network.predict_on_batch(crops.astype(np.float32))["age_logits"]
    assert np.argmax(ages, axis=1).tolist() == np.argmax(expected, axis=1).tolist()


def test_a_failed_conversion_says_why_and_what_to_do(network, monkeypatch):
    failed = SimpleNamespace(returncode=1, stderr="Traceback\nValueError: no such operator")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(RuntimeError, match=r"no such operator Its weights are kept: .*KERAS_BACKEND=tensorflow"):
        convert_elsewhere(network, quantization="float32", samples=None, before=None)


def test_a_missing_tensorflow_is_said_before_the_training(jax, monkeypatch):
    check_quantization("int8")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"trains on jax, but writing model\.tflite needs the package `tensorflow`"
    ):
        check_quantization("int8")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_training_on_another_backend_writes_the_model(backend, tiny_records, tmp_path):
    pytest.importorskip(backend, reason=f"needs {backend}")
    code = (
        "import sys, pickle, dataclasses\n"
        "from asianage.training import train\n"
        "from tests.training.tiny_recipe import TINY\n"
        "records = pickle.load(open(sys.argv[1], 'rb'))\n"
        "train(dataclasses.replace(TINY, epochs=1), records, sys.argv[2], detector=None)\n"
    )
    import pickle

    (tmp_path / "records").write_bytes(pickle.dumps(tiny_records))
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    command = [sys.executable, "-c", code, str(tmp_path / "records"), str(tmp_path / "run")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run" / "model" / "model.tflite").is_file()
