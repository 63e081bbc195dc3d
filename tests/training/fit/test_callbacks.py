from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.training.fit import callbacks
from asianage.training.fit.callbacks import ValidateAndSave, averaged_weights, reestimate_statistics, statistics
from asianage.training.run_folder import RunState
from tests.training.fit.boxes import BoxBatches, box_learner, box_network


class Clock:
    """A clock that a test moves on."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(callbacks.time, "perf_counter", lambda: self.now)


class Arrivals:
    """Batches that are there at given times."""

    def __init__(self, *times):
        self.times = times

    def ready_at(self, batch):
        return self.times[batch]

    def start_epoch(self, epoch):
        pass


def test_the_share_of_waiting_leaves_out_what_was_ready_and_the_first_step_of_all(monkeypatch, tmp_path):
    time, batches, state = Clock(monkeypatch), Arrivals(101.0, 104.0, 106.0), RunState(2)
    callback = ValidateAndSave(batches, lambda: {"val_score": 1.0}, tmp_path, state, box_network(), 0)
    callback.set_model(box_learner())
    monkeypatch.setattr(callbacks, "reestimate_statistics", lambda *arguments: None)
    callback.on_epoch_begin(0)
    # The first step compiles until 102. Batch 1 comes at 104, batch 2 at 106, while the step before runs until 107.
    for batch, end in ((0, 102.0), (1, 107.0), (2, 112.0)):
        time.now = end
        callback.on_train_batch_end(batch)
    callback.on_epoch_end(0, {"loss": 1.0})
    callback.on_epoch_begin(1)
    batches.times, time.now = (115.0,), 116.0
    callback.on_train_batch_end(0)
    callback.on_epoch_end(1, {"loss": 1.0})
    assert [row["input_share"] for row in state.history] == [0.2, 0.75]
    assert [row["seconds"] for row in state.history] == [12.0, 4.0]


def trainable(network):
    return [np.asarray(variable).copy() for variable in network.trainable_variables]


def test_the_average_of_the_steps_is_in_force_for_a_while():
    learner, batches = box_learner(), BoxBatches()
    steps = []
    for number in range(3):
        learner.train_on_batch(*batches[number])
        steps.append(trainable(learner))
    raw = [np.asarray(value).copy() for value in statistics(learner)]
    with averaged_weights(learner, batches):
        # The momentum is 0.8, and the first average is the first step.
        for found, one, two, three in zip(trainable(learner), *steps, strict=True):
            expected = 0.8 * (0.8 * one + 0.2 * two) + 0.2 * three
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        assert np.abs(np.asarray(statistics(learner)[0]) - raw[0]).max() > 1e-3
    for found, expected in zip(trainable(learner), steps[-1], strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(statistics(learner), raw, strict=True):
        np.testing.assert_array_equal(np.asarray(found), expected)


def test_without_an_average_nothing_changes():
    learner = box_network()
    learner.compile(keras.optimizers.SGD(0.1), loss="mae")
    before = learner.get_weights()
    with averaged_weights(learner, None):
        for found, expected in zip(learner.get_weights(), before, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_estimated_statistics_are_those_of_the_batches():
    network, batches = box_network(dropout=0.0), BoxBatches(32)
    reestimate_statistics(network, batches)
    pictures = np.concatenate([batches[number][0] for number in range(4)])
    activations = np.asarray(keras.Model(network.input, network.get_layer("convolution").output)(pictures))
    normalization = network.get_layer("normalization")
    np.testing.assert_allclose(normalization.moving_mean, activations.mean(axis=(0, 1, 2)), atol=1e-5)
    expected = np.mean([part.var(axis=(0, 1, 2)) for part in np.split(activations, 4)], axis=0)
    np.testing.assert_allclose(normalization.moving_variance, expected, rtol=1e-4)
    assert normalization.momentum == 0.99


def test_a_network_without_normalizations_needs_no_batches():
    reestimate_statistics(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), None)
