from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest

from asianage.errors import DetectorUnavailableError, MissingExtraError
from asianage.faces.detection.mtcnn import MTCNNDetector

FACE = {
    "box": [10, 20, 30, 40],
    "confidence": 0.97,
    "keypoints": {
        "nose": (25, 42),
        "mouth_right": (32, 52),
        "right_eye": (33, 33),
        "left_eye": (17, 32),
        "mouth_left": (18, 51),
    },
}


@pytest.fixture
def answer(monkeypatch) -> list[Any]:
    """What a stand-in for the package `mtcnn` finds; tests fill it."""
    faces: list[Any] = []

    class Network:
        def __init__(self, **options: object) -> None:
            pass

        def detect_faces(self, image: np.ndarray) -> list[Any] | None:
            return faces[0] if faces and faces[0] is None else faces

    module = types.ModuleType("mtcnn")
    module.MTCNN = Network
    monkeypatch.setitem(sys.modules, "mtcnn", module)
    return faces


def test_boxes_and_landmarks_take_the_form_of_the_package(answer):
    answer.append(FACE)
    # Searched at its own size.
    (face,) = MTCNNDetector().detect(np.zeros((320, 320, 3), np.uint8))
    assert face.box == (10.0, 20.0, 40.0, 60.0)
    assert face.score == 0.97
    assert face.landmarks.dtype == np.float32
    np.testing.assert_array_equal(face.landmarks, [[17, 32], [33, 33], [25, 42], [18, 51], [32, 52]])


def test_uncertain_and_empty_faces_are_left_out(answer):
    uncertain = {**FACE, "confidence": 0.6, "box": [200, 200, 30, 40]}
    answer += [FACE, uncertain, {**FACE, "box": [10, 20, 0, 40]}, {**FACE, "box": [10, 20, 5, -1]}]
    image = np.zeros((100, 100, 3), np.uint8)
    assert len(MTCNNDetector().detect(image)) == 1
    assert len(MTCNNDetector(score_threshold=0.5).detect(image)) == 2
    assert MTCNNDetector(score_threshold=0.98).detect(image) == []


def test_no_answer_means_no_face(answer):
    answer.append(None)
    assert MTCNNDetector().detect(np.zeros((100, 100, 3), np.uint8)) == []


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    with pytest.raises(MissingExtraError, match=r'pip install "asianage\[mtcnn\]"'):
        MTCNNDetector()


# --- the real package --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def detector():
    pytest.importorskip("tensorflow")
    pytest.importorskip("mtcnn")
    return MTCNNDetector()


@pytest.mark.slow
def test_the_face_of_the_sample_photo_is_found(detector, hopper):
    (face,) = detector.detect(hopper)
    assert face.box == pytest.approx((185, 115, 355, 335), abs=20)
    assert face.landmarks == pytest.approx(
        np.array([[226, 191], [307, 189], [266, 238], [230, 272], [304, 272]]), abs=12
    )
    assert 0.9 <= face.score <= 1.0


@pytest.mark.slow
def test_landmarks_are_left_and_right_as_seen_in_the_image(detector, hopper):
    (face,) = detector.detect(np.ascontiguousarray(hopper[:, ::-1]))
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(320, 320), (16, 4000), (4000, 16), (16, 16)])
def test_where_there_is_no_face_there_is_none(detector, shape):
    for image in (np.zeros((*shape, 3)), np.random.default_rng(0).integers(0, 256, (*shape, 3))):
        assert detector.detect(image.astype(np.uint8)) == []


def test_another_backend_of_keras_is_named(answer, monkeypatch):
    def fail(**options):
        raise ImportError("No module named 'jax'")

    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(sys.modules["mtcnn"], "MTCNN", fail)
    with pytest.raises(DetectorUnavailableError, match=r"KERAS_BACKEND=jax .*'jax'.*Unset KERAS_BACKEND"):
        MTCNNDetector()
