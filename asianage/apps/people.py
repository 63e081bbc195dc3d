"""The faces of a person in many pictures -> one estimate, averaged by how sure each picture is."""

from __future__ import annotations

import numpy as np

from asianage.models import ages
from asianage.models.config import GENDERS, Calibration
from asianage.prediction.estimates import interval_mass
from asianage.prediction.face_prediction import FacePrediction


class PersonAverage:
    """The estimate of one person, which every further picture makes steadier.

    Distributions are averaged, and so is the probability of the gender. A picture counts by the inverse variance of its
    distribution: a blurred, small or turned face has a wide one. The average keeps the doubt that the pictures share,
    so its interval does not shrink with their number, as that of a mean of independent measurements would.

    Attributes:
        pictures: How many have been averaged.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.pictures = 0
        self._calibration = calibration
        self._weight = 0.0
        self._distribution: np.ndarray | float = 0.0
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
        self._distribution = self._distribution + weight * face.age_distribution.astype(np.float64)
        distribution = (self._distribution / self._weight).astype(np.float32)
        mass = interval_mass(self._calibration, face.interval_coverage)
        low, high = ages.age_interval(face.age_axis, distribution[None], mass)[0]
        return face.replace(
            age=float(ages.expected_age(face.age_axis, distribution[None])[0]),
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
    """Return what a picture counts in the average of a person: 1 over the variance of the age, 1 without an age."""
    if face.age_distribution is None or face.age is None:
        return 1.0
    years = face.age_axis.ages
    variance = float(face.age_distribution @ (years - face.age) ** 2)
    return 1.0 / max(variance, 1.0)
