from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from asianage import AgeGenderEstimator
from asianage.faces.alignment import TEMPLATE
from asianage.faces.quality import BLURRED, DARK, OVEREXPOSED, SMALL, TURNED, FaceQuality, face_quality


def crop(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (96, 96, 3), dtype=np.uint8)


def landmarks(side: float = 100.0, nose_shift: float = 0.0, angle: float = 0.0) -> np.ndarray:
    points = TEMPLATE * side
    points[2, 0] += nose_shift * 0.34 * side
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T


def blurred(picture: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


BOX = (0.0, 0.0, 80.0, 100.0)


def test_the_size_is_that_of_the_crop_in_the_image():
    assert face_quality(crop(), BOX, landmarks(50.0)).size == pytest.approx(50.0)
    assert face_quality(crop(), BOX, landmarks(50.0, angle=0.7)).size == pytest.approx(50.0)
    assert face_quality(crop(), BOX, None).size == 80.0


def test_the_brightness_is_the_mean_of_the_crop():
    assert face_quality(np.full((96, 96, 3), 20, np.uint8), BOX, None).brightness == pytest.approx(20.0)


def test_the_overexposure_is_the_white_share_of_the_middle():
    picture = np.full((96, 96, 3), 200, np.uint8)
    picture[:24] = 255
    assert face_quality(picture, BOX, None).overexposure == 0.0
    picture[24:48] = 255
    assert face_quality(picture, BOX, None).overexposure == pytest.approx(0.5)
    assert "overexposed" in face_quality(picture, BOX, None).warnings


def test_blur_takes_sharpness_and_contrast_does_not():
    sharp = face_quality(crop(), BOX, None).sharpness
    assert face_quality(blurred(crop(), 2.0), BOX, None).sharpness < sharp / 50
    assert face_quality(crop() // 3, BOX, None).sharpness == pytest.approx(sharp, rel=0.05)
    assert face_quality(np.zeros((96, 96, 3), np.uint8), BOX, None).sharpness == 0.0


def test_the_sharpness_of_a_face_hardly_depends_on_the_size_of_the_crop():
    picture = blurred(np.random.default_rng(1).integers(0, 256, (448, 448, 3), dtype=np.uint8), 8.0)
    small, large = (np.asarray(Image.fromarray(picture).resize((side, side))) for side in (96, 112))
    assert face_quality(large, BOX, None).sharpness == pytest.approx(face_quality(small, BOX, None).sharpness, rel=0.15)


@pytest.mark.parametrize("times", [2, 3])
def test_a_crop_with_every_pixel_repeated_is_as_bright_and_as_sharp(times):
    repeated = crop().repeat(times, axis=0).repeat(times, axis=1)
    assert face_quality(repeated, BOX, None) == face_quality(crop(), BOX, None)


def test_the_turn_is_how_far_the_nose_leaves_the_middle_whatever_the_roll():
    for angle in (0.0, 0.5, -1.2):
        assert face_quality(crop(), BOX, landmarks(nose_shift=0.4, angle=angle)).turn == pytest.approx(0.4)
        assert face_quality(crop(), BOX, landmarks(nose_shift=-0.4, angle=angle)).turn == pytest.approx(0.4)
    assert face_quality(crop(), BOX, landmarks()).turn == pytest.approx(0.0, abs=1e-9)
    assert face_quality(crop(), BOX, None).turn is None


def test_landmarks_that_coincide_are_small_and_no_error():
    assert "small" in face_quality(crop(), BOX, np.ones((5, 2), np.float32)).warnings


def test_each_warning_has_its_own_cause():
    good = {"size": 100.0, "brightness": 120.0, "overexposure": 0.0, "sharpness": 1.0, "turn": 0.1}
    assert FaceQuality(**good).warnings == ()
    bad = {
        "size": (SMALL - 1, "small"),
        "brightness": (DARK - 1, "dark"),
        "overexposure": (OVEREXPOSED + 0.1, "overexposed"),
        "sharpness": (BLURRED / 2, "blurred"),
        "turn": (TURNED + 0.1, "turned"),
    }
    for name, (value, warning) in bad.items():
        assert FaceQuality(**{**good, name: value}).warnings == (warning,)
    worst = {name: value for name, (value, _) in bad.items()}
    assert FaceQuality(**{**good, **worst}).warnings == tuple(warning for _, warning in bad.values())


def test_predictions_carry_the_warnings():
    estimator = AgeGenderEstimator(detector=None)
    dark, tiny = estimator.predict_crops([crop() // 20, crop()[:20, :20]], align=False)
    assert "dark" in dark.warnings
    assert tiny.warnings == ("small",)
    assert tiny.to_dict()["warnings"] == ["small"]
