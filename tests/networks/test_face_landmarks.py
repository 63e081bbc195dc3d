from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.networks.face_landmarks import INPUT_SIDE, face_landmarks_network


def test_it_gives_five_landmarks_and_a_verdict_on_each_patch():
    network = face_landmarks_network()
    assert network.count_params() == 370_811
    outputs = network(np.zeros((3, INPUT_SIDE, INPUT_SIDE, 3), np.float32))
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {"landmarks": (3, 10), "face": (3, 1)}


def test_outputs_stay_in_full_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = face_landmarks_network()
    finally:
        keras.config.set_dtype_policy(policy)
    assert {output.dtype for output in network.output.values()} == {"float32"}
