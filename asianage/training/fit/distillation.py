"""Outputs of trained models, the teachers, for the training crops.

Hinton et al.: 'Distilling the Knowledge in a Neural Network' (2015). The teachers get the unchanged crop, the network
that learns gets a randomly augmented one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asianage.data.crop_cache import CropCache
from asianage.faces.crops import whole_image_crop
from asianage.models.ages import AgeAxis
from asianage.models.folder import ModelFolder
from asianage.networks.heads import features_network
from asianage.networks.restore import restore_network
from asianage.prediction.estimator import AgeGenderEstimator

_CHUNK = 64


@dataclass(frozen=True, slots=True, eq=False)
class TeacherOutputs:
    """Calibrated probabilities for n crops, averaged over the teachers, and features of the first teacher.

    Attributes:
        age_distributions: float32 (n, num_ages), rows sum to 1.
        male_probabilities: float32 (n,).
        features: float32 (n, width), as `extract_features` returns them; None if they are not learned from.
    """

    age_distributions: np.ndarray
    male_probabilities: np.ndarray
    features: np.ndarray | None = None


def run_teachers(
    teachers: Sequence[ModelFolder], cache: CropCache, indices: np.ndarray, axis: AgeAxis, *, features: bool = False
) -> TeacherOutputs:
    """Run models over the crops of a cache, each averaged with its mirror image.

    Args:
        teachers: At least one model.
        cache: The crops. A teacher for crops of another size gets them resized.
        indices: int (n,): which of them.
        axis: The age axis that is learned.
        features: Whether to extract the features of the first teacher.

    Raises:
        ValueError: A teacher has another age axis, or the first one has no layer of features.
    """
    for config in (teacher.config for teacher in teachers):
        if config.axis != axis:
            raise ValueError(
                f"A teacher must have the ages {axis.min_age} to {axis.max_age}. "
                f"Received: {config.name!r}, which has {config.min_age} to {config.max_age}."
            )
    ages = np.zeros((len(indices), axis.num_ages), dtype=np.float32)
    male = np.zeros(len(indices), dtype=np.float32)
    for teacher in teachers:
        estimator = AgeGenderEstimator(teacher, detector=None, mirror=True)
        estimates = estimator.estimate_crops(cache.inner(index) for index in indices)
        ages += estimates.age_distributions
        male += estimates.male_probabilities
    extracted = extract_features(teachers[0], cache, indices) if features else None
    return TeacherOutputs(ages / len(teachers), male / len(teachers), extracted)


def extract_features(teacher: ModelFolder, cache: CropCache, indices: np.ndarray) -> np.ndarray:
    """Return the features of crops, float32 (n, width): those before quantization, averaged with the mirror image's.

    Raises:
        ValueError: The teacher has no layer of features.
    """
    network = features_network(restore_network(teacher))
    size = teacher.config.image_size
    features = np.empty((len(indices), *network.output.shape[1:]), dtype=np.float32)
    for start in range(0, len(indices), _CHUNK):
        chunk = indices[start : start + _CHUNK]
        crops = np.concatenate([whole_image_crop(cache.inner(index), size).crops for index in chunk])
        both = network.predict_on_batch(np.concatenate([crops, crops[:, :, ::-1]]).astype(np.float32))
        features[start : start + len(chunk)] = (both[: len(chunk)] + both[len(chunk) :]) / 2
    return features
