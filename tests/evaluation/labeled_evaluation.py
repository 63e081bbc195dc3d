"""An evaluation without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asianage.data.records import FaceRecord
from asianage.evaluation.result import Evaluation
from asianage.models.ages import AgeAxis, central_interval, expected_age, target_distribution
from asianage.models.config import Calibration

AXIS = AgeAxis(0, 80)


def labeled_evaluation(picture: Path, ages, genders, datasets, *, seed: int = 0) -> Evaluation:
    """Return noisy estimates of the labels."""
    random = np.random.default_rng(seed)
    records = [FaceRecord(picture, *labels) for labels in zip(ages, genders, datasets, strict=True)]
    center = np.array([30.0 if age is None else age for age in ages]) + random.normal(0, 4, len(records))
    distribution = target_distribution(AXIS, center, 4.0)
    return Evaluation(
        records=records,
        age=expected_age(AXIS, distribution).astype(float),
        age_interval=central_interval(AXIS, distribution, 0.9).astype(float),
        interval_target=0.9,
        stretch=np.ones(len(records)),
        calibration=Calibration(interval_mass={"0.5": 0.5, "0.9": 0.9}),
        male_probability=np.clip([(g == "male") for g in genders] + random.normal(0, 0.4, len(records)), 0.001, 0.999),
        age_distribution=distribution,
        age_axis=AXIS,
        detected=random.random(len(records)) < 0.9,
        detector="yunet",
        mirror=False,
        unreadable=[],
    )
