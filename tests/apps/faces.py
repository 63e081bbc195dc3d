"""Made-up predictions."""

from __future__ import annotations

import numpy as np

from asianage.models.ages import AgeAxis
from asianage.prediction.face_prediction import FacePrediction

AXIS = AgeAxis()


def face(
    age: float = 30.0,
    spread: float = 4.0,
    male: float = 0.8,
    box: tuple[float, float, float, float] = (10.0, 10.0, 60.0, 70.0),
    warnings: tuple[str, ...] = (),
) -> FacePrediction:
    """Return a prediction whose distribution is a normal one."""
    distribution = np.exp(-0.5 * ((AXIS.ages - age) / spread) ** 2)
    distribution = (distribution / distribution.sum()).astype(np.float32)
    return FacePrediction(
        age=float(distribution @ AXIS.ages),
        age_interval=(age - 2 * spread, age + 2 * spread),
        interval_coverage=0.9,
        age_distribution=distribution,
        age_axis=AXIS,
        gender="male" if male > 0.5 else "female",
        gender_probability=max(male, 1 - male),
        box=box,
        landmarks=None,
        detector="fake",
        detection_score=0.9,
        warnings=warnings,
    )
