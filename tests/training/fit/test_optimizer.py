from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.training.fit.optimizer import build_optimizer, learning_rate
from asianage.training.recipes.recipe import Optimizer


def rates(settings, steps, *, epochs=4, steps_per_epoch=5):
    schedule = learning_rate(settings, epochs, steps_per_epoch)
    return [float(schedule(step)) if callable(schedule) else schedule for step in steps]


def test_a_cosine_rises_in_the_warm_up_and_falls_to_zero():
    found = rates(Optimizer(learning_rate=0.1, warmup_epochs=1.0), [0, 4, 5, 12, 13, 20])
    assert found[0] == 0.0
    assert found[1] == pytest.approx(0.08)
    assert found[2] == pytest.approx(0.1)
    # Half of the 15 steps after the warm-up lies between the steps 12 and 13.
    assert found[3] > 0.05 > found[4]
    assert found[5] == pytest.approx(0.0, abs=1e-9)


def test_a_constant_rate_stays_after_its_warm_up():
    assert rates(Optimizer(learning_rate=0.1, schedule="constant", warmup_epochs=0.0), [0, 9]) == [0.1, 0.1]
    found = rates(Optimizer(learning_rate=0.1, schedule="constant", warmup_epochs=1.0), [0, 4, 5, 20])
    assert found == pytest.approx([0.0, 0.08, 0.1, 0.1])


def test_the_optimizer_has_the_settings_of_the_recipe_and_spares_biases_from_decay():
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])
    settings = Optimizer(learning_rate=0.1, schedule="constant", warmup_epochs=0.0, clip_norm=2.0, weight_decay=0.5)
    optimizer = build_optimizer(settings, network, epochs=1, steps_per_epoch=1)
    assert optimizer.built
    assert (optimizer.global_clipnorm, optimizer.use_ema, optimizer.ema_momentum) == (2.0, True, 0.998)
    network.get_layer(index=0).bias.assign([1.0, 1.0, 1.0])
    before = network.get_weights()
    optimizer.apply([keras.ops.zeros_like(variable) for variable in network.trainable_variables])
    shrunk = [not np.allclose(one, two) for one, two in zip(before, network.get_weights(), strict=True)]
    assert shrunk == [True] + [False] * (len(before) - 1)


def test_what_is_0_is_off():
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    optimizer = build_optimizer(
        Optimizer(learning_rate=0.1, clip_norm=0.0, ema_momentum=0.0), network, epochs=1, steps_per_epoch=1
    )
    assert optimizer.global_clipnorm is None
    assert not optimizer.use_ema
