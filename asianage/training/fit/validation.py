"""Scores of a network on the faces that choose the best epoch."""

from __future__ import annotations

import keras
import numpy as np

from asianage.data.crop_cache import CropCache
from asianage.data.records import FaceRecord
from asianage.models.ages import AgeAxis, estimated_age, softmax
from asianage.models.config import GENDERS
from asianage.networks.heads import learned_tasks

YEARS_PER_GENDER = 10.0
"""One wrong gender in a hundred counts as much as an error of the age that is a tenth of a year larger."""

_CHUNK = 64


def predict_logits(network: keras.Model, cache: CropCache, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return age logits float32 (n, num_ages) and gender logits float32 (n,) of the crops at `indices`."""
    ages, genders = [], []
    for start in range(0, len(indices), _CHUNK):
        crops = cache.inner_crops(indices[start : start + _CHUNK]).astype(np.float32)
        outputs = network.predict_on_batch(crops)
        # Each of several devices predicts the whole batch.
        ages.append(outputs["age_logits"][: len(crops)])
        genders.append(outputs["gender_logit"][: len(crops), 0])
    return np.concatenate(ages).astype(np.float32), np.concatenate(genders).astype(np.float32)


def validate(
    network: keras.Model, cache: CropCache, val: np.ndarray, axis: AgeAxis, age_estimate: str = "mean"
) -> dict[str, float]:
    """Return MAE and gender accuracy per data set, of what the network learns, and the score to choose by.

    The error of an age group is the distance from it. ``val_score`` is the mean of the MAEs, in years, plus
    `YEARS_PER_GENDER` times the mean share of wrong genders. A task that is not learned, or has no labels, adds
    nothing.

    Args:
        network: The network.
        cache: The crops.
        val: int (n,): positions of the faces.
        axis: The age axis.
        age_estimate: Which age the finished model says, "mean" or "median".

    Returns:
        ``val_mae_*`` and ``val_gender_*`` by data set, and ``val_score``.

    Raises:
        ValueError: The faces have no label of what is learned.
    """
    age_logits, gender_logits = predict_logits(network, cache, val)
    age = estimated_age(axis, softmax(age_logits), age_estimate)
    tasks = learned_tasks(network)
    records = [cache.records[index] for index in val]
    maes: dict[str, float] = {}
    accuracies: dict[str, float] = {}
    for name in sorted({record.dataset for record in records}):
        rows = [i for i, record in enumerate(records) if record.dataset == name]
        errors = [_years_outside(age[i], records[i]) for i in rows if records[i].age_range is not None]
        right = [(gender_logits[i] > 0) == (records[i].gender == GENDERS[1]) for i in rows if records[i].gender]
        if errors and "age" in tasks:
            maes[f"val_mae_{name}"] = float(np.mean(errors))
        if right and "gender" in tasks:
            accuracies[f"val_gender_{name}"] = float(np.mean(right))
    if not maes and not accuracies:
        raise ValueError(f"The split val has no label of what is learned: {', '.join(sorted(tasks))}. Add such faces.")
    years = float(np.mean(list(maes.values()))) if maes else 0.0
    wrong = 1.0 - float(np.mean(list(accuracies.values()))) if accuracies else 0.0
    return {**maes, **accuracies, "val_score": years + YEARS_PER_GENDER * wrong}


def _years_outside(age: float, record: FaceRecord) -> float:
    """Return how far an estimate lies outside the ages that a label allows, in years."""
    low, high = record.age_range or (age, age)
    return max(low - age, age - high, 0.0)
