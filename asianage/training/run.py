"""`train`: from a recipe and a table of faces to a model folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from asianage import model_folder
from asianage.estimator import AgeGenderEstimator
from asianage.hub import open_model
from asianage.networks.pretrained import load_pretrained
from asianage.training.cleaning import clean_training_part
from asianage.training.crops import CropCache, cut_crops
from asianage.training.evaluation import evaluate
from asianage.training.fitting import HISTORY, build_network, fit
from asianage.training.recipes import RECIPES, TrainingRecipe
from asianage.training.records import FaceRecord, RecordTable
from asianage.training.release import add_metrics, write_model
from asianage.training.report import save_report
from asianage.training.restoring import restore_network
from asianage.training.sources import read_source

logger = logging.getLogger(__name__)


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
    trained = build_network(recipe)
    trained.load_weights(best)
    model = write_model(
        recipe,
        trained,
        cache,
        splits,
        output / "model",
        name=name or recipe.name,
        precision=precision,
        provenance={"initial": None if start is None else dict(start.config.provenance)},
    )
    test = [record for record in records if record.split == "test"]
    if test:
        estimator = AgeGenderEstimator(model, detector=detector)
        evaluation = evaluate(estimator, test, progress=progress)
        training_records = [records[i] for i in splits["train"]]
        save_report(evaluation, output / "report", history=output / HISTORY, training_records=training_records)
        model = add_metrics(model, {"test": evaluation.to_dict()})
    return AgeGenderEstimator(model, detector=detector)


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
