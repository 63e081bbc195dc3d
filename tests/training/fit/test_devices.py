from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("tensorflow", reason="needs the extra train")

import tensorflow as tf

from asianage.training.fit import devices

# Devices can be divided only before TensorFlow is first used.
TWO_DEVICES = """
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)

from asianage.training.fit import age_gender, network
from asianage.data.crop_cache import CropCache
from asianage.training.recipes.recipe import Faces, GenderLoss, LabelDistribution, Optimizer, TrainingRecipe
from asianage.data.records import FaceRecord

crops = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
records = [FaceRecord(Path(f"{i}.png"), 20.0 + i, ("female", "male")[i % 2]) for i in range(40)]
known = np.ones(40, dtype=bool)
cache = CropCache(records, crops, known, 32, 0)
# Neither dropout nor statistics of a batch, of which each device would see half.
recipe = TrainingRecipe(
    name="two", architecture="residual", network={"widths": (4,), "blocks": (0,), "dropout": 0.0},
    faces=Faces(image_size=32, margin=0), age_loss=LabelDistribution(), gender_loss=GenderLoss(),
    optimizer=Optimizer(learning_rate=1e-3, warmup_epochs=0.0, ema_momentum=0.5),
    epochs=1, batch_size=8, augmentation=None, freeze_normalization=True,
)


def trained(folder, devices):
    age_gender.training_devices = network.training_devices = lambda: devices
    built = network.build_network(recipe)
    start = built.get_weights()
    best = age_gender.fit_network(recipe, built, cache, np.arange(24), np.arange(24, 40), folder)
    return start, network.trained_network(recipe, built, best).get_weights()


(start, one), (_, two) = trained(Path(sys.argv[1], "one"), []), trained(Path(sys.argv[1], "two"), ["CPU:0", "CPU:1"])
moved = sum(float(np.abs(a - b).sum()) for a, b in zip(one, start))
apart = sum(float(np.abs(a - b).sum()) for a, b in zip(one, two))
assert moved > 0
assert apart < 1e-3 * moved, (apart, moved)
rows = [Path(sys.argv[1], name, "history.csv").read_text().splitlines()[1].split(",")[3:] for name in ("one", "two")]
np.testing.assert_allclose(*np.array(rows, dtype=float), rtol=1e-4)
"""


def test_two_devices_learn_what_one_does(tmp_path):
    done = subprocess.run([sys.executable, "-c", TWO_DEVICES, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_without_gpus_keras_computes_where_it_likes_in_float32(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert devices.dtype_policy("auto") == "float32"
    assert devices.dtype_policy("mixed_bfloat16") == "mixed_bfloat16"
    with devices.spread_over([]):
        assert not tf.distribute.has_strategy()


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [
        ([(9, 0)], "mixed_bfloat16"),
        ([(8, 0), (8, 6)], "mixed_bfloat16"),
        ([(8, 0), (7, 5)], "float32"),
        ([None], "float32"),
    ],
)
def test_bfloat16_is_used_where_every_gpu_has_it(capabilities, policy, monkeypatch):
    found = dict(enumerate(capabilities))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(found))
    details = {number: {"compute_capability": value} if value else {} for number, value in found.items()}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.__getitem__)
    assert devices.dtype_policy("auto") == policy


@pytest.fixture
def seen(monkeypatch):
    """GPUs that TensorFlow has, and those that it was told to see."""
    chosen = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["first", "second"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, grows: chosen.append((gpu, grows)))
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda gpus, kind: chosen.append((gpus, kind)))
    return chosen


@pytest.mark.parametrize(
    ("device", "visible"),
    [("cpu", [([], "GPU")]), ("gpu", [(["first"], "GPU")]), ("gpu:1", [(["second"], "GPU")]), ("auto", [])],
)
def test_a_device_is_chosen_and_its_memory_grows(device, visible, seen):
    devices.use_device(device)
    assert seen == [("first", True), ("second", True), *visible]


@pytest.mark.parametrize(("device", "message"), [("gpu:2", "sees: 2 GPUs"), ("tpu", "must be auto, cpu, gpu")])
def test_a_device_that_is_not_there_is_refused(device, message, seen):
    with pytest.raises(ValueError, match=message):
        devices.use_device(device)


def test_a_device_is_chosen_before_tensorflow_is_used(seen, monkeypatch):
    def late(*arguments):
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config, "set_visible_devices", late)
    with pytest.raises(RuntimeError, match="before TensorFlow is used"):
        devices.use_device("cpu")
