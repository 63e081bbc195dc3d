from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from asianage import AgeGenderEstimator, Detection, from_supervision, to_supervision
from tests.prediction.fakes import noise
from tests.prediction.test_face_prediction import prediction


def test_faces_become_detections_and_come_back():
    supervision = pytest.importorskip("supervision", reason="needs the extra video")
    faces = [prediction(age=20.0), prediction(gender="male", landmarks=None, detector=None, detection_score=None)]
    detections = to_supervision(faces)
    assert isinstance(detections, supervision.Detections)
    assert len(detections) == 2
    assert detections.class_id.tolist() == [0, 1]
    assert detections.confidence.tolist() == [0.912345, 1.0]
    assert detections.data["class_name"].tolist() == ["female", "male"]
    assert detections.data["age"].tolist() == [20.0, faces[1].age]
    back = from_supervision(detections)
    np.testing.assert_allclose(back[0].box, faces[0].box, atol=1e-4)
    np.testing.assert_array_equal(back[0].landmarks, faces[0].landmarks)
    assert back[1].landmarks is None
    assert [face.score for face in back] == [0.912345, 1.0]
    # A selection keeps all arrays in step.
    older = detections[detections.data["age"] > 25]
    assert older.data["class_name"].tolist() == ["male"]


def test_no_faces_become_no_detections():
    pytest.importorskip("supervision", reason="needs the extra video")
    nothing, one = to_supervision([]), to_supervision([prediction()])
    assert len(nothing) == 0
    assert nothing.is_empty()
    # The arrays are there, with the types that they have for faces.
    assert {name: (len(array), array.dtype.kind, array.shape[1:]) for name, array in nothing.data.items()} == {
        name: (0, array.dtype.kind, array.shape[1:]) for name, array in one.data.items()
    }
    assert (nothing.data["age"] > 18).tolist() == []
    assert from_supervision(to_supervision([])) == []


def test_boxes_of_other_detectors_are_predicted():
    boxes = np.array([[8, 8, 40, 40], [10, 4, 60, 60]], dtype=np.float32)
    faces = from_supervision(SimpleNamespace(xyxy=boxes, confidence=None, data={}))
    assert faces == [Detection((8, 8, 40, 40)), Detection((10, 4, 60, 60))]
    predicted = AgeGenderEstimator(detector=None).predict(noise(0), faces=faces)
    assert [face.box for face in predicted] == [face.box for face in faces]


def test_without_supervision_the_extra_is_named():
    code = """
import sys
sys.modules["supervision"] = None
from asianage import MissingExtraError, to_supervision
try:
    to_supervision([])
except MissingExtraError as error:
    assert 'pip install "asianage[video]"' in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True)
