"""Fit a network for age and gender by a recipe: its losses, targets and batches, for the loop that knows no task."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from asianage.data.crop_cache import CropCache
from asianage.networks.heads import RAW_OUTPUTS, TEACHER_FEATURES, training_network
from asianage.training.fit.batches import CropBatches
from asianage.training.fit.curves import EpochScores
from asianage.training.fit.devices import scope_of
from asianage.training.fit.distillation import TeacherOutputs
from asianage.training.fit.loop import fit
from asianage.training.fit.losses import FeatureLoss, age_loss, gender_loss
from asianage.training.fit.optimizer import build_optimizer
from asianage.training.fit.targets import make_targets
from asianage.training.recipes.recipe import TrainingRecipe
from asianage.training.run_folder import RECIPE, keep_settings
from asianage.training.sampling import sampling_shares


def fit_network(
    recipe: TrainingRecipe,
    network: keras.Model,
    cache: CropCache,
    train: np.ndarray,
    val: np.ndarray,
    folder: Path,
    *,
    teachers: TeacherOutputs | None = None,
    progress: bool = False,
) -> Path:
    """Fit the network of a recipe, or go on where an earlier call in `folder` stopped.

    Args:
        recipe: What to do.
        network: As `build_network` returns it, with the weights to begin with.
        cache: Crops of size `recipe.faces.image_size`.
        train: int (n,): positions in the cache to learn from.
        val: int (m,): positions in the cache to choose the best epoch by.
        folder: Folder of the run.
        teachers: Outputs of teachers for the crops at `train`; None learns from the labels alone.
        progress: Whether to show a bar.

    Returns:
        The file with the weights of the best epoch, averaged over steps if the recipe says so.

    Raises:
        ValueError: `folder` holds a run with other settings, or the batches do not fit the devices.
        RuntimeError: The loss is not finite.
    """
    keep_settings(folder, RECIPE, recipe.to_dict())
    features = None if teachers is None else teachers.features
    losses = _losses(recipe, features)
    batches = _batches(recipe, cache, train, teachers)
    with scope_of(network):
        keras.utils.set_random_seed(recipe.seed)
        learner = training_network(network, 0 if features is None else features.shape[1])
        learner.compile(
            build_optimizer(recipe.optimizer, learner, epochs=recipe.epochs, steps_per_epoch=len(batches)),
            loss={name: loss for name, (loss, _) in losses.items()},
            loss_weights={name: weight for name, (_, weight) in losses.items()},
        )
    return fit(
        learner,
        batches,
        EpochScores(recipe, network, learner, losses, cache, train, val),
        folder,
        epochs=recipe.epochs,
        patience=recipe.patience,
        seed=recipe.seed,
        network=network,
        progress=progress,
    )


def _losses(recipe: TrainingRecipe, features: np.ndarray | None) -> dict[str, tuple[keras.losses.Loss, float]]:
    """Return losses with their weights by the name of an output."""
    losses: dict[str, tuple[keras.losses.Loss, float]] = {}
    if recipe.age_loss is not None:
        losses[RAW_OUTPUTS[recipe.age_loss.head]] = age_loss(recipe.age_loss, recipe.axis), 1.0
    if recipe.gender_loss is not None:
        losses["gender_logit"] = gender_loss(recipe.gender_loss.smoothing), recipe.gender_loss.weight
    if recipe.distillation is not None and features is not None:
        losses[TEACHER_FEATURES] = FeatureLoss(features), recipe.distillation.feature_weight
    return losses


def _batches(
    recipe: TrainingRecipe, cache: CropCache, train: np.ndarray, teachers: TeacherOutputs | None
) -> CropBatches:
    records = [cache.records[index] for index in train]
    return CropBatches(
        cache,
        train,
        *make_targets(recipe, records, teachers),
        batch_size=recipe.batch_size,
        augmentation=recipe.augmentation,
        seed=recipe.seed,
        shares=sampling_shares(records, recipe.faces, recipe.axis),
    )
