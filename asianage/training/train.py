"""`train`: from a recipe and a table of faces to a model folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asianage.data.cleaning import clean
from asianage.data.records import FaceRecord, RecordTable
from asianage.data.selection import select_dataset, select_faces
from asianage.data.sources import Source, read_source
from asianage.data.split_file import keep_split
from asianage.data.splits import split_records
from asianage.models.folder import ModelFolder
from asianage.models.pretrained import open_model
from asianage.networks.pretrained import find_pretrained
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.training.export.litert import check_quantization
from asianage.training.recipes import RECIPES, Recipe
from asianage.training.recipes.detector import DETECTOR
from asianage.training.recipes.recipe import PlannedRun
from asianage.training.run_folder import LEFT_OUT, PROGRESS, RECIPE, SPLIT, Run, check_settings
from asianage.training.study.assemble import assemble_study
from asianage.training.study.baselines import BASELINES
from asianage.training.study.recipes import STUDY_RECIPES
from asianage.training.train_network import measure, train_network


def train(
    recipe: str | Recipe,
    data: Source,
    output: str | os.PathLike[str],
    *,
    epochs: int | None = None,
    name: str | None = None,
    initial: str | os.PathLike[str] | None = None,
    pretrained: str | os.PathLike[str] | None = None,
    teachers: Sequence[str | os.PathLike[str]] = (),
    dataset: str | None = None,
    split: str = "predefined",
    fold: int = 0,
    detector: str | None = "auto",
    quantization: str = "int8",
    progress: bool = False,
) -> AgeGenderEstimator:
    """Train a recipe and write a model folder. A run that was stopped goes on where it was.

    The folder of a run gets ``split.csv`` with its SHA-256, ``left_out.csv`` (pictures that were not trained on, with
    the reason), crops, checkpoints, ``history.csv``, ``recipe.json``, ``inputs.json``, the folder ``model``, and the
    folder ``report`` where figures are measured. A recipe of several networks has a folder for each. Stages share the
    crops of one size, and the last stage has `output` itself.

    Args:
        recipe: Name of a recipe, or a recipe.
        data: Labeled faces: a table, a folder, or records, as `asianage.data.sources.read_source` takes them.
        output: Folder of the run.
        epochs: Passes over the faces, for every network; None takes those of the recipe.
        name: Name of the model; None takes that of the recipe.
        initial: Model to begin with: bundled name, folder or Hub id. It must have every layer of the recipe's network,
            for crops of any size. None begins as the recipe states.
        pretrained: File of the published weights that the recipe begins with; None looks in its usual place.
        teachers: Models that a recipe with a `distillation` learns from, in the same forms as `initial`.
        dataset: Only faces of this data set; None takes all.
        split: How faces are split: "predefined" by the data; "identity" and "study" by `asianage.data.splits`. Figures
            are measured on the split "test", those of the study on "val".
        fold: Which fifth is "test", of the split by identity.
        detector: Face detector, as in `AgeGenderEstimator`; None takes every picture as one face.
        quantization: "int8", "float16" or "float32" of the exported network.
        progress: Whether to show progress bars.

    Returns:
        An estimator of the new model.

    Raises:
        FileNotFoundError: Pictures, or the published weights that the recipe begins with, do not exist.
        ValueError: The recipe is unknown, the data lack a split or a label, or `output` holds another run.
    """
    recipe = find_recipe(recipe)
    check_quantization(quantization)
    run = Run(Path(output), detector, quantization, progress)
    planned = _plan(recipe, run.output, initial, teachers)
    if epochs is not None:
        planned = [replace(step, recipe=replace(step.recipe, epochs=epochs)) for step in planned]
    _check(recipe, planned, pretrained)
    records = _prepare(planned[0], data, run, dataset=dataset, split=split, fold=fold)
    measured_on = "val" if split == "study" else "test"
    parts: dict[str, ModelFolder] = {}
    for step in planned:
        estimator = train_network(
            step.recipe,
            _faces_for(step, RecordTable(records, [])).records,
            replace(run, output=step.folder),
            name=(name or recipe.name) if step.folder == run.output else step.recipe.name,
            crops=step.crops,
            initial=None if step.initial is None else open_model(step.initial),
            pretrained=pretrained,
            teachers=[open_model(teacher) for teacher in step.teachers],
            measured_on=measured_on if step.measured else None,
        )
        parts[step.part] = estimator.model
    if "" in parts:
        return estimator
    model = assemble_study(parts, records, run, name=name or recipe.name)
    return measure(model, records, run, frozenset({"age", "gender"}), measured_on)


def find_recipe(recipe: str | Recipe) -> Recipe:
    """Return a recipe by its name.

    Raises:
        ValueError: There is none of this name, or it has no network to train.
    """
    if not isinstance(recipe, str):
        return recipe
    if recipe in BASELINES:
        raise ValueError(
            f"The recipe {recipe!r} has no network to train. Call `asianage.training.run_baseline`, or run: "
            f"asianage train {recipe} DATA OUTPUT"
        )
    if recipe == DETECTOR.name:
        raise ValueError("Call `asianage.training.train_detector` for the recipe 'detector'.")
    known = {**RECIPES, **STUDY_RECIPES}
    if recipe not in known:
        raise ValueError(f"There is no recipe {recipe!r}. Recipes: {', '.join(sorted([*known, *BASELINES]))}.")
    return known[recipe]


def _plan(
    recipe: Recipe,
    output: Path,
    initial: str | os.PathLike[str] | None,
    teachers: Sequence[str | os.PathLike[str]],
) -> list[PlannedRun]:
    """Return the runs of a recipe, with the models that the caller names."""
    planned = list(recipe.runs(output))
    if initial is None and not teachers:
        return planned
    if len(planned) > 1:
        raise ValueError(f"`initial` and `teachers` are for one network. Received: the recipe {recipe.name!r}.")
    return [replace(planned[0], initial=initial, teachers=tuple(teachers))]


def _check(recipe: Recipe, planned: Sequence[PlannedRun], pretrained: str | os.PathLike[str] | None) -> None:
    """Refuse before any work what would fail in a later run."""
    if pretrained is not None and len({step.recipe.pretrained for step in planned} - {""}) > 1:
        raise ValueError(
            f"`pretrained` is one file, and the recipe {recipe.name!r} begins with several published networks. Leave "
            "it out, and put each file in its usual place."
        )
    for step in planned:
        check_settings(step.folder, RECIPE, step.recipe.to_dict())
        if step.recipe.pretrained and pretrained is None and step.initial is None:
            find_pretrained(step.recipe.pretrained)


def _faces_for(step: PlannedRun, table: RecordTable) -> RecordTable:
    """Return the faces that a run uses."""
    faces = step.recipe.faces
    return select_faces(table, tasks=step.recipe.tasks, gender=faces.gender, ages=faces.ages)


def _prepare(
    first: PlannedRun,
    data: Source,
    run: Run,
    *,
    dataset: str | None,
    split: str,
    fold: int,
) -> list[FaceRecord]:
    """Return the faces of all runs, split and with a cleaned training part, and write down which they are."""
    table = read_source(data)
    # The first network of several needs every face that a later one needs.
    table = _faces_for(first, select_dataset(table, dataset))
    # The study measures genders on the same share of each, ages on the same share of each.
    classes = "gender" if "gender" in first.recipe.tasks else "age"
    records = split_records(table.records, split, fold=fold, classes=classes)
    run.output.mkdir(parents=True, exist_ok=True)
    keep_split(records, run.output / SPLIT, fixed=any(run.output.rglob(PROGRESS)))
    cleaned = clean(RecordTable(records, table.dropped), split="train", progress=run.progress)
    cleaned.write_dropped(run.output / LEFT_OUT)
    return cleaned.records
