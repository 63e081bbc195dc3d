from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from asianage.faces.detection import Detection, as_detections, filter_detections, roll_of_landmarks

LANDMARKS = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.55], [0.35, 0.75], [0.65, 0.75]], dtype=np.float32)

BOXES = [[10, 20, 40, 80], [0, 0, 5, 5.5]]


# --- Detection ---------------------------------------------------------------------------------------------------


def test_a_detection_is_mapped_with_its_landmarks():
    face = Detection((10.0, 20.0, 40.0, 80.0), LANDMARKS * 100, 0.75)
    mapped = face.mapped(2.0, -5.0)
    assert mapped.box == (15.0, 35.0, 75.0, 155.0)
    np.testing.assert_allclose(mapped.landmarks, LANDMARKS * 200 - 5, rtol=1e-6)
    assert mapped.landmarks.dtype == np.float32
    assert mapped.score == 0.75
    assert mapped.area == face.area * 4
    assert Detection((0.0, 0.0, 1.0, 1.0)).mapped(3.0).landmarks is None


def test_a_reversed_box_has_no_area():
    assert Detection((10.0, 10.0, 5.0, 50.0)).area == 0.0
    assert Detection((10.0, 10.0, 15.0, 50.0)).area == 200.0


def test_values_of_other_libraries_become_plain_ones():
    face = Detection(np.array([1, 2, 3, 4], dtype=np.float32), (LANDMARKS * 10).tolist(), np.float32(0.5))
    assert [type(value) for value in face.box] == [float] * 4
    assert type(face.score) is float
    assert face.landmarks.dtype == np.float32
    np.testing.assert_allclose(face.landmarks, LANDMARKS * 10, rtol=1e-6)


def test_detections_are_equal_when_their_values_are():
    def face(box=(1.0, 2.0, 3.0, 4.0), landmarks=LANDMARKS, score=0.5):
        return Detection(box, landmarks, score)

    assert face() == face(landmarks=LANDMARKS.copy())
    assert len({face(), face(landmarks=LANDMARKS.tolist())}) == 1
    others = [face(box=(1.0, 2.0, 3.0, 5.0)), face(landmarks=LANDMARKS + 1), face(landmarks=None), face(score=0.6)]
    assert all(face() != other for other in others)
    assert face() != "face"


def test_a_detection_of_another_form_is_refused():
    with pytest.raises(ValueError, match=r"`box` must be four numbers .*Received: 3 numbers"):
        Detection((1, 2, 3))
    with pytest.raises(ValueError, match=r"`landmarks` must be of shape \(5, 2\)\. Received: shape=\(4, 2\)"):
        Detection((1, 2, 3, 4), LANDMARKS[:4])


# --- faces of a user ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array, lambda boxes: [tuple(box) for box in boxes]])
def test_boxes_become_detections(kind):
    found = as_detections(kind(BOXES))
    assert found == [Detection((10.0, 20.0, 40.0, 80.0)), Detection((0.0, 0.0, 5.0, 5.5))]


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda box: Detection(tuple(box))])
def test_one_face_is_taken_without_a_list(kind):
    assert as_detections(kind(BOXES[0])) == [Detection((10.0, 20.0, 40.0, 80.0))]


def test_detections_stay_as_they_are_and_may_stand_among_boxes():
    face = Detection((1.0, 2.0, 3.0, 4.0), LANDMARKS, 0.5)
    assert as_detections([face, BOXES[0]]) == [face, Detection((10.0, 20.0, 40.0, 80.0))]
    assert as_detections([face] * 4) == [face] * 4
    # Pixels of four faces in a row are no box.
    assert len(as_detections(BOXES * 2)) == 4


def test_other_objects_with_a_box_are_faces():
    prediction = SimpleNamespace(box=(1, 2, 3, 4), landmarks=LANDMARKS, age=30.0)
    assert as_detections([prediction]) == as_detections(prediction) == [Detection((1, 2, 3, 4), LANDMARKS, 1.0)]


def test_no_faces_are_no_detections():
    assert as_detections([]) == as_detections(np.empty((0, 4))) == []


@pytest.mark.parametrize("faces", [None, 5, "10,20,40,80", b"1234", {"box": BOXES[0]}, [5], [None, None]])
def test_what_is_no_face_is_a_type_error(faces):
    with pytest.raises(TypeError, match=r"Faces must be boxes .*Received"):
        as_detections(faces)


@pytest.mark.parametrize("faces", [[1, 2, 3], np.zeros((2, 5)), [[1, 2, 3]], np.zeros((1, 5, 2)), ["abcd"], [[]]])
def test_boxes_of_another_form_are_refused(faces):
    with pytest.raises((TypeError, ValueError), match=r"Faces must be boxes .*shape \(n, 4\).*Received"):
        as_detections(faces)


@pytest.mark.parametrize("box", [[200, 100, 50, 60], [1, 2, 1, 4], [1, 2, float("nan"), 4], [0, 0, float("inf"), 1]])
def test_boxes_without_an_area_are_refused_with_a_remedy(box):
    with pytest.raises(ValueError, match=r"positive area\. Received: \(.*Convert \(x, y, width, height\)"):
        as_detections([box])


# --- which faces stay --------------------------------------------------------------------------------------------

FACES = [
    Detection((0.0, 0.0, 30.0, 40.0), None, 0.9),
    Detection((0.0, 0.0, 100.0, 20.0), None, 0.6),
    Detection((0.0, 0.0, 50.0, 60.0), None, 0.7),
]


def test_faces_come_largest_first():
    assert filter_detections(FACES) == [FACES[2], FACES[1], FACES[0]]
    assert filter_detections([]) == []


def test_faces_of_the_same_size_keep_their_order():
    same = [Detection((x, 0.0, x + 10.0, 10.0)) for x in (5.0, 3.0, 9.0)]
    assert filter_detections(same) == same


def test_each_condition_leaves_faces_out():
    assert filter_detections(FACES, score_threshold=0.7) == [FACES[2], FACES[0]]
    assert filter_detections(FACES, min_face_size=30) == [FACES[2], FACES[0]]
    assert filter_detections(FACES, max_faces=2) == [FACES[2], FACES[1]]
    assert filter_detections(FACES, score_threshold=0.65, min_face_size=31, max_faces=5) == [FACES[2]]
    # The smallest faces go, after those that meet no other condition.
    assert filter_detections(FACES, score_threshold=0.8, max_faces=1) == [FACES[0]]


def test_boxes_that_a_detector_returns_are_taken():
    assert filter_detections(BOXES[::-1]) == as_detections(BOXES)


def test_a_detection_shares_no_memory_and_cannot_be_changed():
    own = LANDMARKS * 10
    face = Detection((1, 2, 3, 4), own)
    own += 50
    np.testing.assert_allclose(face.landmarks, LANDMARKS * 10, rtol=1e-6)
    for one in (face, pickle.loads(pickle.dumps(face)), copy.deepcopy(face)):
        assert one == face
        with pytest.raises(ValueError, match="read-only"):
            one.landmarks += 1


@pytest.mark.parametrize("box", [(9, 9, 5, 20), (9, 9, 5, 5), (0, 0, float("nan"), 9), (0, 0, float("inf"), 9)])
def test_detections_and_other_objects_are_checked_like_boxes(box):
    for face in (Detection(box), SimpleNamespace(box=box)):
        for check in (as_detections, filter_detections):
            with pytest.raises(ValueError, match="positive area"):
                check([face])


def test_scores_and_landmarks_that_are_impossible_are_refused_with_a_remedy():
    for score in (99.5, -3.0, float("nan")):
        with pytest.raises(ValueError, match=r"score must lie in \[0, 1\]\. Received.*Divide percentages by 100"):
            as_detections([Detection(BOXES[0], None, score)])
    with pytest.raises(ValueError, match="Landmarks must be finite"):
        as_detections([Detection(BOXES[0], np.full((5, 2), np.nan))])
    rounded = Detection(BOXES[0], None, np.float32(1.0000001))
    assert as_detections([rounded]) == [rounded]


def test_the_angle_of_a_face_upside_down_is_never_minus_180():
    turned = 1.0 - LANDMARKS.astype(np.float64)
    for tilt in (0.0, 1e-30, -1e-30, 1e-17, -1e-17):
        turned[3:, 0] = turned[:2, 0].mean() + np.array([0.15, -0.15]) + tilt
        assert roll_of_landmarks(turned) == pytest.approx(180.0)
    assert roll_of_landmarks(np.array([[0.0, 1], [0, 1], [0, 0], [0.0, 0], [0, 0]])) == 180.0
    assert roll_of_landmarks(np.array([[-0.0, 1], [-0.0, 1], [0, 0], [0.0, 0], [0, 0]])) == 180.0
