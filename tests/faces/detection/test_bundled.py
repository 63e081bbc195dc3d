from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from asianage.faces.detection import BundledDetector, Detection


@pytest.fixture(scope="module")
def detector():
    return BundledDetector()


@pytest.fixture(scope="module")
def head(hopper):
    """The head of the photo, 160 pixels wide and high."""
    return np.asarray(Image.fromarray(hopper[20:420, 70:470]).resize((160, 160), Image.Resampling.BOX))


def test_a_face_is_found_once_with_its_landmarks(detector, hopper):
    (face,) = detector.detect(hopper)
    assert face.score > 0.9
    assert abs(face.roll) < 10
    left, right, nose, *mouth = face.landmarks
    assert left[0] < nose[0] < right[0]
    assert max(left[1], right[1]) < nose[1] < min(point[1] for point in mouth)
    assert face.box[0] < left[0] < right[0] < face.box[2]


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_turned_photo_has_the_same_face(detector, hopper, quarter):
    (upright,) = detector.detect(hopper)
    (face,) = detector.detect(np.rot90(hopper, quarter))
    turned = upright.landmarks
    height, width = hopper.shape[:2]
    for _ in range(quarter):
        turned = np.stack([turned[:, 1], width - 1 - turned[:, 0]], axis=1)
        height, width = width, height
    assert np.abs(face.landmarks - turned).max() < 8
    assert (face.roll - upright.roll + 90 * quarter + 180) % 360 - 180 == pytest.approx(0, abs=6)


@pytest.mark.parametrize("angle", range(30, 360, 30))
def test_a_face_is_found_at_every_angle(detector, hopper, angle):
    turned = np.asarray(Image.fromarray(hopper).rotate(-angle, expand=True, resample=Image.Resampling.BILINEAR))
    face, *_ = detector.detect(turned)
    assert (face.roll - angle + 180) % 360 - 180 == pytest.approx(0, abs=12)


@pytest.mark.parametrize("shape", [(6048, 8064), (20000, 1080), (3000, 16000)])
def test_small_faces_of_huge_photos_are_found(detector, head, shape):
    photo = np.full((*shape, 3), 120, dtype=np.uint8)
    places = [(shape[0] * number // 5 + 100, shape[1] * number // 5 + 100) for number in range(4)]
    for top, left in places:
        photo[top : top + 160, left : left + 160] = head
    faces = detector.detect(photo)
    assert len(faces) == 4
    for top, left in places:
        assert any(
            left < face.landmarks[2, 0] < left + 160 and top < face.landmarks[2, 1] < top + 160 for face in faces
        )


@pytest.mark.parametrize("shape", [(1, 1), (1, 20000), (20000, 1), (2, 3), (40, 600)])
@pytest.mark.parametrize("make", ["black", "white", "noise"])
def test_pictures_without_a_face_have_none(detector, shape, make):
    values = {"black": 0, "white": 255, "noise": np.random.default_rng(0).integers(0, 256, (*shape, 3))}[make]
    image = np.full((*shape, 3), values, dtype=np.uint8)
    assert detector.detect(image) == []
    assert detector.detect_in_crop(image) is None


def test_a_collage_of_a_face_at_twelve_angles_has_twelve_faces(detector, hopper):
    angles = range(0, 360, 30)
    portrait = Image.fromarray(hopper[20:420, 70:470]).resize((128, 128), Image.Resampling.BOX)
    collage = Image.new("RGB", (800, 600), (120, 130, 140))
    for number, angle in enumerate(angles):
        turned = portrait.rotate(-angle, expand=True, resample=Image.Resampling.BICUBIC, fillcolor=(120, 130, 140))
        x, y = number % 4 * 200, number // 4 * 200
        collage.paste(turned, (x + (200 - turned.width) // 2, y + (200 - turned.height) // 2))
    faces = detector.detect(np.asarray(collage))
    rolls = {
        int(face.box[1] + face.box[3]) // 400 * 4 + int(face.box[0] + face.box[2]) // 400: face.roll for face in faces
    }
    assert len(faces) == len(rolls) == len(angles)
    for number, angle in enumerate(angles):
        assert (rolls[number] - angle + 180) % 360 - 180 == pytest.approx(0, abs=15)


def test_crops_give_their_one_face_tight_loose_or_turned(detector, hopper):
    (expected,) = detector.detect(hopper)
    x, y = expected.landmarks.mean(axis=0).astype(int)
    for half in (90, 110, 160):
        for quarter in range(4):
            crop = np.rot90(hopper[max(0, y - half) : y + half, x - half : x + half], quarter)
            face = detector.detect_in_crop(crop)
            assert (face.roll - expected.roll + 90 * quarter + 180) % 360 - 180 == pytest.approx(0, abs=10)
    assert detector.detect_in_crop(hopper) is not None


def test_boxes_get_landmarks_where_they_show_a_face(detector, hopper):
    (face,) = detector.detect(hopper)
    loose = Detection((face.box[0] - 20, face.box[1] - 10, face.box[2] + 10, face.box[3] + 20), None, 0.4)
    good, bad = detector.with_landmarks(hopper, [loose, Detection((0, 0, 60, 60))])
    assert np.abs(good.landmarks - face.landmarks).max() < 10
    assert (good.box, good.score) == (loose.box, 0.4)
    assert bad.landmarks is None


def test_a_box_beyond_the_photo_has_no_landmarks_and_is_not_looked_at(detector, hopper, monkeypatch):
    monkeypatch.setattr("asianage.faces.detection.bundled.find_landmarks", None)
    boxes = [(60_000, 60_000, 60_100, 60_100), (512, 0, 600, 80), (-90, 0, 0, 90), (0, -90, 90, 0), (0, 600, 90, 690)]
    beyond = [Detection(box, None, 0.4) for box in boxes]
    assert detector.with_landmarks(hopper, beyond) == beyond


def test_options_hold(detector, hopper):
    assert BundledDetector(score_threshold=0.99).detect(hopper) == []
    again = pickle.loads(pickle.dumps(BundledDetector(score_threshold=0.5, min_face_size=30)))
    assert len(again.detect(hopper)) >= 1
    assert again.name == detector.name == "asianage"


def test_threads_share_a_detector(detector, hopper):
    images = [hopper[: 400 + 20 * number] for number in range(6)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(detector.detect, images))
    assert together == [detector.detect(image) for image in images]
