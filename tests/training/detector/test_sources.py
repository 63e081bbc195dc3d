from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("keras", reason="needs the extra train")

from asianage.data.photos import LabeledFace, Photo
from asianage.faces.detection.detector import Detection
from asianage.training.detector.sources import (
    Sources,
    box_convention,
    encoded,
    make_sources,
    search_enlarged,
    single_faces,
    without_repeats,
)
from asianage.training.detector.targets import FACE, IGNORED, face_row

LANDMARKS = np.array([[60, 60], [100, 60], [80, 80], [65, 100], [95, 100]], dtype=np.float32)
FACE_BOX = (40, 35, 120, 135)


def teacher(*faces, side=160):
    """Return a detector that finds the same faces, given in pixels of a picture with that side, at every size."""
    return lambda image: [face.mapped(max(image.shape[:2]) / side) for face in faces]


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(60, 255, (160, 160, 3), dtype=np.uint8)).save(path)
    return path


def test_a_photo_has_its_own_boxes_and_the_landmarks_of_the_teacher(picture):
    faces = (
        LabeledFace((0, 0, 30, 30), label="unknown"),
        LabeledFace((42, 35, 120, 135)),
        LabeledFace((0, 130, 20, 155)),
    )
    found = (
        Detection(FACE_BOX, LANDMARKS, 0.9),
        Detection((130, 0, 150, 25), None, 0.7),
        Detection((0, 60, 9, 70), None, 0.4),
    )
    (source,) = make_sources([Photo(picture, faces)], teacher(*found)).photos
    assert source.faces[:, 14].tolist() == [IGNORED, FACE, FACE, IGNORED]
    np.testing.assert_allclose(source.faces[1, :4], faces[1].box)
    np.testing.assert_allclose(source.faces[1, 4:14].reshape(5, 2), LANDMARKS, atol=1e-3)
    assert source.faces[:, 15].tolist() == pytest.approx([0, 0.3, 0, 0])
    np.testing.assert_allclose(source.faces[3, :4], (130, 0, 150, 25), atol=1e-3)


def test_a_single_face_has_its_own_landmarks_and_the_box_of_the_teacher(picture):
    photo = Photo(picture, (LabeledFace(landmarks=LANDMARKS),), is_complete=False)
    found = Detection(FACE_BOX, LANDMARKS + 5, 0.9), Detection((0, 0, 25, 30), None, 0.5)
    (source,) = make_sources([photo], teacher(*found)).singles
    assert source.single
    np.testing.assert_allclose(source.faces[0, :4], FACE_BOX, atol=1e-3)
    np.testing.assert_allclose(source.faces[0, 4:14].reshape(5, 2), LANDMARKS)
    assert source.faces[:, 14].tolist() == [FACE, IGNORED]


def test_a_face_that_the_teacher_misses_gets_the_box_that_it_draws_elsewhere(picture):
    shifted = Photo(picture, (LabeledFace(landmarks=LANDMARKS + 200),), is_complete=False)
    photo = Photo(picture, (LabeledFace(landmarks=LANDMARKS),), is_complete=False)
    missed, found = make_sources([shifted, photo], teacher(Detection(FACE_BOX, LANDMARKS, 0.9))).singles
    np.testing.assert_allclose(missed.faces[0, :4], found.faces[0, :4] + 200, atol=1e-3)
    assert box_convention([shifted], [[]]).shape == (3,)


def test_a_face_without_labels_is_believed_if_the_teacher_is_sure(picture):
    photo = Photo(picture, is_complete=False)
    assert make_sources([photo], teacher(Detection(FACE_BOX, LANDMARKS, 0.8))).singles == []
    (source,) = make_sources([photo], teacher(Detection(FACE_BOX, LANDMARKS, 0.9))).singles
    assert source.faces[0, 15] == pytest.approx(0.2)


def test_face_free_pictures_are_not_searched_and_dark_photos_left_out(picture, tmp_path):
    Image.new("RGB", (100, 100), (20, 20, 20)).save(tmp_path / "dark.png")
    dark = Photo(tmp_path / "dark.png", (LabeledFace((1, 1, 30, 30)),))
    sources = make_sources([Photo(picture), dark], teacher(Detection(FACE_BOX, LANDMARKS, 0.9)))
    assert (len(sources.photos), len(sources.singles), len(sources.empty)) == (0, 0, 1)
    assert sources.empty[0].faces.shape == (0, 16)


def test_a_search_at_several_sizes_keeps_the_surest_of_each_face():
    sizes = []

    def detect(image):
        sizes.append(image.shape[:2])
        side = image.shape[0]
        return [Detection((0, 0, side / 2, side / 2), None, side / 1000)]

    faces = search_enlarged(detect, np.zeros((100, 80, 3), np.uint8), (320, 640))
    assert sizes == [(320, 256), (640, 512)]
    assert [(face.box, face.score) for face in faces] == [((0, 0, 50, 50), 0.64)]
    apart = [Detection((0, 0, 10, 10), None, 0.5), Detection((5, 0, 15, 10), None, 0.6)]
    assert len(without_repeats(apart)) == 2


def test_large_pictures_are_shrunk_with_their_rows():
    source = encoded(np.zeros((200, 1280, 3), np.uint8), [face_row((100, 20, 200, 120))], single=False)
    assert source.image().shape == (100, 640, 3)
    assert source.faces[0, :4].tolist() == [50, 10, 100, 60]
    assert source.faces[0, 14] == FACE


def test_faces_are_cut_out_of_photos():
    image = np.zeros((300, 300, 3), np.uint8)
    image[100:200, 100:200] = 255
    rows = [
        face_row((100, 100, 200, 200), LANDMARKS + 80, weight=0.3),
        face_row((5, 5, 15, 15)),
        face_row((0, 0, 50, 50), kind=IGNORED),
    ]
    (cut,) = single_faces(Sources([encoded(image, rows, single=False)], [], []))
    assert cut.single
    assert max(cut.image().shape) == 150
    x_min, y_min, x_max, y_max = np.round(cut.faces[0, :4]).astype(int)
    assert cut.image()[y_min + 2 : y_max - 2, x_min + 2 : x_max - 2].mean() > 250
    scale = (x_max - x_min) / 100
    np.testing.assert_allclose(cut.faces[0, 4:6] - cut.faces[0, :2], (LANDMARKS[0] + 80 - 100) * scale, atol=1)
