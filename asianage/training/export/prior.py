"""Take a part of the training faces' ages out of a network's estimates.

A network that has seen many people in their twenties and few teenagers takes an unclear face for one in the twenties.
Menon et al.: 'Long-tail learning via logit adjustment', ICLR 2021, subtract the logarithm of the density of the labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from asianage.data.records import FaceRecord
from asianage.models.ages import AgeAxis
from asianage.training.recipes.recipe import Faces
from asianage.training.sampling import sampling_shares

_BANDWIDTH = 3.0
_SMALLEST_DENSITY = 0.002
"""Added to the density of each age: ages without faces are not to become likely."""


def correct_prior(
    network: keras.Model, records: Sequence[FaceRecord], faces: Faces, axis: AgeAxis, strength: float
) -> None:
    """Subtract a share of the logarithm of the density of the training faces' ages from the logits, in place.

    Args:
        network: A network whose layer ``age_logits`` has a bias.
        records: The training faces.
        faces: How often the training used them.
        axis: The age axis.
        strength: The share, from 0 to 1.
    """
    kernel, bias = network.get_layer("age_logits").get_weights()
    logarithm = np.log(_density(records, faces, axis) + _SMALLEST_DENSITY)
    network.get_layer("age_logits").set_weights([kernel, bias - strength * (logarithm - logarithm.mean())])


def _density(records: Sequence[FaceRecord], faces: Faces, axis: AgeAxis) -> np.ndarray:
    """Return the share of the training faces at each age, smoothed: float (num_ages,), its sum is 1."""
    known = np.array([record.age is not None for record in records], dtype=bool)
    shares = sampling_shares(records, faces, axis)[known]
    ages = np.array([record.age for record in records if record.age is not None])
    columns = np.clip(ages, axis.min_age, axis.max_age).astype(int) - axis.min_age
    counts = np.bincount(columns, weights=shares, minlength=axis.num_ages)
    kernel = np.exp(-0.5 * ((axis.ages[:, None] - axis.ages) / _BANDWIDTH) ** 2)
    density = (kernel @ counts) / kernel.sum(axis=1)
    return density / density.sum()
