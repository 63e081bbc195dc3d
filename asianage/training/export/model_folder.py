"""From a trained network to a model folder: exported, calibrated, with its history and its card."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

import asianage
from asianage.data.crop_cache import CropCache
from asianage.data.records import records_sha256
from asianage.models import folder as model_folder
from asianage.models.card import model_card
from asianage.models.config import GENDERS, Calibration, ModelConfig
from asianage.models.folder import ModelFolder
from asianage.models.litert import LiteRTNetwork
from asianage.networks.heads import learned_tasks
from asianage.training.export.calibration import calibrate
from asianage.training.export.litert import to_tflite, to_weights
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
        recipe: What the network was trained by; config.json takes architecture, crop size and age axis from it.
        network: The network of the recipe with its weights, in float32.
        cache: Crops of size `recipe.faces.image_size`.
        splits: "train" and "val" -> int (n,): positions in the cache that were learned from, and that calibrate.
        target: The folder to write; a model folder that is there is replaced.
        name: Name of the model.
        quantization: "int8", "float16" or "float32" of the network for prediction.
        provenance: What else the weights come from.
        calibration: What the model promises; None finds it out on "val".
        gender_temperature: What the gender logit is divided by where "val" has too few genders to find it out.

    Raises:
        ValueError: There are too few faces to calibrate with.
    """
    random = np.random.default_rng(recipe.seed)
    count = min(QUANTIZATION_SAMPLES, len(splits["train"]))
    chosen = np.sort(random.choice(splits["train"], count, replace=False))
    flatbuffer = to_tflite(network, quantization=quantization, samples=np.stack([cache.inner(i) for i in chosen]))
    config = ModelConfig(
        name=name,
        architecture=recipe.architecture,
        network=recipe.network,
        image_size=recipe.faces.image_size,
        min_age=recipe.min_age,
        max_age=recipe.max_age,
        calibration=calibration
        or _calibration(recipe, cache, splits["val"], flatbuffer, learned_tasks(network), gender_temperature),
        provenance={**_provenance(recipe, cache, splits, network, quantization), **(provenance or {})},
        asianage_version=asianage.__version__,
    )
    files = {model_folder.NETWORK: flatbuffer, model_folder.WEIGHTS: to_weights(network)}
    return model_folder.write_model_folder(target, config, files, card=model_card(config, {}), overwrite=True)


def add_metrics(model: ModelFolder, metrics: dict) -> ModelFolder:
    """Write measured figures into a model folder, and its card anew."""
    kept = [name for name in model.config.files if name != model_folder.METRICS]
    files = {name: model.read(name) for name in kept}
    files[model_folder.METRICS] = (json.dumps(metrics, indent=1) + "\n").encode()
    card = model_card(model.config, metrics)
    return model_folder.write_model_folder(model.path, model.config, files, card=card, overwrite=True)


def _calibration(
    recipe: TrainingRecipe,
    cache: CropCache,
    val: np.ndarray,
    flatbuffer: bytes,
    tasks: Collection[str],
    gender_temperature: float,
) -> Calibration:
    """Calibrate an exported network as it will be asked: one pass over each crop."""
    axis = recipe.axis
    exported = LiteRTNetwork(
        flatbuffer, source="The exported network", image_size=recipe.faces.image_size, num_ages=axis.num_ages
    )
    age_logits, gender_logits = exported(np.stack([cache.inner(i) for i in val]))
    labels = [cache.records[i] for i in val]
    age = np.array([np.nan if record.age is None else record.age for record in labels])
    is_male = np.array([np.nan if record.gender is None else record.gender == GENDERS[1] for record in labels])
    if "age" not in tasks:
        # Every age is equally likely then, and data without ages will do.
        age = np.where(np.isnan(age), np.linspace(axis.min_age, axis.max_age, len(age)), age)
    if "gender" not in tasks:
        is_male = np.full(len(is_male), np.nan)
    return calibrate(axis, age_logits, gender_logits, age, is_male, gender_temperature=gender_temperature)


def _provenance(
    recipe: TrainingRecipe, cache: CropCache, splits: Mapping[str, np.ndarray], network: keras.Model, quantization: str
) -> dict[str, Any]:
    used = {name: [cache.records[i] for i in positions] for name, positions in splits.items()}
    return {
        "recipe": recipe.to_dict(),
        "quantization": quantization,
        "parameters": network.count_params(),
        "faces": {name: dict(Counter(record.dataset for record in records)) for name, records in used.items()},
        "split_sha256": {name: records_sha256(records, by_name=True) for name, records in used.items()},
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "commit": _commit(),
    }


def _commit() -> str:
    """Return the commit of the checkout that this package runs from, "" outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
