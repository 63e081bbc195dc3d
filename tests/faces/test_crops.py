from __future__ import annotations

import numpy as np
import pytest

from asianage.faces.alignment import TEMPLATE, cut_crop, similarity_from_box, similarity_from_landmarks
from asianage.faces.crops import FaceCrops, cut_face_crops, whole_image_crop
from asianage.faces.detection import Detection
from tests.faces.pictures import picture

SIZE = 48

WITH_LANDMARKS = Detection((20.0, 30.0, 90.0, 120.0), TEMPLATE * 80 + 20, 0.9)
BOX_ONLY = Detection((100.0, 40.0, 150.0, 110.0), None, 0.8)


def test_each_face_is_cut_by_its_landmarks_or_its_box():
    image = picture(200, 240)
    found = cut_face_crops(image, [WITH_LANDMARKS, BOX_ONLY], SIZE, detector="own")
    assert found.crops.shape == (2, SIZE, SIZE, 3)
    assert found.crops.dtype == np.uint8
    by_landmarks = cut_crop(image, similarity_from_landmarks(WITH_LANDMARKS.landmarks), SIZE)
    np.testing.assert_array_equal(found.crops[0], by_landmarks)
    np.testing.assert_array_equal(found.crops[1], cut_crop(image, similarity_from_box(BOX_ONLY.box), SIZE))
    assert found.detections == [WITH_LANDMARKS, BOX_ONLY]
    assert found.detector == "own"


def test_the_margin_lies_around_the_same_crop():
    image = picture(200, 240)
    for cut in (
        lambda margin: cut_face_crops(image, [WITH_LANDMARKS], SIZE, detector=None, margin=margin),
        lambda margin: whole_image_crop(image, SIZE, margin=margin),
        lambda margin: whole_image_crop(image[:SIZE, :SIZE], SIZE, margin=margin),
    ):
        np.testing.assert_array_equal(cut(7).crops[:, 7:-7, 7:-7], cut(0).crops)


@pytest.mark.parametrize("angle", [0.0, 0.6, np.pi])
def test_a_face_whose_tenth_lies_beyond_the_border_is_cut_off(angle):
    image = picture(200, 200)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def warnings(*middle: float) -> tuple[str, ...]:
        landmarks = (TEMPLATE - (0.5, 0.54)) @ turn.T * 100 + middle
        return cut_face_crops(image, [Detection(WITH_LANDMARKS.box, landmarks)], SIZE, detector=None).warnings[0]

    assert warnings(100, 100) == ()
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        # The half axes of a face are 36 and 45 pixels here.
        assert warnings(100 + 68 * x, 100 + 62 * y) == ()
        assert warnings(100 + 90 * x, 100 + 85 * y) == ("cut off",)


def test_a_whole_image_carries_the_warning_that_it_is_given():
    assert whole_image_crop(picture(), SIZE).warnings == [()]
    assert whole_image_crop(picture(), SIZE, warnings=("no face",)).warnings == [("no face",)]


def test_no_faces_give_no_crops():
    for found in (cut_face_crops(picture(), [], SIZE, detector="own"), FaceCrops.none(SIZE)):
        assert found.crops.shape == (0, SIZE, SIZE, 3)
        assert found.crops.dtype == np.uint8
        assert found.detections == []


def test_a_face_without_a_place_is_an_error():
    with pytest.raises(ValueError, match="positive area"):
        cut_face_crops(picture(), [Detection((5.0, 5.0, 5.0, 9.0))], SIZE, detector=None)


def test_a_whole_image_is_one_face():
    found = whole_image_crop(picture(60, 90), SIZE)
    assert found.crops.shape == (1, SIZE, SIZE, 3)
    assert found.detections == [Detection((0.0, 0.0, 90.0, 60.0), None, 1.0)]
    assert found.detector is None


def test_an_image_of_the_size_of_the_crop_is_the_crop():
    image = picture(SIZE, SIZE)
    np.testing.assert_array_equal(whole_image_crop(image, SIZE).crops[0], image)
