from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("keras", reason="needs the extra train")

from asianage.data.photos import LabeledFace, Photo
from asianage.faces.detection.detector import Detection
from asianage.networks.face_detector import face_detector_network, load_yunet_weights
from asianage.training.detector.validation import LandmarkValidation, Search, validate_search
from tests.training.detector.pictures import background, encoded, single_face


class FakeSearch:
    """Finds a face and, less surely, something else in every picture."""

    def detect(self, image):
        return [Detection((10, 10, 50, 50), None, 0.9), Detection((100, 100, 140, 140), None, 0.62)]


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.zeros((160, 160, 3), np.uint8)).save(path)
    return Photo(path, (LabeledFace((10, 10, 50, 50)),))


def test_recall_is_measured_where_few_boxes_are_wrong(photo):
    figures = validate_search(FakeSearch(), [photo, Photo(photo.path)], most_extra=10.0)
    assert figures == {
        "val_score": 0.0,
        "val_recall": 1.0,
        "val_extra_per_100": 0.0,
        "val_face_free_boxes": 1,
        "val_threshold": 0.63,
    }
    assert validate_search(FakeSearch(), [photo], most_extra=100.0)["val_threshold"] == 0.3


def test_an_epoch_with_too_many_wrong_boxes_at_every_score_is_worse_than_any_other(photo):
    many = [Detection((30.0 * n, 90.0, 30.0 * n + 25.0, 115.0), None, 0.99) for n in range(5)]
    figures = validate_search(SimpleNamespace(detect=lambda image: many), [photo], 10.0)
    assert figures["val_score"] > 1.0


def test_a_search_finds_the_face_of_a_photo_with_the_weights_of_the_moment(yunet_path, hopper):
    pytest.importorskip("onnx", reason="needs the extra train")
    network = face_detector_network(32, 32)
    search = Search(network)
    load_yunet_weights(network, yunet_path.read_bytes())
    face = search.detect(hopper)[0]
    assert face.score > 0.8
    assert 150 < face.box[0] < face.landmarks[0, 0] < face.landmarks[1, 0] < face.box[2] < 400
    network.get_layer("object_8_depth").bias.assign([-50.0])
    network.get_layer("object_16_depth").bias.assign([-50.0])
    network.get_layer("object_32_depth").bias.assign([-50.0])
    assert search.detect(hopper) == []


def test_landmarks_and_verdicts_are_measured_on_the_same_patches_every_time():
    class Fixed:
        """Puts every landmark in the middle, and takes everything for a face."""

        def predict_on_batch(self, patches):
            return {"landmarks": np.zeros((len(patches), 10)), "face": np.ones((len(patches), 1))}

    faces, empty = [single_face(seed) for seed in range(3)], [encoded(background(9), [], single=False)]
    first, second = (LandmarkValidation(faces, empty, count=40)(Fixed()) for _ in range(2))
    assert first == second
    assert first["val_score"] == pytest.approx(first["val_landmark_error"] + first["val_wrong_verdicts"])
    assert 0.05 < first["val_wrong_verdicts"] < 0.5
    assert 0.3 < first["val_landmark_error"] < 1.5
