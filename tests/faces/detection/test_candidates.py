from __future__ import annotations

import numpy as np
import pytest

from asianage.faces.alignment import TEMPLATE
from asianage.faces.detection.candidates import Candidates, intersection_over_union, without_repeats


def test_of_several_boxes_of_one_face_the_best_stays():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [0, 0, 10, 4.0]])
    assert without_repeats(boxes, np.array([0.5, 0.9, 0.3, 0.7])).tolist() == [1, 3, 2]
    assert without_repeats(np.empty((0, 4)), np.empty(0)).tolist() == []
    assert without_repeats(boxes[[0, 0]], np.array([0.5, 0.5])).tolist() == [0]


def test_intersection_over_union_by_hand():
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 2, 2], [-5, -5, 15, 15.0]])
    shares = intersection_over_union(np.array([0, 0, 10, 10.0]), others)
    assert shares == pytest.approx([1.0, 50 / 150, 0.0, 0.0, 100 / 400])


def test_a_face_that_the_landmarks_network_doubts_scores_lower():
    found = Candidates.unseen(np.array([[0, 0, 10, 10], [20, 0, 40, 20.0]]), np.array([0.8, 0.9]))
    assert np.isnan(found.scores).all()
    assert found.first_scores.tolist() == [0.9, 0.8]
    seen = Candidates(found.boxes, found.first_scores, np.stack([TEMPLATE, 20 * TEMPLATE]), np.array([0.5, 1.0]))
    assert seen.scores == pytest.approx([0.45, 0.8])
    assert seen.rolls.tolist() == [0.0, 0.0]
    assert [face.area for face in seen.detections()] == [400.0, 100.0]
    assert len(seen.joined(found)) == 2
    assert seen.joined(found).scores == pytest.approx([0.45, 0.8])
    assert len(Candidates.none().joined(Candidates.none()).rolls) == 0
