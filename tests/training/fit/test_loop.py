from __future__ import annotations

import csv
import errno
import json
import logging
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import h5py
import keras

from asianage.training import run_folder
from asianage.training.fit import loop
from tests.training.fit.boxes import BoxBatches, box_learner, box_network, box_validation

EPOCHS = 4


@pytest.fixture(scope="module")
def learner():
    return box_learner()


@pytest.fixture(scope="module")
def train(learner, tmp_path_factory):
    """A training that begins with the same weights every time, without compiling the network every time."""
    start = tmp_path_factory.mktemp("start") / "start.weights.h5"
    learner.save_weights(start)

    def run(folder, *, learner=learner, validate=None, batches=None, **options):
        learner.load_weights(start)
        validate = validate or box_validation(learner)
        return loop.fit(learner, batches or BoxBatches(), validate, folder, **{"epochs": EPOCHS, **options})

    return run


def arrays(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def assert_same_files(one, two, *names):
    for name in names:
        first, second = arrays(one / name), arrays(two / name)
        assert list(first) == list(second)
        for key, values in first.items():
            np.testing.assert_array_equal(second[key], values, err_msg=f"{name} {key}")


def history(folder):
    return json.loads((folder / run_folder.PROGRESS).read_text())["history"]


def scored(scores, *, stop_at=None):
    """Return a validation with these scores, one after the other, which the one of the epoch `stop_at` interrupts."""
    remaining = list(scores)

    def validate():
        if stop_at == len(scores) - len(remaining) + 1:
            raise KeyboardInterrupt
        return {"val_score": remaining.pop(0)}

    return validate


@pytest.fixture(scope="module")
def whole_run(train, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    train(folder)
    return folder


def test_a_network_for_another_task_learns_and_writes_its_history(whole_run):
    with (whole_run / run_folder.HISTORY).open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    scores = [float(row["val_score"]) for row in rows]
    assert scores[-1] < 0.5 * scores[0]
    network = box_network()
    network.load_weights(whole_run / run_folder.BEST_WEIGHTS)
    assert box_validation(network)()["val_score"] == pytest.approx(min(scores), rel=1e-5)


def test_a_stopped_run_resumes_to_the_same_weights(train, learner, whole_run, tmp_path):
    validate, calls = box_validation(learner), []

    def stop_in_the_third_epoch():
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return validate()

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, validate=stop_in_the_third_epoch)
    assert json.loads((tmp_path / run_folder.PROGRESS).read_text())["epoch"] == 2
    train(tmp_path, learner=box_learner())
    assert_same_files(whole_run, tmp_path, run_folder.BEST_WEIGHTS, "checkpoint-0.weights.h5")
    for resumed, uninterrupted in zip(history(tmp_path), history(whole_run), strict=True):
        assert [resumed[key] for key in ("loss", "val_score")] == [uninterrupted[key] for key in ("loss", "val_score")]


def test_a_finished_run_is_not_repeated(train, whole_run):
    before = (whole_run / run_folder.BEST_WEIGHTS).stat().st_mtime_ns
    train(whole_run, validate=scored([]))
    assert (whole_run / run_folder.BEST_WEIGHTS).stat().st_mtime_ns == before


def test_training_ends_when_nothing_has_become_better_also_when_resumed(train, tmp_path):
    scores = [5.0, 3.0, 4.0, 3.0, 1.0]
    train(tmp_path / "whole", validate=scored(scores), epochs=9, patience=2)
    assert [row["val_score"] for row in history(tmp_path / "whole")] == scores[:4]
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", validate=scored(scores, stop_at=4), epochs=9, patience=2)
    train(tmp_path / "stopped", validate=scored(scores[3:]), epochs=9, patience=2)
    assert [row["val_score"] for row in history(tmp_path / "stopped")] == scores[:4]
    assert_same_files(tmp_path / "whole", tmp_path / "stopped", run_folder.BEST_WEIGHTS, "checkpoint-0.weights.h5")


def test_a_loss_that_is_not_finite_ends_the_run_with_advice(train, tmp_path):
    batches = BoxBatches()
    batches.boxes[5] = np.nan
    with pytest.raises(RuntimeError, match="Lower `learning_rate`"):
        train(tmp_path, batches=batches)


def test_a_full_disk_leaves_a_run_that_goes_on(train, tmp_path, monkeypatch):
    save = keras.Model.save_weights

    def fill_the_disk(network, path, **options):
        save(network, path, **options)
        if path.name.endswith("checkpoint-0.weights.h5"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(keras.Model, "save_weights", fill_the_disk)
        with pytest.raises(OSError, match="No space left"):
            train(tmp_path, epochs=2)
    assert {file.name for file in tmp_path.iterdir()} == {
        "best.weights.h5", "checkpoint-1.weights.h5", "history.csv", "progress.json"
    }  # fmt: skip
    assert len(history(tmp_path)) == 1
    train(tmp_path, epochs=2)
    assert len(history(tmp_path)) == 2


def test_a_run_that_is_stopped_while_it_saves_goes_on_as_if_it_had_not_been(train, whole_run, tmp_path, monkeypatch):
    def stop(state, folder):
        if state.epoch == 3:
            raise KeyboardInterrupt
        write(state, folder)

    write = run_folder.RunState.write
    with monkeypatch.context() as patched:
        patched.setattr(run_folder.RunState, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path)
    assert len(history(tmp_path)) == 2
    train(tmp_path)
    assert_same_files(whole_run, tmp_path, run_folder.BEST_WEIGHTS, "checkpoint-0.weights.h5")


def test_progress_is_shown_on_request(train, tmp_path, capsys, bars):
    train(tmp_path, epochs=2, progress=True)
    shown = capsys.readouterr().err
    assert all(text in shown for text in ("12/12", "epoch=1 ", "epoch=2 "))
    assert "going on" not in shown


def test_a_resumed_run_says_where_it_starts_and_keeps_one_checkpoint(train, tmp_path, caplog, capsys):
    train(tmp_path, epochs=1)
    with caplog.at_level(logging.INFO):
        train(tmp_path, epochs=2, learner=box_learner(), progress=True)
    assert "going on after epoch 1 of 2" in caplog.text
    # What is logged is not printed too.
    assert "epoch=" not in capsys.readouterr().err
    assert [file.name for file in tmp_path.glob("checkpoint*")] == ["checkpoint-0.weights.h5"]


def test_a_finished_run_without_its_checkpoint_does_not_go_on(train, tmp_path):
    train(tmp_path, epochs=1)
    (tmp_path / "checkpoint-1.weights.h5").unlink()
    with pytest.raises(ValueError, match="has 1 of 2 epochs"):
        train(tmp_path, epochs=2)


def test_a_damaged_checkpoint_is_named(train, tmp_path):
    train(tmp_path, epochs=1)
    (tmp_path / "checkpoint-1.weights.h5").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"checkpoint-1\.weights\.h5 is damaged"):
        train(tmp_path, epochs=2)


# As a program, because Keras chooses its backend when it is imported.
WITH_JAX = """
import sys
from pathlib import Path

sys.modules["tensorflow"] = None

import keras

from asianage.training.fit.loop import fit
from tests.training.fit.boxes import BoxBatches, box_learner, box_network, box_validation

assert keras.backend.backend() == "jax"
folder = Path(sys.argv[1])
learner = box_learner(box_network(dropout=0.0))
# A network that shares its layers with the one that learns, as an exported network does.
network = keras.Model(learner.inputs, learner.outputs)
validate, calls = box_validation(network), []


def stop_in_the_third_epoch():
    calls.append(1)
    if len(calls) == 3:
        raise KeyboardInterrupt
    return validate()


for name, validation in (("whole", validate), ("stopped", stop_in_the_third_epoch), ("stopped", validate)):
    learner.load_weights(folder / "start.weights.h5")
    try:
        fit(learner, BoxBatches(), validation, folder / name, epochs=4, network=network)
    except KeyboardInterrupt:
        assert len(calls) == 3
"""


@pytest.mark.skipif(find_spec("jax") is None, reason="needs JAX, which no extra brings")
def test_jax_trains_to_the_end_as_tensorflow_does_and_resumes_to_the_same_weights(tmp_path):
    learner = box_learner(box_network(dropout=0.0))
    learner.save_weights(tmp_path / "start.weights.h5")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", WITH_JAX, tmp_path], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert_same_files(tmp_path / "whole", tmp_path / "stopped", run_folder.BEST_WEIGHTS, "checkpoint-0.weights.h5")
    loop.fit(learner, BoxBatches(), box_validation(learner), tmp_path / "expected", epochs=4)
    for received, expected in zip(history(tmp_path / "whole"), history(tmp_path / "expected"), strict=True):
        assert [received[key] for key in ("loss", "val_score")] == pytest.approx(
            [expected[key] for key in ("loss", "val_score")], rel=1e-3
        )
