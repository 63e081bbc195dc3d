"""What a network that is being trained says of held-out crops."""

from __future__ import annotations

import keras
import numpy as np

from asianage.data.crop_cache import CropCache
from asianage.models.ages import AgeAxis, expected_age, softmax
from asianage.models.config import GENDERS
from asianage.networks.heads import learned_tasks

YEARS_PER_GENDER = 10.0
"""One wrong gender in a hundred counts as much as an error of the age that is a tenth of a year larger."""


def predict_logits(network: keras.Model, cache: CropCache, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return age logits float32 (n, num_ages) and gender logits float32 (n,) of the crops at `indices`."""
    ages, genders = [], []
    for start in range(0, len(indices), 256):
        crops = np.stack([cache.inner(index) for index in indices[start : start + 256]]).astype(np.float32)
        outputs = network.predict_on_batch(crops)
        # With several devices each of them predicts the whole batch.
        ages.append(outputs["age_logits"][: len(crops)])
        genders.append(outputs["gender_logit"][: len(crops), 0])
    return np.concatenate(ages).astype(np.float32), np.concatenate(genders).astype(np.float32)


def validate(network: keras.Model, cache: CropCache, val: np.ndarray, axis: AgeAxis) -> dict[str, float]:
    """Return MAE and gender accuracy per data set, of what the network learns, and the score to choose by.

    The score is the mean of the MAEs, in years, plus `YEARS_PER_GENDER` times the mean share of wrong genders; what is
    not learned, or has no label, adds nothing.
    """
    age_logits, gender_logits = predict_logits(network, cache, val)
    age = expected_age(axis, softmax(age_logits))
    tasks = learned_tasks(network)
    records = [cache.records[index] for index in val]
    scores: dict[str, float] = {}
    for name in sorted({record.dataset for record in records}):
        rows = [i for i, record in enumerate(records) if record.dataset == name]
        errors = [abs(age[i] - records[i].age) for i in rows if records[i].age is not None]
        right = [(gender_logits[i] > 0) == (records[i].gender == GENDERS[1]) for i in rows if records[i].gender]
        if errors and "age" in tasks:
            scores[f"val_mae_{name}"] = float(np.mean(errors))
        if right and "gender" in tasks:
            scores[f"val_gender_{name}"] = float(np.mean(right))
    if not scores:
        raise ValueError(f"The split val has no label of what is learned: {', '.join(sorted(tasks))}. Add such faces.")
    maes = [value for key, value in scores.items() if key.startswith("val_mae_")]
    accuracies = [value for key, value in scores.items() if key.startswith("val_gender_")]
    years = float(np.mean(maes)) if maes else 0.0
    wrong = 1.0 - float(np.mean(accuracies)) if accuracies else 0.0
    scores["val_score"] = years + YEARS_PER_GENDER * wrong
    return scores
