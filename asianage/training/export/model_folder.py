"""From a trained network to a model folder: exported, calibrated, with its history and its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

import asianage
from asianage.data.crop_cache import CropCache
from asianage.models.card import model_card
from asianage.models.config import GENDERS, Calibration, ModelConfig
from asianage.models.folder import METRICS, NETWORK, WEIGHTS, ModelFolder, write_model_folder
from asianage.training.export.calibration import MIN_FACES, calibrate
from asianage.training.export.litert import to_weights
from asianage.training.export.precision import export_network
from asianage.training.export.provenance import training_provenance
from asianage.training.export.stretch import interval_stretch
from asianage.training.recipes.recipe import TrainingRecipe


def write_model(
    recipe: TrainingRecipe,
    network: keras.Model,
    cache: CropCache,
    splits: Mapping[str, np.ndarray],
    target: Path,
    *,
    name: str,
    quantization: str = "int8",
    provenance: Mapping[str, Any] | None = None,
    improved: ModelFolder | None = None,
    is_kept: bool = False,
) -> ModelFolder:
    """Export a network, calibrate what was exported, and write the folder.

    Args:
        recipe: The recipe of the network; config.json takes the architecture and the age axis from it.
        network: The trained network, in float32.
        cache: Crops of the size that the network takes.
        splits: "train" and "val" -> int (n,): positions in the cache. "train" was learned from, "val" calibrates.
        target: The folder to write; a model folder that is there is replaced.
        name: Name of the model.
        quantization: "int8", "float16" or "float32" of the network for prediction.
        provenance: What else the weights come from, such as `ancestry`.
        improved: Model that the network was trained on from. The fewer faces "val" has, the more of its calibration
            stays, and the ranges of int8 are no smaller than there.
        is_kept: Whether `network` still is that of `improved`. Then its calibration stays too.

    Raises:
        ValueError: There are too few faces to calibrate with.
    """
    if is_kept and improved is not None and _quantization_of(improved) == quantization:
        content, calibration = improved.read(NETWORK), improved.config.calibration
        origin = training_provenance(recipe, network, cache, splits, quantization)
    else:
        exported = export_network(
            network,
            cache,
            splits["train"],
            splits["val"],
            recipe.axis,
            recipe.tasks,
            quantization=quantization,
            before=improved.read(NETWORK) if improved is not None and _quantization_of(improved) == "int8" else None,
            seed=recipe.seed,
        )
        content = exported.content
        before = None if improved is None else improved.config.calibration
        if is_kept and before is not None:
            calibration = before
        else:
            calibration = _calibration(recipe, exported.network, cache, splits["val"], before)
        origin = training_provenance(recipe, network, cache, splits, exported.quantization)
        origin["quantization_difference"] = exported.difference
    config = ModelConfig(
        name=name,
        architecture=recipe.architecture,
        network=recipe.network,
        image_size=cache.size,
        min_age=recipe.min_age,
        max_age=recipe.max_age,
        calibration=calibration,
        provenance={**origin, **(provenance or {})},
        asianage_version=asianage.__version__,
    )
    files = {NETWORK: content, WEIGHTS: to_weights(network)}
    return write_model_folder(target, config, files, card=model_card(config, {}), overwrite=True)


def add_metrics(model: ModelFolder, metrics: Mapping[str, Any]) -> ModelFolder:
    """Write measured figures into a model folder, and its card anew."""
    files = {name: model.read(name) for name in model.config.files if name != METRICS}
    files[METRICS] = (json.dumps(metrics, indent=1) + "\n").encode()
    return write_model_folder(model.path, model.config, files, card=model_card(model.config, metrics), overwrite=True)


def _quantization_of(model: ModelFolder) -> str | None:
    provenance = model.config.provenance
    # Models of the first version have it as their precision.
    return provenance.get("quantization") or provenance.get("precision")


def _calibration(
    recipe: TrainingRecipe,
    exported: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    cache: CropCache,
    val: np.ndarray,
    before: Calibration | None,
) -> Calibration:
    """Calibrate an exported network as a prediction runs it: one pass over each crop."""
    axis, tasks = recipe.axis, recipe.tasks
    labels = [cache.records[i] for i in val]
    age = np.array([np.nan if record.age is None else record.age for record in labels])
    is_male = np.array([np.nan if record.gender is None else record.gender == GENDERS[1] for record in labels])
    if before is not None and (np.isfinite(age).sum() if "age" in tasks else len(age)) < MIN_FACES:
        return before
    age_logits, gender_logits = exported(cache.inner_crops(val))
    if "age" not in tasks:
        # Every age is equally likely then, and data without ages will do.
        age = np.where(np.isnan(age), np.linspace(axis.min_age, axis.max_age, len(age)), age)
    if "gender" not in tasks:
        is_male = np.full(len(is_male), np.nan)
    estimate = recipe.age_estimate if before is None else before.age_estimate
    calibration = calibrate(axis, age_logits, gender_logits, age, is_male, before=before)
    calibration = replace(calibration, age_estimate=estimate)
    if "age" not in tasks:
        return calibration
    stretch = interval_stretch(exported, cache, val, axis, calibration)
    if before is not None:
        # The faces need not be of all ages: intervals get no narrower by a warning than they were.
        kept = dict(before.interval_stretch)
        stretch = kept | {warning: max(factor, kept.get(warning, 1.0)) for warning, factor in stretch.items()}
    return replace(calibration, interval_stretch=stretch)
