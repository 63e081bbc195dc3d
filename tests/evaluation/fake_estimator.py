"""An estimator whose answers are known, and the labels that go with them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from asianage.data.records import FaceRecord
from asianage.errors import BatchError, ImageError
from asianage.models.ages import AgeAxis, target_distribution
from asianage.models.config import Calibration
from asianage.prediction.face_prediction import FacePrediction

AXIS = AgeAxis(0, 80)


def face(age: float, male: float, *, reach: float = 5.0, detector: str | None = "yunet") -> FacePrediction:
    return FacePrediction(
        age=age,
        age_interval=(age - reach, age + reach),
        interval_coverage=0.9,
        age_distribution=target_distribution(AXIS, np.array([age]), 2.0)[0],
        age_axis=AXIS,
        gender="male" if male > 0.5 else "female",
        gender_probability=max(male, 1.0 - male),
        box=(0.0, 0.0, 10.0, 10.0),
        landmarks=None,
        detector=detector,
        detection_score=None if detector is None else 0.9,
    )


class FakeEstimator:
    """Answers by file name, with the behaviour of `AgeGenderEstimator`."""

    def __init__(self, found: dict[str, list[FacePrediction]], whole: dict[str, FacePrediction] | None = None) -> None:
        self.found, self.whole = found, whole or {}
        self.mirror = False
        self.whole_pictures: list[str] = []
        calibration = Calibration(interval_mass={"0.5": 0.5, "0.9": 0.9})
        self.model = SimpleNamespace(
            config=SimpleNamespace(name="fake", calibration=calibration, tasks={"age", "gender"})
        )

    def predict_stream(self, images, *, on_error=None, **options):
        for position, image in enumerate(images):
            if image.name not in self.found:
                on_error(position, image, ImageError(f"The content is not an image ({image})."))
            yield self.found.get(image.name, [])

    def predict_crops(self, crops, *, align=True):
        names = [Path(crop).name for crop in crops]
        self.whole_pictures += names
        results = [self.whole.get(name) for name in names]
        failures = {i: FileNotFoundError(f"{names[i]} is gone") for i, result in enumerate(results) if result is None}
        if failures:
            raise BatchError(failures, results)
        return results


def record(name: str, age: float | None = 30.0, gender: str | None = "male", **labels) -> FaceRecord:
    return FaceRecord(Path("faces") / name, age, gender, **labels)
