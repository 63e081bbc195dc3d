"""Fit one network by a recipe: validate every epoch, keep the best weights, resume after an interruption."""

from __future__ import annotations

import csv
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from asianage.ages import AgeAxis, expected_age, softmax
from asianage.config import GENDERS
from asianage.networks import registry
from asianage.training.crops import CropCache
from asianage.training.objectives import AgeDistributionLoss, gender_loss
from asianage.training.pipeline import CropBatches
from asianage.training.recipes import TrainingRecipe

logger = logging.getLogger(__name__)

BEST_WEIGHTS = "best.weights.h5"
CHECKPOINT = "checkpoint.weights.h5"
PROGRESS = "progress.json"
HISTORY = "history.csv"

STATISTICS_BATCHES = 24
"""Batches that normalization statistics are averaged over before validation."""


def fit(
    recipe: TrainingRecipe,
    cache: CropCache,
    train: np.ndarray,
    val: np.ndarray,
    folder: Path,
    *,
    initial: keras.Model | None = None,
) -> Path:
    """Fit the network of a recipe, or go on where an earlier call in `folder` stopped.

    Args:
        recipe: What to do.
        cache: Crops of size `recipe.image_size`.
        train: int (n,): positions in the cache to learn from.
        val: int (m,): positions in the cache to choose the best epoch by.
        folder: Where checkpoints, history and the best weights are written.
        initial: A network of the same form to begin with; None begins with random weights.

    Returns:
        The file of the best weights (exponential moving average).

    Raises:
        ValueError: `folder` holds another recipe's run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress = _load_progress(folder, recipe)
    if progress["epoch"] >= recipe.epochs:
        return folder / BEST_WEIGHTS
    axis = AgeAxis(recipe.min_age, recipe.max_age)
    batches = CropBatches(
        cache,
        train,
        axis=axis,
        label_sigma=recipe.label_sigma,
        batch_size=recipe.batch_size,
        augmentation=recipe.augmentation,
        seed=recipe.seed,
        shares=_shares(recipe, cache, train),
        first_epoch=progress["epoch"],
    )
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        keras.utils.set_random_seed(recipe.seed)
        network = build_network(recipe)
    finally:
        keras.config.set_dtype_policy(policy)
    _compile(network, recipe, axis, len(batches))
    if progress["epoch"]:
        network.load_weights(folder / CHECKPOINT)
    elif initial is not None:
        network.set_weights(initial.get_weights())
    network.fit(
        batches,
        epochs=recipe.epochs,
        initial_epoch=progress["epoch"],
        callbacks=[
            keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
            _EpochKeeper(cache, val, batches, axis, folder, progress, recipe.seed),
            keras.callbacks.TerminateOnNaN(),
        ],
        # The batches come shuffled; Keras would shuffle them again by a state that a resumed run has not.
        shuffle=False,
        verbose=0,
    )
    return folder / BEST_WEIGHTS


def build_network(recipe: TrainingRecipe) -> keras.Model:
    """Build the network of a recipe, under the dtype policy in force."""
    return registry.build_network(
        recipe.architecture,
        image_size=recipe.image_size,
        num_ages=recipe.max_age - recipe.min_age + 1,
        min_age=recipe.min_age,
        **recipe.network,
    )


def predict_logits(network: keras.Model, cache: CropCache, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return age logits float32 (n, num_ages) and gender logits float32 (n,) of the crops at `indices`."""
    ages, genders = [], []
    for start in range(0, len(indices), 256):
        crops = np.stack([cache.inner(index) for index in indices[start : start + 256]]).astype(np.float32)
        outputs = network.predict_on_batch(crops)
        ages.append(outputs["age_logits"])
        genders.append(outputs["gender_logit"][:, 0])
    return np.concatenate(ages).astype(np.float32), np.concatenate(genders).astype(np.float32)


class _EpochKeeper(keras.callbacks.Callback):
    """Validate after every epoch with the averaged weights, keep the best, and save the state to resume from.

    It follows SwapEMAWeights in the list of callbacks, which puts the averaged weights in at the end of an epoch and
    the raw ones back at the beginning of the next.
    """

    def __init__(
        self,
        cache: CropCache,
        val: np.ndarray,
        batches: CropBatches,
        axis: AgeAxis,
        folder: Path,
        progress: dict,
        seed: int,
    ) -> None:
        super().__init__()
        self._seed = seed
        self._cache, self._val, self._batches, self._axis, self._folder = cache, val, batches, axis, folder
        self._progress = progress
        self._raw_statistics: list[np.ndarray] = []
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._started = time.perf_counter()
        for layer in self.model.layers:
            # A rate of 0 has no random state.
            if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
                # Weights files do not hold the state of random layers.
                layer.seed_generator.state.assign(np.array([self._seed, epoch], dtype=np.uint32))
        if self._raw_statistics:
            _set_statistics(self.model, self._raw_statistics)
            self._save_state()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._raw_statistics = _statistics(self.model)
        _reestimate_statistics(self.model, self._batches)
        scores = _validate(self.model, self._cache, self._val, self._axis)
        row = {
            "epoch": epoch + 1,
            "seconds": round(time.perf_counter() - self._started, 1),
            "loss": float((logs or {}).get("loss", np.nan)),
            **scores,
        }
        logger.info(" ".join(f"{name}={value:.4g}" for name, value in row.items()))
        self._progress["epoch"] = epoch + 1
        self._progress["history"].append(row)
        if scores["val_score"] < self._progress["best"]:
            self._progress["best"] = scores["val_score"]
            _replace(self._folder / BEST_WEIGHTS, self.model.save_weights)
        _replace(self._folder / HISTORY, lambda path: _write_rows(path, self._progress["history"]))
        if epoch + 1 == self.params["epochs"]:
            self._save_state()

    def _save_state(self) -> None:
        _replace(self._folder / CHECKPOINT, self.model.save_weights)
        _replace(self._folder / PROGRESS, lambda path: path.write_text(json.dumps(self._progress), "utf-8"))


def _normalizations(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]


def _statistics(network: keras.Model) -> list[np.ndarray]:
    layers = _normalizations(network)
    values = [value for layer in layers for value in (layer.moving_mean, layer.moving_variance)]
    return [np.array(keras.ops.convert_to_numpy(value)) for value in values]


def _set_statistics(network: keras.Model, values: list[np.ndarray]) -> None:
    for layer, mean, variance in zip(_normalizations(network), values[::2], values[1::2], strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)


def _reestimate_statistics(network: keras.Model, batches: CropBatches) -> None:
    """Average the normalization statistics of the weights in force over a few batches.

    The moving statistics belong to the raw weights; with averaged weights they give nonsense while the learning rate
    is high (as in Izmailov et al., 'Averaging Weights Leads to Wider Optima', UAI 2018).
    """
    layers = _normalizations(network)
    momenta = [layer.momentum for layer in layers]
    for number in range(min(STATISTICS_BATCHES, len(batches))):
        for layer in layers:
            layer.momentum = number / (number + 1)
        network(batches[number][0], training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def _validate(network: keras.Model, cache: CropCache, val: np.ndarray, axis: AgeAxis) -> dict[str, float]:
    """Return MAE and gender accuracy per data set; the score is the mean of the MAEs, in years."""
    age_logits, gender_logits = predict_logits(network, cache, val)
    age = expected_age(axis, softmax(age_logits))
    records = [cache.records[index] for index in val]
    scores: dict[str, float] = {}
    for name in sorted({record.dataset for record in records}):
        rows = [i for i, record in enumerate(records) if record.dataset == name]
        errors = [abs(age[i] - records[i].age) for i in rows if records[i].age is not None]
        right = [(gender_logits[i] > 0) == (records[i].gender == GENDERS[1]) for i in rows if records[i].gender]
        if errors:
            scores[f"val_mae_{name}"] = float(np.mean(errors))
        if right:
            scores[f"val_gender_{name}"] = float(np.mean(right))
    maes = [value for key, value in scores.items() if key.startswith("val_mae_")]
    accuracies = [value for key, value in scores.items() if key.startswith("val_gender_")]
    scores["val_score"] = float(np.mean(maes)) if maes else 1.0 - float(np.mean(accuracies))
    return scores


def _compile(network: keras.Model, recipe: TrainingRecipe, axis: AgeAxis, steps_per_epoch: int) -> None:
    warmup = int(recipe.warmup_epochs * steps_per_epoch)
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            decay_steps=max(1, recipe.epochs * steps_per_epoch - warmup),
            warmup_target=recipe.learning_rate,
            warmup_steps=warmup,
        ),
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.clip_norm or None,
        use_ema=True,
        ema_momentum=recipe.ema_momentum,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(network.trainable_variables)
    network.compile(
        optimizer=optimizer,
        loss={
            "age_logits": AgeDistributionLoss(axis, recipe.expectation_weight),
            "gender_logit": gender_loss(recipe.gender_smoothing),
        },
        loss_weights={"age_logits": 1.0, "gender_logit": recipe.gender_weight},
    )


def _shares(recipe: TrainingRecipe, cache: CropCache, train: np.ndarray) -> np.ndarray:
    other = np.array([cache.records[index].group not in ("", "asian") for index in train])
    return np.where(other, recipe.other_group_share, 1.0)


def _load_progress(folder: Path, recipe: TrainingRecipe) -> dict:
    described = json.dumps(recipe.to_dict(), indent=2)
    file = folder / "recipe.json"
    if not (folder / PROGRESS).is_file():
        file.write_text(described, "utf-8")
        return {"epoch": 0, "best": float("inf"), "history": []}
    if file.read_text("utf-8") != described:
        raise ValueError(f"{folder} holds a run of another recipe or other settings. Choose another output folder.")
    return json.loads((folder / PROGRESS).read_text("utf-8"))


def _write_rows(file: Path, rows: list[dict[str, float]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _replace(file: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name first, so that an interruption leaves the old one whole."""
    temporary = file.with_name(f"new-{file.name}")
    write(temporary)
    temporary.replace(file)
