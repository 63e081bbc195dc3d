"""From a trained network to a model folder: exported, calibrated, with its history and its card."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

import asianage
from asianage.data.crop_cache import CropCache
from asianage.models.ages import AgeAxis
from asianage.models.card import model_card
from asianage.models.config import GENDERS, Calibration, ModelConfig
from asianage.models.folder import METRICS, NETWORK, WEIGHTS, ModelFolder, write_model_folder
from asianage.models.litert import LiteRTNetwork
from asianage.training.export.calibration import calibrate
from asianage.training.export.litert import to_tflite, to_weights
from asianage.training.export.provenance import training_provenance
from asianage.training.recipes.recipe import TrainingRecipe

QUANTIZATION_SAMPLES = 400
"""Training crops that set the ranges of int8."""


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
    calibration: Calibration | None = None,
    gender_temperature: float = 1.0,
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
        calibration: The calibration of the model; None fits one on "val".
        gender_temperature: Divisor of the gender logit where "val" has too few genders to fit one.

    Raises:
        ValueError: There are too few faces to calibrate with.
    """
    random = np.random.default_rng(recipe.seed)
    count = min(QUANTIZATION_SAMPLES, len(splits["train"]))
    chosen = np.sort(random.choice(splits["train"], count, replace=False))
    flatbuffer = to_tflite(network, quantization=quantization, samples=_crops(cache, chosen))
    if calibration is None:
        exported = LiteRTNetwork(flatbuffer, source=NETWORK, image_size=cache.size, num_ages=recipe.axis.num_ages)
        calibration = _calibration(recipe.axis, exported, cache, splits["val"], recipe.tasks, gender_temperature)
    config = ModelConfig(
        name=name,
        architecture=recipe.architecture,
        network=recipe.network,
        image_size=cache.size,
        min_age=recipe.min_age,
        max_age=recipe.max_age,
        calibration=calibration,
        provenance={**training_provenance(recipe, network, cache, splits, quantization), **(provenance or {})},
        asianage_version=asianage.__version__,
    )
    files = {NETWORK: flatbuffer, WEIGHTS: to_weights(network)}
    return write_model_folder(target, config, files, card=model_card(config, {}), overwrite=True)


def add_metrics(model: ModelFolder, metrics: Mapping[str, Any]) -> ModelFolder:
    """Write measured figures into a model folder, and its card anew."""
    files = {name: model.read(name) for name in model.config.files if name != METRICS}
    files[METRICS] = (json.dumps(metrics, indent=1) + "\n").encode()
    return write_model_folder(model.path, model.config, files, card=model_card(model.config, metrics), overwrite=True)


def _calibration(
    axis: AgeAxis,
    exported: LiteRTNetwork,
    cache: CropCache,
    val: np.ndarray,
    tasks: Collection[str],
    gender_temperature: float,
) -> Calibration:
    """Calibrate an exported network as a prediction runs it: one pass over each crop."""
    age_logits, gender_logits = exported(_crops(cache, val))
    labels = [cache.records[i] for i in val]
    age = np.array([np.nan if record.age is None else record.age for record in labels])
    is_male = np.array([np.nan if record.gender is None else record.gender == GENDERS[1] for record in labels])
    if "age" not in tasks:
        # Every age is equally likely then, and data without ages will do.
        age = np.where(np.isnan(age), np.linspace(axis.min_age, axis.max_age, len(age)), age)
    if "gender" not in tasks:
        is_male = np.full(len(is_male), np.nan)
    return calibrate(axis, age_logits, gender_logits, age, is_male, gender_temperature=gender_temperature)


def _crops(cache: CropCache, positions: np.ndarray) -> np.ndarray:
    return np.stack([cache.inner(position) for position in positions])
