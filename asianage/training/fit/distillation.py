"""What trained models say of the training crops, for a network that learns from them and not from the labels alone.

Hinton et al.: 'Distilling the Knowledge in a Neural Network' (2015). The teachers see the unchanged crop, the network
that learns a random view of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asianage.data.crop_cache import CropCache
from asianage.faces.crops import whole_image_crop
from asianage.models.ages import AgeAxis
from asianage.models.config import GENDERS
from asianage.models.folder import ModelFolder
from asianage.networks.heads import features_network
from asianage.networks.restore import restore_network
from asianage.prediction.estimator import AgeGenderEstimator

_CHUNK = 1024
_FEATURES_CHUNK = 64


@dataclass(frozen=True, slots=True, eq=False)
class Teaching:
    """Calibrated probabilities of n crops, averaged over the teachers, and features of the first one.

    Attributes:
        age_distribution: float32 (n, num_ages), rows sum to 1.
        male_probability: float32 (n,).
        features: float32 (n, width), as `ask_for_features` returns them; None if they were not asked for.
    """

    age_distribution: np.ndarray
    male_probability: np.ndarray
    features: np.ndarray | None = None


def ask_teachers(
    teachers: Sequence[ModelFolder], cache: CropCache, indices: np.ndarray, axis: AgeAxis, *, features: bool = False
) -> Teaching:
    """Ask models about the crops of a cache, each averaged with its mirror image.

    Args:
        teachers: At least one model.
        cache: The crops; a teacher that takes crops of another size gets them resized.
        indices: int (n,): which of them.
        axis: The age axis that is learned.
        features: Whether to ask the first one for its features too.

    Raises:
        ValueError: A teacher has another age axis, or the first one has no layer of features.
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
    asked = ask_for_features(teachers[0], cache, indices) if features else None
    return Teaching(ages / len(teachers), male / len(teachers), asked)


def ask_for_features(teacher: ModelFolder, cache: CropCache, indices: np.ndarray) -> np.ndarray:
    """Return the features of crops, float32 (n, width): those before quantization, averaged with the mirror image's.

    Raises:
        ValueError: The teacher has no layer of features.
    """
    network = features_network(restore_network(teacher))
    size = teacher.config.image_size
    features = np.empty((len(indices), *network.output.shape[1:]), dtype=np.float32)
    for start in range(0, len(indices), _FEATURES_CHUNK):
        chunk = indices[start : start + _FEATURES_CHUNK]
        crops = np.concatenate([whole_image_crop(cache.inner(index), size).crops for index in chunk])
        both = network.predict_on_batch(np.concatenate([crops, crops[:, :, ::-1]]).astype(np.float32))
        features[start : start + len(chunk)] = (both[: len(chunk)] + both[len(chunk) :]) / 2
    return features
