from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs OpenCV")

from asianage.training.detector.canvas import Canvas, canvas_matrix, covers_faces, lay, moved_row, shrunk
from asianage.training.detector.targets import face_row

POINTS = np.array([[30, 30], [50, 30], [40, 40], [33, 50], [47, 50]], dtype=float)


@pytest.fixture
def picture():
    image = np.full((80, 80, 3), 200, np.uint8)
    image[25:35, 25:35] = (255, 0, 0)
    return image


@pytest.mark.parametrize("angle", [0.0, 30.0, 135.0])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scale", [0.4, 1.5])
def test_landmarks_move_with_the_pixels(picture, angle, mirrored, scale):
    canvas = Canvas(np.zeros((160, 160, 3), np.uint8))
    matrix = canvas_matrix(picture, scale, angle, (80.0, 80.0), mirrored)
    lay(canvas, picture, np.array([face_row((20, 20, 60, 60), POINTS)]), matrix, 0.0, mirrored)
    (row,) = canvas.faces
    eye = row[4:6] if not mirrored else row[6:8]
    x, y = np.round(eye).astype(int)
    assert canvas.image[y, x, 0] > 225
    assert canvas.image[y, x, 1] < 60


def test_a_mirrored_face_keeps_the_order_of_its_landmarks(picture):
    row = face_row((20, 20, 60, 60), POINTS)
    moved = moved_row(row, canvas_matrix(picture, 1.0, 0.0, (40.0, 40.0), True), True)
    assert moved[4] < moved[6]
    turned = moved_row(row, canvas_matrix(picture, 1.0, 180.0, (40.0, 40.0), False), False)
    assert turned[4] > turned[6]


def test_the_box_of_a_turned_face_is_that_around_its_ellipse(picture):
    row = face_row((20, 10, 60, 70))
    moved = moved_row(row, canvas_matrix(picture, 1.0, 90.0, (40.0, 40.0), False), False)
    np.testing.assert_allclose(moved[:4], (10, 20, 70, 60), atol=1e-3)
    slanted = moved_row(row, canvas_matrix(picture, 1.0, 45.0, (40.0, 40.0), False), False)
    np.testing.assert_allclose(slanted[2] - slanted[0], 2 * np.hypot(20, 30) * np.sqrt(0.5), atol=1e-3)


def test_what_lies_outside_changes_nothing(picture):
    canvas = Canvas(np.zeros((50, 50, 3), np.uint8))
    matrix = canvas_matrix(picture, 1.0, 0.0, (500.0, 20.0), False)
    lay(canvas, picture, np.array([face_row((20, 20, 60, 60))]), matrix, 0.0, False)
    assert not canvas.image.any()
    assert canvas.faces == []


def test_soft_borders_mix_with_what_lies_under(picture):
    canvas = Canvas(np.zeros((160, 160, 3), np.uint8))
    lay(canvas, picture, np.zeros((0, 16)), canvas_matrix(picture, 1.0, 0.0, (80.0, 80.0), False), 4.0, False)
    assert 0 < canvas.image[80, 42, 1] < 190
    assert canvas.image[90, 90, 1] == 200


def test_a_patch_that_would_cover_a_face_is_noticed(picture):
    face = face_row((10, 10, 50, 50))
    assert covers_faces([face], picture, canvas_matrix(picture, 1.0, 0.0, (60.0, 60.0), False))
    assert not covers_faces([face], picture, canvas_matrix(picture, 1.0, 0.0, (120.0, 120.0), False))


def test_shrinking_tells_its_factors(picture):
    smaller, factors = shrunk(picture[:, :60], 0.33)
    assert smaller.shape == (26, 20, 3)
    np.testing.assert_allclose(factors, (20 / 60, 26 / 80))
    assert shrunk(picture, 1.5)[0] is picture
