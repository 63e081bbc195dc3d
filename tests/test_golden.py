"""What the bundled weights say about crops that every machine can make: a change means other weights or other code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage import AgeGenderEstimator
from asianage.models.folder import bundled_names

GOLDEN = Path(__file__).with_name("golden_predictions.json")


def crops() -> np.ndarray:
    """Return uint8 (4, 96, 96, 3): smooth pictures with the light and dark of a face, made of integers only."""
    y, x = np.mgrid[:96, :96]
    pictures = []
    for number in range(4):
        face = 200 - ((x - 48) ** 2 + (y - 48) ** 2) // (20 + 3 * number)
        for column, row in ((32, 38), (64, 38), (48, 73)):
            face = face - np.maximum(0, 90 - ((x - column) ** 2 + 2 * (y - row) ** 2) * (number + 1))
        pictures.append(np.stack([face, face - 20, face - 30 + 5 * number], axis=2).clip(0, 255).astype(np.uint8))
    return np.stack(pictures)


def male_probability(gender: str, probability: float) -> float:
    return probability if gender == "male" else 1.0 - probability


@pytest.mark.parametrize("name", bundled_names())
def test_the_bundled_weights_predict_what_they_always_did(name):
    golden = json.loads(GOLDEN.read_text("utf-8"))[name]
    estimator = AgeGenderEstimator.from_pretrained(name, detector=None)
    side = estimator.model.config.image_size
    pictures = [Image.fromarray(crop).resize((side, side), Image.Resampling.BILINEAR) for crop in crops()]
    faces = estimator.predict_crops(np.stack(pictures), align=False)
    # 8-bit arithmetic may round differently on another processor.
    assert [face.age for face in faces] == pytest.approx([face["age"] for face in golden], abs=0.5)
    male = [male_probability(face["gender"], face["gender_probability"]) for face in golden]
    assert [male_probability(face.gender, face.gender_probability) for face in faces] == pytest.approx(male, abs=0.03)
