"""Fit one network by a recipe: validate every epoch, keep the best weights, resume after an interruption."""

from __future__ import annotations

import csv
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from asianage.data.crop_cache import CropCache
from asianage.data.utkface import OTHER_GROUPS
from asianage.models.ages import AgeAxis
from asianage.models.litert import usable_processors
from asianage.networks import registry
from asianage.networks.heads import OUTPUTS, RAW_OUTPUTS, TEACHER_FEATURES, training_network
from asianage.training.fit.batches import CropBatches
from asianage.training.fit.devices import dtype_policy, spread_over, training_devices
from asianage.training.fit.distillation import Teaching
from asianage.training.fit.losses import FeatureLoss, age_loss, gender_loss
from asianage.training.fit.normalization import (
    normalizations,
    reestimate_statistics,
    set_statistics,
    statistics,
)
from asianage.training.fit.validation import validate
from asianage.training.recipes.recipe import LabelDistribution, Optimizer, TrainingRecipe

logger = logging.getLogger(__name__)

BEST_WEIGHTS = "best.weights.h5"
PROGRESS = "progress.json"
HISTORY = "history.csv"
RECIPE = "recipe.json"
INPUTS = "inputs.json"

HEAD_LAYERS = frozenset({*RAW_OUTPUTS.values(), *OUTPUTS})
"""Names of the layers with weights that belong to no backbone."""

MAX_WORKERS = 16
"""Threads that prepare batches, at most; each holds some batches in memory."""


def fit(
    recipe: TrainingRecipe,
    cache: CropCache,
    train: np.ndarray,
    val: np.ndarray,
    folder: Path,
    *,
    initial: keras.Model | None = None,
    teaching: Teaching | None = None,
) -> Path:
    """Fit the network of a recipe, or go on where an earlier call in `folder` stopped.

    Args:
        recipe: What to do.
        cache: Crops of size `recipe.faces.image_size`.
        train: int (n,): positions in the cache to learn from.
        val: int (m,): positions in the cache to choose the best epoch by.
        folder: Where checkpoints, history and the best weights are written.
        initial: A network to begin with, as `take_over` has it; None begins with random weights.
        teaching: What teachers say of the crops at `train`; None learns from the labels alone.

    Returns:
        The file of the best weights, averaged over steps if the recipe says so.

    Raises:
        ValueError: `folder` holds another recipe's run, a value of the recipe is none that there is, or `initial` lacks
            a layer.
        RuntimeError: The loss is no number any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress = _load_progress(folder, recipe)
    if _is_finished(recipe, progress["history"]):
        return folder / BEST_WEIGHTS
    axis, loss = recipe.axis, recipe.age_loss
    mirrored = isinstance(loss, LabelDistribution) and loss.mirror_weight > 0
    devices = training_devices()
    if mirrored and recipe.batch_size % (2 * max(1, len(devices))):
        raise ValueError(
            f"Views and their mirror images must come to lie on one device: `batch_size` must be a multiple of "
            f"{2 * max(1, len(devices))}. Received: {recipe.batch_size}."
        )
    with spread_over(devices):
        features = None if teaching is None else teaching.features
        network, learner = _build(recipe, 0 if features is None else features.shape[1])
        batches = CropBatches(
            cache,
            train,
            axis=axis,
            label_sigma=loss.sigma if isinstance(loss, LabelDistribution) else None,
            batch_size=recipe.batch_size,
            augmentation=recipe.augmentation,
            mirrored=mirrored,
            seed=recipe.seed,
            outputs=list(learner.output),
            teaching=teaching,
            teacher_weight=0.0 if recipe.distillation is None else recipe.distillation.weight,
            shares=_shares(recipe, cache, train),
            first_epoch=progress["epoch"],
            workers=min(usable_processors(), MAX_WORKERS),
        )
        _compile(learner, recipe, axis, len(batches), None if features is None else FeatureLoss(features))
    if progress["epoch"]:
        learner.load_weights(folder / checkpoint(progress["epoch"]))
    elif initial is not None:
        take_over(network, initial)
    callbacks = [_EpochKeeper(recipe, network, cache, val, batches, axis, folder, progress)]
    if recipe.optimizer.ema_momentum:
        callbacks.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    learner.fit(
        batches,
        epochs=recipe.epochs,
        initial_epoch=progress["epoch"],
        callbacks=[*callbacks, keras.callbacks.TerminateOnNaN()],
        # The batches come shuffled; Keras would shuffle them again by a state that a resumed run has not.
        shuffle=False,
        verbose=0,
    )
    return folder / BEST_WEIGHTS


def check_run(folder: Path, recipe: TrainingRecipe) -> None:
    """Refuse a folder in which another recipe has been trained.

    Raises:
        ValueError: One has, or this recipe with other settings.
    """
    if (folder / PROGRESS).is_file() and (folder / RECIPE).read_text("utf-8") != _described(recipe):
        raise ValueError(f"{folder} holds a run of another recipe or other settings. Choose another output folder.")


def keep_inputs(folder: Path, inputs: Mapping[str, Any]) -> None:
    """Write down what a run is given besides its recipe and its faces: models by the SHA-256 of their network.

    Raises:
        ValueError: It was begun with something else, and has been trained on that.
    """
    file, text = folder / INPUTS, json.dumps(inputs, indent=2)
    if (folder / PROGRESS).is_file() and file.is_file() and file.read_text("utf-8") != text:
        raise ValueError(
            f"{folder} holds a run that began with other models or another detector, see {file.name}. Go on with the "
            "same, or choose another output folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def checkpoint(epoch: int) -> str:
    """Return the name of the file from which a run goes on after so many epochs.

    Two take turns, so that the one that the progress tells of is whole while the next is written.
    """
    return f"checkpoint-{epoch % 2}.weights.h5"


def is_finished(folder: Path, recipe: TrainingRecipe) -> bool:
    """Tell whether the run of a recipe in a folder has come to its end."""
    file = folder / PROGRESS
    return file.is_file() and _is_finished(recipe, json.loads(file.read_text("utf-8"))["history"])


def build_network(recipe: TrainingRecipe) -> keras.Model:
    """Build the network of a recipe, under the dtype policy in force."""
    return registry.build_network(
        recipe.architecture,
        image_size=recipe.faces.image_size,
        num_ages=recipe.axis.num_ages,
        min_age=recipe.min_age,
        **recipe.network,
    )


def take_over(network: keras.Model, initial: keras.Model) -> None:
    """Copy the weights of a network that has every layer of another; it may have more, as a deeper teacher has.

    Raises:
        ValueError: `initial` lacks a layer of `network`, or has it in another shape.
    """
    known = {layer.name: layer for layer in initial.layers}
    for layer in (layer for layer in network.layers if layer.weights):
        source = known.get(layer.name)
        wanted = [weight.shape for weight in layer.weights]
        found = [weight.shape for weight in source.weights] if source is not None else []
        if source is None or wanted != found:
            raise ValueError(
                f"`initial` must have every layer of the network that is trained. Received one whose layer "
                f"{layer.name!r} has weights of the shapes {found} instead of {wanted}. Begin with a model of the same "
                "architecture, or with none."
            )
        layer.set_weights(source.get_weights())


def load_best(recipe: TrainingRecipe, weights: Path) -> keras.Model:
    """Return the network of a recipe in float32 with the weights that `fit` found best."""
    network = build_network(recipe)
    network.load_weights(weights)
    return network


def freeze_layers(network: keras.Model, names: Sequence[str]) -> None:
    """Keep the weights of layers as they are.

    Args:
        network: A network.
        names: Beginnings of the names of layers; "backbone" stands for all layers but the heads.

    Raises:
        ValueError: No layer with weights has such a name, or nothing is left to train.
    """
    for name in names:
        chosen = [
            layer
            for layer in network.layers
            if layer.weights and (layer.name not in HEAD_LAYERS if name == "backbone" else layer.name.startswith(name))
        ]
        if not chosen:
            known = ", ".join(layer.name for layer in network.layers if layer.weights)
            raise ValueError(f"`freeze` must name layers or 'backbone'. Received: {name!r}. Layers: {known}.")
        for layer in chosen:
            layer.trainable = False
    if not network.trainable_weights:
        raise ValueError(f"`freeze` must leave layers to train. Received: {', '.join(names)}.")


class _EpochKeeper(keras.callbacks.Callback):
    """Validate after every epoch with the averaged weights, keep the best, and save the state to resume from.

    It follows SwapEMAWeights in the list of callbacks, which puts the averaged weights in at the end of an epoch and
    the raw ones back at the beginning of the next.
    """

    def __init__(
        self,
        recipe: TrainingRecipe,
        network: keras.Model,
        cache: CropCache,
        val: np.ndarray,
        batches: CropBatches,
        axis: AgeAxis,
        folder: Path,
        progress: dict,
    ) -> None:
        super().__init__()
        self._recipe, self._network, self._folder, self._progress = recipe, network, folder, progress
        self._cache, self._val, self._batches, self._axis = cache, val, batches, axis
        self._raw_statistics: list[np.ndarray] = []
        self._unsaved = self._compiled = False
        self._started = self._steps_started = self._asked = self._waited = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._started = self._steps_started = time.perf_counter()
        self._waited = 0.0
        for layer in self.model.layers:
            # A rate of 0 has no random state.
            if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
                # Weights files do not hold the state of random layers.
                layer.seed_generator.state.assign(np.array([self._recipe.seed, epoch], dtype=np.uint32))
        if self._unsaved:
            set_statistics(self.model, self._raw_statistics)
            self._save_state()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._asked = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._waited += max(0.0, self._batches.ready_at(batch) - self._asked)
        if not self._compiled:
            # The first step of all compiles the network, which is no waiting for data.
            self._compiled, self._steps_started, self._waited = True, time.perf_counter(), 0.0

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        loss = float((logs or {}).get("loss", np.nan))
        if not np.isfinite(loss):
            raise RuntimeError(
                f"The loss of epoch {epoch + 1} is {loss}. Lower `learning_rate` or set `clip_norm`, and train into "
                "another output folder."
            )
        spent = time.perf_counter() - self._steps_started
        self._raw_statistics = statistics(self.model)
        if self._recipe.optimizer.ema_momentum:
            reestimate_statistics(self.model, self._batches)
        scores = validate(self._network, self._cache, self._val, self._axis)
        row = {
            "epoch": epoch + 1,
            "seconds": round(time.perf_counter() - self._started, 1),
            "input_share": round(self._waited / spent, 4),
            "loss": loss,
            **scores,
        }
        logger.info(" ".join(f"{name}={value:.4g}" for name, value in row.items()))
        self._progress["epoch"] = epoch + 1
        self._progress["history"].append(row)
        if scores["val_score"] < self._progress["best"]:
            self._progress["best"] = scores["val_score"]
            _replace(self._folder / BEST_WEIGHTS, self._network.save_weights)
        _replace(self._folder / HISTORY, lambda path: _write_rows(path, self._progress["history"]))
        self._unsaved = True
        if _is_finished(self._recipe, self._progress["history"]):
            self.model.stop_training = True
            self._save_state()

    def _save_state(self) -> None:
        _replace(self._folder / checkpoint(self._progress["epoch"]), self.model.save_weights)
        _replace(self._folder / PROGRESS, lambda path: path.write_text(json.dumps(self._progress), "utf-8"))
        self._unsaved = False


def _build(recipe: TrainingRecipe, teacher_features: int) -> tuple[keras.Model, keras.Model]:
    """Return the network of a recipe, in its precision, and the one of the same weights that its losses see."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype_policy(recipe.dtype_policy))
    try:
        keras.utils.set_random_seed(recipe.seed)
        network = build_network(recipe)
        freeze_layers(network, recipe.freeze)
        if recipe.freeze_normalization:
            for layer in normalizations(network):
                layer.trainable = False
        return network, training_network(network, teacher_features)
    finally:
        keras.config.set_dtype_policy(policy)


def _compile(
    learner: keras.Model,
    recipe: TrainingRecipe,
    axis: AgeAxis,
    steps_per_epoch: int,
    feature_loss: FeatureLoss | None,
) -> None:
    settings = recipe.optimizer
    optimizer = keras.optimizers.AdamW(
        _learning_rate(settings, recipe.epochs, steps_per_epoch),
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm or None,
        use_ema=settings.ema_momentum > 0,
        ema_momentum=settings.ema_momentum,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(learner.trainable_variables)
    losses: dict[str, keras.losses.Loss | None] = {}
    weights = {}
    for name in learner.output:
        if name == "gender_logit" and recipe.gender_loss is not None:
            losses[name], weights[name] = gender_loss(recipe.gender_loss.smoothing), recipe.gender_loss.weight
        elif name == TEACHER_FEATURES and recipe.distillation is not None:
            losses[name], weights[name] = feature_loss, recipe.distillation.feature_weight
        elif recipe.age_loss is not None:
            losses[name], weights[name] = age_loss(recipe.age_loss, axis), 1.0
    learner.compile(optimizer=optimizer, loss=losses, loss_weights=weights)


def _learning_rate(
    settings: Optimizer, epochs: int, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    warmup = int(settings.warmup_epochs * steps_per_epoch)
    if settings.schedule == "constant" and not warmup:
        return settings.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, epochs * steps_per_epoch - warmup),
        # The cosine ends at this share of the peak.
        alpha=1.0 if settings.schedule == "constant" else 0.0,
        warmup_target=settings.learning_rate,
        warmup_steps=warmup,
    )


def _is_finished(recipe: TrainingRecipe, history: list[dict[str, float]]) -> bool:
    """Tell whether all epochs are done, or none of the last `recipe.patience` was better than the best before."""
    scores = [row["val_score"] for row in history]
    if not scores or len(scores) >= recipe.epochs:
        return len(scores) >= recipe.epochs
    return 0 < recipe.patience <= len(scores) - 1 - scores.index(min(scores))


def _shares(recipe: TrainingRecipe, cache: CropCache, train: np.ndarray) -> np.ndarray:
    other = np.array([cache.records[index].group.lower() in OTHER_GROUPS for index in train])
    return np.where(other, recipe.faces.other_group_share, 1.0)


def _load_progress(folder: Path, recipe: TrainingRecipe) -> dict:
    check_run(folder, recipe)
    if not (folder / PROGRESS).is_file():
        (folder / RECIPE).write_text(_described(recipe), "utf-8")
        return {"epoch": 0, "best": float("inf"), "history": []}
    return json.loads((folder / PROGRESS).read_text("utf-8"))


def _described(recipe: TrainingRecipe) -> str:
    return json.dumps(recipe.to_dict(), indent=2)


def _write_rows(file: Path, rows: list[dict[str, float]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _replace(file: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name first, so that an interruption or a full disk leaves the old one whole."""
    temporary = file.with_name(f"new-{file.name}")
    try:
        write(temporary)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
