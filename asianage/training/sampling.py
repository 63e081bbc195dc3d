"""How often each face is used in an epoch: by its group, and by how rare its age is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asianage.data.records import FaceRecord
from asianage.data.utkface import OTHER_GROUPS
from asianage.models.ages import AgeAxis
from asianage.training.recipes.recipe import Faces

MAX_REPEATS = 3.0
"""How often an epoch uses a face of a rare age, at most and on average."""

_BANDWIDTH = 2.0
"""Years over which the number of faces by age is smoothed (normal kernel)."""


def sampling_shares(records: Sequence[FaceRecord], faces: Faces, axis: AgeAxis) -> np.ndarray:
    """Return how often each face is used in an epoch, on average: float (n,).

    Balancing by age leaves the length of an epoch as it is: the shares of the groups decide it.
    """
    is_other = np.array([record.group.lower() in OTHER_GROUPS for record in records], dtype=bool)
    shares = np.where(is_other, faces.other_group_share, 1.0)
    if faces.age_balance or faces.emphasis:
        rarity = _rarity(records, shares, axis) ** faces.age_balance
        balanced = shares * rarity * _emphasis(records, faces)
        for _ in range(10):
            balanced = np.minimum(balanced * shares.sum() / balanced.sum(), MAX_REPEATS)
        return balanced
    return shares


def _emphasis(records: Sequence[FaceRecord], faces: Faces) -> np.ndarray:
    """Return the factors of the faces by their labels: float (n,)."""
    factors = np.ones(len(records))
    for number, record in enumerate(records):
        low, high = record.age_range or (np.nan, np.nan)
        factors[number] = np.prod([factor for first, last, factor in faces.emphasis if first <= low and high <= last])
    return factors


def _rarity(records: Sequence[FaceRecord], shares: np.ndarray, axis: AgeAxis) -> np.ndarray:
    """Return one over the density of each face's age: float (n,), 1 for an unknown age.

    A face of an age group counts as evenly spread over it.
    """
    weights = np.zeros((len(records), axis.num_ages))
    for row, record in zip(weights, records, strict=True):
        if record.age_range is not None:
            low, high = np.clip(np.floor(record.age_range), axis.min_age, axis.max_age) - axis.min_age
            row[int(low) : int(high) + 1] = 1.0 / (high - low + 1.0)
    kernel = np.exp(-0.5 * ((axis.ages[:, None] - axis.ages) / _BANDWIDTH) ** 2)
    density = (shares @ weights) @ (kernel / kernel.sum(axis=0))
    mean = density.sum() / axis.num_ages
    density_of_face = weights @ density
    return np.where(density_of_face > 0.0, mean / np.maximum(density_of_face, 1e-9), 1.0)
