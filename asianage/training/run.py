"""`train`: from a recipe and a table of faces to a model folder."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

import asianage
from asianage import ages, model_folder
from asianage.config import GENDERS, ModelConfig
from asianage.estimator import AgeGenderEstimator
from asianage.hub import open_model
from asianage.model_card import model_card
from asianage.model_folder import ModelFolder
from asianage.networks.pretrained import load_pretrained
from asianage.runtime import LiteRTNetwork, averaged_with_mirror
from asianage.training.calibration import calibrate
from asianage.training.cleaning import clean_training_part
from asianage.training.crops import CropCache, cut_crops
from asianage.training.evaluation import evaluate
from asianage.training.export import to_tflite, to_weights
from asianage.training.fitting import HISTORY, build_network, fit
from asianage.training.recipes import RECIPES, TrainingRecipe
from asianage.training.records import FaceRecord, RecordTable, records_sha256
from asianage.training.report import save_report
from asianage.training.restoring import restore_network
from asianage.training.sources import read_source

logger = logging.getLogger(__name__)

QUANTIZATION_SAMPLES = 400
"""Training crops that set the ranges of int8."""


def train(
    recipe: str | TrainingRecipe,
    data: str | os.PathLike[str] | Sequence[FaceRecord],
    output: str | os.PathLike[str],
    *,
    name: str | None = None,
    initial: str | os.PathLike[str] | None = None,
    pretrained: str | os.PathLike[str] | None = None,
    detector: str | None = "auto",
    precision: str = "int8",
    progress: Callable[[int, int], None] | None = None,
) -> AgeGenderEstimator:
    """Train a recipe and write a model folder. A run that was stopped goes on where it was.

    Args:
        recipe: Name of a recipe, or a recipe.
        data: What `asianage.training.sources.read_source` takes, or records; with splits "train" and "val", and
            "test" if metrics are to be measured.
        output: Folder of the run: crops, checkpoints, ``history.csv``, ``recipe.json``, ``left_out.csv`` (pictures that
            were not trained on, and why), the folder ``model``, and with a test part the folder ``report``.
        name: Name of the model; None takes that of the recipe.
        initial: Model to begin with, as `AgeGenderEstimator.from_pretrained` takes it; None begins as the recipe says.
        pretrained: File of the published weights that the recipe begins with; None looks where it usually lies.
        detector: Who finds the faces, as in `AgeGenderEstimator`; None takes every picture as one face.
        precision: "int8", "float16" or "float32" of the network for prediction.
        progress: Called with (done, total) while pictures are checked, cut and measured.

    Returns:
        An estimator of the new model.

    Raises:
        FileNotFoundError: The published weights that the recipe begins with are not there.
        ValueError: The recipe is unknown, the data lack a split, or `output` holds another run.
    """
    recipe = _recipe(recipe)
    given = read_source(data) if isinstance(data, str | os.PathLike) else RecordTable(list(data), [])
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    table = clean_training_part(given, progress=progress)
    table.write_dropped(output / "left_out.csv")
    records = table.records
    cache = cut_crops(
        records, output / "crops", size=recipe.image_size, margin=recipe.margin, detector=detector, progress=progress
    )
    splits = {name: _positions(cache, name) for name in ("train", "val")}
    start = None if initial is None else open_model(initial, files=(model_folder.WEIGHTS,))
    network = _initial_network(recipe, pretrained) if start is None else restore_network(start)
    best = fit(recipe, cache, splits["train"], splits["val"], output, initial=network)
    model = _write_model(recipe, cache, splits, best, output / "model", name or recipe.name, precision, start)
    test = [record for record in records if record.split == "test"]
    if test:
        estimator = AgeGenderEstimator(model, detector=detector)
        evaluation = evaluate(estimator, test, progress=progress)
        training_records = [records[i] for i in splits["train"]]
        save_report(evaluation, output / "report", history=output / HISTORY, training_records=training_records)
        model = add_metrics(model, {"test": evaluation.to_dict()})
    return AgeGenderEstimator(model, detector=detector)


def add_metrics(model: ModelFolder, metrics: dict) -> ModelFolder:
    """Write measured figures into a model folder, and its card anew."""
    kept = [name for name in model.config.files if name != model_folder.METRICS]
    files: dict[str, bytes | Path] = {name: model.file(name).read_bytes() for name in kept}
    files[model_folder.METRICS] = (json.dumps(metrics, indent=1) + "\n").encode()
    card = model_card(model.config, metrics)
    return model_folder.write_model_folder(model.path, model.config, files, card=card, overwrite=True)


def _write_model(
    recipe: TrainingRecipe,
    cache: CropCache,
    splits: dict[str, np.ndarray],
    weights: Path,
    target: Path,
    name: str,
    precision: str,
    start: ModelFolder | None = None,
) -> ModelFolder:
    """Export, calibrate what was exported, and write the folder."""
    network = build_network(recipe)
    network.load_weights(weights)
    random = np.random.default_rng(recipe.seed)
    count = min(QUANTIZATION_SAMPLES, len(splits["train"]))
    chosen = np.sort(random.choice(splits["train"], count, replace=False))
    flatbuffer = to_tflite(network, precision=precision, samples=np.stack([cache.inner(i) for i in chosen]))
    file = target.with_name("exported.tflite")
    file.write_bytes(flatbuffer)
    axis = ages.AgeAxis(recipe.min_age, recipe.max_age)
    exported = LiteRTNetwork(file, image_size=recipe.image_size, num_ages=axis.num_ages)
    age_logits, gender_logits = averaged_with_mirror(exported, np.stack([cache.inner(i) for i in splits["val"]]))
    labels = [cache.records[i] for i in splits["val"]]
    config = ModelConfig(
        name=name,
        architecture=recipe.architecture,
        network=recipe.network,
        image_size=recipe.image_size,
        min_age=recipe.min_age,
        max_age=recipe.max_age,
        calibration=calibrate(
            axis,
            age_logits,
            gender_logits,
            np.array([np.nan if record.age is None else record.age for record in labels]),
            np.array([np.nan if record.gender is None else record.gender == GENDERS[1] for record in labels]),
        ),
        provenance=_provenance(recipe, cache, splits, network, precision, start),
        asianage_version=asianage.__version__,
    )
    files: dict[str, bytes | Path] = {model_folder.NETWORK: file, model_folder.WEIGHTS: to_weights(network)}
    model = model_folder.write_model_folder(target, config, files, card=model_card(config, {}), overwrite=True)
    file.unlink()
    return model


def _provenance(
    recipe: TrainingRecipe,
    cache: CropCache,
    splits: dict[str, np.ndarray],
    network: keras.Model,
    precision: str,
    start: ModelFolder | None,
) -> dict:
    used = {name: [cache.records[i] for i in positions] for name, positions in splits.items()}
    return {
        "recipe": recipe.to_dict(),
        "initial": None if start is None else dict(start.config.provenance),
        "precision": precision,
        "parameters": network.count_params(),
        "faces": {name: dict(Counter(record.dataset for record in records)) for name, records in used.items()},
        "split_sha256": {name: records_sha256(records, by_name=True) for name, records in used.items()},
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "commit": _commit(),
    }


def _initial_network(recipe: TrainingRecipe, pretrained: str | os.PathLike[str] | None) -> keras.Model | None:
    """Return the network of a recipe with the published weights that it begins with; None if it begins with none."""
    if not recipe.pretrained:
        return None
    network = build_network(recipe)
    load_pretrained(network, recipe.pretrained, pretrained)
    return network


def _recipe(recipe: str | TrainingRecipe) -> TrainingRecipe:
    if isinstance(recipe, TrainingRecipe):
        return recipe
    if recipe not in RECIPES:
        raise ValueError(f"There is no recipe {recipe!r}. Recipes: {', '.join(sorted(RECIPES))}.")
    return RECIPES[recipe]


def _positions(cache: CropCache, split: str) -> np.ndarray:
    positions = [i for i, record in enumerate(cache.records) if record.split == split and cache.readable[i]]
    if not positions:
        raise ValueError(f"The data hold no readable picture of the split {split!r}. Fill the column `split`.")
    return np.array(positions)


def _commit() -> str:
    """Return the commit of the checkout that this package runs from, "" outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
