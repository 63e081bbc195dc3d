"""The faces of a person in many pictures -> one estimate, averaged by the quality of each picture."""

from __future__ import annotations

import numpy as np

from asianage.models import ages
from asianage.models.config import GENDERS, Calibration
from asianage.prediction.face_prediction import FacePrediction

WARNED = 0.1
"""Share that a picture with a warning counts."""

FLOOR = 1e-6
"""Probability below which a year is as good as excluded."""


class PersonAverage:
    """The estimate of one person, which every further picture makes steadier.

    The logarithms of the distributions are averaged, as if the network had averaged its outputs, and so are the
    probabilities of the gender. A picture counts by `quality_weight`. Pictures of one person share most of their error:
    the average is no narrower than its pictures, and does not shrink with their number. Warnings widen its interval as
    they do in a photo, by the weighted mean of all pictures.
    `tests/benchmarks/video_tracks.py` compares such averages.

    Attributes:
        pictures: How many have been averaged.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.pictures = 0
        self._calibration = calibration
        self._weight = 0.0
        self._logarithms: np.ndarray | float = 0.0
        self._stretch = 0.0
        self._male = 0.0

    def add(self, face: FacePrediction) -> FacePrediction:
        """Add the person's face in one more picture, and return the average at the place of this face.

        Box, landmarks, score and warnings stay those of `face`.
        """
        weight = quality_weight(face)
        self.pictures += 1
        self._weight += weight
        return self._with_gender(self._with_age(face, weight), weight)

    def _with_age(self, face: FacePrediction, weight: float) -> FacePrediction:
        if face.age_distribution is None:
            return face
        self._logarithms = self._logarithms + weight * np.log(face.age_distribution.astype(np.float64) + FLOOR)
        self._stretch += weight * self._calibration.stretch_of(face.warnings)
        distribution = ages.softmax(self._logarithms / self._weight)
        mass = self._calibration.mass_of(face.interval_coverage)
        estimate = self._calibration.age_estimate
        age = ages.estimated_age(face.age_axis, distribution[None], estimate)
        interval = ages.age_interval(face.age_axis, distribution[None], mass, estimate)
        ((low, high),) = ages.stretched_interval(face.age_axis, interval, age, self._stretch / self._weight)
        return face.replace(
            age=float(age[0]),
            age_interval=(float(low), float(high)),
            age_distribution=distribution,
        )

    def _with_gender(self, face: FacePrediction, weight: float) -> FacePrediction:
        if face.male_probability is None:
            return face
        self._male += weight * face.male_probability
        male = self._male / self._weight
        return face.replace(gender=GENDERS[male > 0.5], gender_probability=max(male, 1.0 - male))


def quality_weight(face: FacePrediction) -> float:
    """Return what a picture counts in the average of a person: the shorter side of the face, less with a warning."""
    x_min, y_min, x_max, y_max = face.box
    return max(min(x_max - x_min, y_max - y_min), 1.0) * (WARNED if face.warnings else 1.0)
