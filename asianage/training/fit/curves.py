"""What a training's curves show after every epoch: the same figures of faces that train and of faces that do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from asianage.data.crop_cache import CropCache
from asianage.training.fit.targets import make_targets
from asianage.training.fit.validation import validate
from asianage.training.recipes.recipe import TrainingRecipe

MOST_FACES = 1_000
"""Faces that the curves of training and of the validation loss are measured on, at most."""

_CHUNK = 250


@dataclass(eq=False)
class EpochScores:
    """Scores of a network: those of all validation faces, and those that belong beside them.

    ``val_*`` are those of `asianage.training.fit.validation.validate`. ``train_*`` are the same of some training faces,
    as they are, without augmentation and dropout. ``val_loss`` is the loss of some validation faces; a training with
    teachers has another loss, and none here.

    Attributes:
        recipe: The recipe.
        network: The network that is validated.
        learner: The network of the same layers that learns.
        losses: Name of an output of `learner` -> its loss and weight.
        cache: The crops.
        train: int (n,): positions in the cache that are learned from.
        val: int (m,): positions in the cache that choose the best epoch.
    """

    recipe: TrainingRecipe
    network: keras.Model
    learner: keras.Model
    losses: Mapping[str, tuple[keras.losses.Loss, float]]
    cache: CropCache
    train: np.ndarray
    val: np.ndarray

    def __post_init__(self) -> None:
        labeled = [index for index in self.train if self._has_label(index)]
        self._some_train = _some(np.array(labeled, dtype=int))

    def __call__(self) -> dict[str, float]:
        """Return the scores of the weights in force."""
        axis, age_estimate = self.recipe.axis, self.recipe.age_estimate
        scores = validate(self.network, self.cache, self.val, axis, age_estimate)
        if len(self._some_train):
            beside = validate(self.network, self.cache, self._some_train, axis, age_estimate)
            scores |= {
                name.replace("val_", "train_", 1): value for name, value in beside.items() if name != "val_score"
            }
        if self.recipe.distillation is None:
            scores["val_loss"] = self._loss(_some(self.val))
        return scores

    def _has_label(self, index: int) -> bool:
        record = self.cache.records[index]
        known = {"age": record.age_range, "gender": record.gender}
        return any(known[task] is not None for task in self.recipe.tasks)

    def _loss(self, indices: np.ndarray) -> float:
        """Return the mean loss of faces, as the training has it, in the network's state for predictions."""
        targets, weights = make_targets(self.recipe, [self.cache.records[index] for index in indices])
        total = 0.0
        for start in range(0, len(indices), _CHUNK):
            rows = slice(start, start + _CHUNK)
            crops = self.cache.inner_crops(indices[rows]).astype(np.float32)
            # Called as it is: to compile a prediction of its own would take longer than the few faces.
            outputs = self.learner(crops, training=False)
            for name, (loss, weight) in self.losses.items():
                predicted = keras.ops.convert_to_numpy(outputs[name])
                value = float(loss(targets[name][rows], predicted, sample_weight=weights[name][rows]))
                total += weight * value * len(crops) / len(indices)
        return total


def _some(indices: np.ndarray) -> np.ndarray:
    """Return at most `MOST_FACES` of the positions, from all over them."""
    step = max(1, -(-len(indices) // MOST_FACES))
    return np.asarray(indices)[::step]
