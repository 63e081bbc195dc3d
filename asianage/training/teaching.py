"""What trained models say of the training crops, for a network that learns from them and not from the labels alone.

Hinton et al.: 'Distilling the Knowledge in a Neural Network' (2015). The teachers see the unchanged crop, the network
that learns a random view of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asianage.ages import AgeAxis
from asianage.config import GENDERS
from asianage.estimator import AgeGenderEstimator
from asianage.model_folder import ModelFolder
from asianage.training.crops import CropCache

_CHUNK = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Teaching:
    """Calibrated probabilities of n crops, averaged over the teachers.

    Attributes:
        age_distribution: float32 (n, num_ages), rows sum to 1.
        male_probability: float32 (n,).
    """

    age_distribution: np.ndarray
    male_probability: np.ndarray


def ask_teachers(teachers: Sequence[ModelFolder], cache: CropCache, indices: np.ndarray, axis: AgeAxis) -> Teaching:
    """Ask models about the crops of a cache, each averaged with its mirror image.

    Args:
        teachers: At least one model.
        cache: The crops; a teacher that takes crops of another size gets them resized.
        indices: int (n,): which of them.
        axis: The age axis that is learned.

    Raises:
        ValueError: A teacher has another age axis.
    """
    ages = np.zeros((len(indices), axis.num_ages), dtype=np.float32)
    male = np.zeros(len(indices), dtype=np.float32)
    for teacher in teachers:
        config = teacher.config
        if (config.min_age, config.max_age) != (axis.min_age, axis.max_age):
            raise ValueError(
                f"A teacher must know the ages {axis.min_age} to {axis.max_age}. "
                f"Received: {config.name!r}, which knows {config.min_age} to {config.max_age}."
            )
        estimator = AgeGenderEstimator(teacher, detector=None, mirror=True)
        for start in range(0, len(indices), _CHUNK):
            chunk = indices[start : start + _CHUNK]
            faces = estimator.predict_crops(np.stack([cache.inner(index) for index in chunk]))
            for row, face in enumerate(faces, start):
                ages[row] += face.age_distribution
                is_male = face.gender == GENDERS[1]
                male[row] += face.gender_probability if is_male else 1.0 - face.gender_probability
    return Teaching(ages / len(teachers), male / len(teachers))
