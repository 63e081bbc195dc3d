from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from asianage.faces.alignment import TEMPLATE
from asianage.faces.detection.networks import PATCH
from asianage.faces.detection.patches import BOX_SIZE, PATCH_SIDE, Frame, find_landmarks


class Recorder:
    """Gives the template's landmarks in every patch, turned as asked for, and keeps the patches."""

    def __init__(self, angle: float = 0.0) -> None:
        self.patches = []
        self._angle = angle

    def __call__(self, patch):
        self.patches.append(patch)
        angle = self._angle if len(self.patches) == 1 else 0.0
        points = (TEMPLATE - (0.5, 0.58)) * 18.8 / 0.342
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return points @ turn.T + PATCH / 2, 0.7


def gradient(height: int, width: int) -> np.ndarray:
    """A picture whose red is x and whose green is y."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, 0 * x], axis=-1).astype(np.uint8)


def test_the_first_patch_is_the_upright_square_around_the_box():
    network = Recorder()
    find_landmarks(network, gradient(200, 200), np.array([80.0, 70.0, 120.0, 130.0]))
    step = PATCH_SIDE / BOX_SIZE * np.sqrt(40 * 60) / PATCH
    expected = 100.0 + (np.arange(PATCH) + 0.5 - PATCH / 2) * step - 0.5
    np.testing.assert_allclose(network.patches[0][PATCH // 2, :, 0], expected, atol=1.0)
    np.testing.assert_allclose(network.patches[0][:, PATCH // 2, 1], expected, atol=1.0)


def test_landmarks_are_mapped_to_the_photo_and_turn_the_second_patch():
    network = Recorder(np.pi / 2)
    landmarks, probability = find_landmarks(network, gradient(200, 200), np.array([80.0, 80.0, 120.0, 120.0]))
    assert probability == 0.7
    # Clockwise by a quarter: down in the patch is left in the photo, across is down.
    x, y = network.patches[1][..., 0].astype(float), network.patches[1][..., 1].astype(float)
    assert (np.diff(x[:, 32]) <= 0).all()
    assert x[0, 32] > x[-1, 32] + 40
    assert (np.diff(y[32]) >= 0).all()
    assert y[32, -1] > y[32, 0] + 40
    middle_x, middle_y, size, angle = Frame.of(landmarks)
    assert (middle_x, middle_y) == pytest.approx((99.5, 99.5), abs=1.0)
    assert size == pytest.approx(40 / BOX_SIZE, rel=0.05)
    assert angle == pytest.approx(-np.pi / 2)


@pytest.mark.parametrize(
    "box",
    [(-30, -30, 30, 30), (190, 190, 260, 260), (-400, -400, 600, 600), (5, 5, 5.1, 5.1), (-1e60, -1e60, 1e60, 1e60)],
)
def test_beyond_the_photo_its_border_is_repeated(box):
    network = Recorder()
    find_landmarks(network, np.full((200, 200, 3), 77, dtype=np.uint8), np.array(box, dtype=float))
    for patch in network.patches:
        assert patch.shape == (PATCH, PATCH, 3)
        assert (patch == 77).all()


def test_a_large_face_is_averaged_and_not_sampled():
    image = np.random.default_rng(0).integers(0, 2, (1000, 1000, 1)).repeat(3, axis=2).astype(np.uint8) * 255
    network = Recorder()
    find_landmarks(network, image, np.array([200.0, 200.0, 800.0, 800.0]))
    assert network.patches[0].std() < 30
    reduced = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BOX))
    assert abs(float(network.patches[0].mean()) - float(reduced.mean())) < 2


def test_a_patch_far_beyond_the_photo_costs_no_more_than_one_beside_it():
    image = np.random.default_rng(0).integers(0, 256, (339, 301, 3), dtype=np.uint8)
    patches = []
    for place in (600.0, 60_000.0, 6e8):
        network = Recorder()
        find_landmarks(network, image, np.array([place, 20.0, place + 100, 120.0]))
        patches.append(network.patches[0])
    np.testing.assert_array_equal(patches[1], patches[0])
    np.testing.assert_array_equal(patches[2], patches[0])
    # The last column goes on, with all its rows.
    assert patches[0].std(axis=1).max() == 0.0
    assert patches[0].std() > 10
