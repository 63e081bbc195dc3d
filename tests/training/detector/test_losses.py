from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras

from asianage.faces.detection.networks import grid_points
from asianage.training.detector.losses import DetectionLoss
from asianage.training.detector.targets import FACE_VALUES, IGNORED, face_row

SIDE = 64
BOX, LANDMARKS = (20, 20, 44, 48), np.array([[26, 30], [38, 30], [32, 36], [27, 42], [37, 42]], dtype=np.float32)


def targets(*rows, count=3):
    padded = np.zeros((1, count, FACE_VALUES), np.float32)
    for number, row in enumerate(rows):
        padded[0, number] = np.nan_to_num(row)
    return padded


def predictions(answers=(), *, shift=0.0, background=-8.0):
    """Return predictions that find the face from some points, and nothing elsewhere."""
    points, strides = grid_points(SIDE, SIDE)
    values = np.zeros((1, len(points), FACE_VALUES), np.float32)
    values[0, :, :2] = background
    box = np.array(BOX, np.float32)
    values[0, :, 2:4] = ((box[:2] + box[2:]) / 2 - points) / strides
    values[0, :, 4:6] = np.log((box[2:] - box[:2]) / strides)
    values[0, :, 6:] = (((LANDMARKS + shift)[None] - points[:, None]) / strides[:, None]).reshape(len(points), 10)
    values[0, list(answers), :2] = 8.0
    return values


def inner_points():
    """Return the points whose cells have their middle in the face: SimOTA assigns all ten of them."""
    points, strides = grid_points(SIDE, SIDE)
    middles = points + strides / 2
    return np.flatnonzero(((middles > BOX[:2]) & (middles < BOX[2:])).all(axis=1))


def loss_of(true, predicted):
    return float(np.asarray(DetectionLoss(SIDE)(true, predicted)))


def test_a_face_that_is_found_costs_little_and_a_missed_one_much():
    true = targets(face_row(BOX, LANDMARKS, weight=1.0))
    found, missed = loss_of(true, predictions(inner_points())), loss_of(true, predictions())
    assert found < 0.1
    assert missed > 5.0


def test_landmarks_count_by_their_weight():
    shifted = predictions(inner_points(), shift=6.0)
    known, unknown = (loss_of(targets(face_row(BOX, LANDMARKS, weight=weight)), shifted) for weight in (1.0, 0.0))
    assert known > unknown + 5.0


def test_a_false_alarm_costs_unless_the_region_is_ignored():
    alarm = predictions(inner_points())
    assert loss_of(targets(), alarm) > 10.0
    assert loss_of(targets(face_row((10, 10, 56, 60), kind=IGNORED)), alarm) < 0.2


def test_a_point_answers_for_one_face():
    rows = [face_row(BOX, LANDMARKS, weight=1.0), face_row((0, 0, 14, 14))]
    both = loss_of(targets(*rows), predictions(inner_points()))
    assert np.isfinite(both)
    assert both > loss_of(targets(rows[0]), predictions(inner_points()))


def test_the_loss_has_gradients_that_teach():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    start = predictions(inner_points(), shift=3.0, background=-2.0)
    outputs = keras.layers.Dense(start[0].size, kernel_initializer="zeros", name="values")(inputs)
    network = keras.Model(inputs, keras.layers.Reshape(start.shape[1:])(outputs))
    network.get_layer("values").bias.assign(start.reshape(-1))
    network.compile(keras.optimizers.Adam(0.02), loss=DetectionLoss(SIDE))
    true = targets(face_row(BOX, LANDMARKS, weight=1.0))
    history = network.fit(np.zeros((1, 4), np.float32), true, epochs=8, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    assert history[-1] < 0.7 * history[0]
