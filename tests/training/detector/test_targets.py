from __future__ import annotations

import numpy as np
import pytest

from asianage.training.detector.targets import FACE, IGNORED, MIRRORED, face_frame, face_row, overlaps

UPRIGHT = np.array([[40, 40], [80, 40], [60, 60], [45, 80], [75, 80]], dtype=float)


def test_a_row_holds_box_landmarks_kind_and_weight():
    row = face_row((1, 2, 3, 4), UPRIGHT, weight=0.3)
    assert row[:4].tolist() == [1, 2, 3, 4]
    assert row[4:8].tolist() == [40, 40, 80, 40]
    assert row[14:].tolist() == pytest.approx([FACE, 0.3])
    ignored = face_row((1, 2, 3, 4), kind=IGNORED)
    assert np.isnan(ignored[4:14]).all()
    assert ignored[14:].tolist() == [IGNORED, 0.0]


def test_the_frame_of_a_face_turns_with_it():
    middle, down, size = face_frame(UPRIGHT)
    assert (middle.tolist(), down.tolist(), size) == ([60, 60], [0, 1], 40)
    quarter = np.stack([-UPRIGHT[:, 1], UPRIGHT[:, 0]], axis=1)
    middle, down, size = face_frame(quarter)
    assert (middle.tolist(), down.tolist(), size) == ([-60, 60], [-1, 0], 40)


def test_a_mirror_image_exchanges_left_and_right():
    mirrored = (UPRIGHT * (-1, 1) + (120, 0))[MIRRORED]
    np.testing.assert_array_equal(mirrored, UPRIGHT)


def test_overlaps_of_all_pairs():
    shared = overlaps([(0, 0, 10, 10), (0, 0, 5, 10)], [(0, 0, 10, 10), (20, 20, 30, 30)])
    np.testing.assert_allclose(shared, [[1.0, 0.0], [0.5, 0.0]])
    assert overlaps([(0, 0, 1, 1)], []).shape == (1, 0)
