from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from asianage.data.photos import LabeledFace, Photo
from asianage.evaluation.detection import evaluate_detection, landmark_error, match_boxes, photo_figures
from asianage.faces.detection.detector import Detection

BOX, SMALL, TINY = (10, 10, 60, 60), (100, 100, 120, 124), (200, 200, 212, 212)
LANDMARKS = np.array([[60, 60], [100, 60], [80, 80], [65, 100], [95, 100]], dtype=np.float32)


class FakeDetector:
    """Finds the same faces in every picture; `seen` are the sizes of the pictures."""

    name = "fake"

    def __init__(self, *faces):
        self.faces, self.seen = list(faces), []

    def detect(self, image):
        self.seen.append(image.shape[:2])
        return self.faces


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.zeros((160, 160, 3), np.uint8)).save(path)
    return path


def test_recall_and_wrong_boxes_are_counted(picture):
    faces = (LabeledFace(BOX, label="masked"), LabeledFace(SMALL, label="unmasked"), LabeledFace(TINY, label="masked"))
    found = [[Detection((12, 10, 62, 60)), Detection((300, 300, 340, 340)), Detection((0, 0, 9, 9))], []]
    figures = photo_figures(found, [Photo(picture, faces), Photo(picture)])
    assert figures == {
        "photos": 1,
        "faces": 2,
        "recall": 0.5,
        "recall_by_group": {"16 to 32 pixels": 0.0, "masked": 1.0, "unmasked": 0.0},
        "extra_per_100": 100.0,
    }


def test_unsure_faces_are_neither_missed_nor_wrong(picture):
    photo = Photo(picture, (LabeledFace(BOX, label="unknown"), LabeledFace(SMALL)))
    figures = photo_figures([[Detection(BOX), Detection(SMALL)]], [photo])
    assert (figures["faces"], figures["recall"], figures["extra_per_100"]) == (1, 1.0, 0.0)


def test_boxes_are_matched_one_to_one_from_the_best_overlap_on():
    found = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [50, 50, 60, 60]], dtype=float)
    labeled = np.array([[0, 0, 10, 10], [51, 50, 60, 60]], dtype=float)
    assert match_boxes(found, labeled).tolist() == [-1, 0, 1]
    assert match_boxes(found[:0], labeled).tolist() == []
    assert match_boxes(found, labeled[:0]).tolist() == [-1, -1, -1]


def test_landmarks_are_measured_on_faces_of_80_pixels():
    # The eyes of the face are 40 pixels apart, and its side is 2.4 x 40: it is scaled by 80 / 96.
    scaled = (LANDMARKS + 0.5) * 80 / 96 - 0.5
    detector = FakeDetector(Detection((0, 0, 10, 10), scaled), Detection((40, 40, 95, 95), scaled + np.array([0, 10])))
    error = landmark_error(detector, np.zeros((160, 160, 3), np.uint8), LANDMARKS)
    assert error == pytest.approx(10 / (40 * 80 / 96), rel=1e-4)
    assert detector.seen == [(133, 133)]
    assert landmark_error(FakeDetector(), np.zeros((160, 160, 3), np.uint8), LANDMARKS) is None
    far = FakeDetector(Detection((0, 0, 10, 10), scaled))
    assert landmark_error(far, np.zeros((160, 160, 3), np.uint8), LANDMARKS) is None


def test_all_figures_of_a_detector(picture, capsys, bars):
    photos = [
        Photo(picture, (LabeledFace(BOX),)),
        Photo(picture),
        Photo(picture, (LabeledFace(landmarks=LANDMARKS),), is_complete=False),
        Photo(picture, (), is_complete=False),
    ]
    figures = evaluate_detection(FakeDetector(Detection(BOX)), photos, progress=True)
    assert (figures.recall, figures.face_free, figures.face_free_boxes) == (1.0, 1, 1)
    assert (figures.landmark_faces, figures.landmark_recall, figures.landmark_error) == (1, 0.0, None)
    assert json.loads(json.dumps(figures.to_dict()))["photos"] == 1
    assert "photos" in capsys.readouterr().err


def test_data_without_a_kind_have_no_figure_of_it(picture):
    figures = evaluate_detection(FakeDetector(), [Photo(picture)])
    assert (figures.recall, figures.extra_per_100, figures.landmark_recall) == (None, None, None)
