"""`train`: from a recipe and a table of faces to a model folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from asianage import model_folder
from asianage.ages import AgeAxis
from asianage.estimator import AgeGenderEstimator
from asianage.hub import open_model
from asianage.model_folder import ModelFolder
from asianage.networks.heads import learned_tasks
from asianage.networks.pretrained import load_pretrained
from asianage.training.baselines import BASELINES
from asianage.training.calibration import MIN_FACES
from asianage.training.crops import CropCache, cut_crops
from asianage.training.data.cleaning import clean_training_part
from asianage.training.data.records import FaceRecord, RecordTable
from asianage.training.data.selection import select_dataset, select_faces
from asianage.training.data.sources import read_source
from asianage.training.data.splits import keep_split, split_records
from asianage.training.evaluation import evaluate
from asianage.training.fitting import (
    HISTORY,
    PROGRESS,
    build_network,
    check_objective,
    check_run,
    fit,
    load_best,
)
from asianage.training.recipes import RECIPES, STUDY_RECIPES, StudyRecipe, TrainingRecipe
from asianage.training.release import add_metrics, write_model
from asianage.training.reporting.report import save_report
from asianage.training.restoring import restore_network
from asianage.training.study import assemble_study
from asianage.training.teaching import Teaching, ask_teachers

SPLIT = "split.csv"


def train(
    recipe: str | TrainingRecipe | StudyRecipe,
    data: str | os.PathLike[str] | Sequence[FaceRecord],
    output: str | os.PathLike[str],
    *,
    name: str | None = None,
    initial: str | os.PathLike[str] | None = None,
    pretrained: str | os.PathLike[str] | None = None,
    teachers: Sequence[str | os.PathLike[str]] = (),
    dataset: str | None = None,
    split: str = "given",
    fold: int = 0,
    detector: str | None = "auto",
    precision: str = "int8",
    progress: Callable[[int, int], None] | None = None,
) -> AgeGenderEstimator:
    """Train a recipe and write a model folder. A run that was stopped goes on where it was.

    Args:
        recipe: Name of a recipe, or a recipe.
        data: What `asianage.training.data.sources.read_source` takes, or records.
        output: Folder of the run: ``split.csv`` with its SHA-256, ``left_out.csv`` (pictures that were not trained on,
            and why), crops, checkpoints, ``history.csv``, ``recipe.json``, the folder ``model``, and where figures are
            measured the folder ``report``. A recipe of several networks has a folder of this kind for each.
        name: Name of the model; None takes that of the recipe.
        initial: Model to begin with, as `AgeGenderEstimator.from_pretrained` takes it; it must have every layer of the
            recipe's network, for crops of any size. None begins as the recipe says.
        pretrained: File of the published weights that the recipe begins with; None looks where it usually lies.
        teachers: Models that a recipe with `teacher_weight` learns from too, as `initial`.
        dataset: Only faces of this data set; None takes all.
        split: Who trains, chooses and measures: "given" as the data say; "identity" and "study" by
            `asianage.training.data.splits`. Figures are measured on the split "test", of the study's on its "val".
        fold: Which fifth is "test", of the split by identity.
        detector: Who finds the faces, as in `AgeGenderEstimator`; None takes every picture as one face.
        precision: "int8", "float16" or "float32" of the network for prediction.
        progress: Called with (done, total) while pictures are checked, cut and measured.

    Returns:
        An estimator of the new model.

    Raises:
        FileNotFoundError: Pictures, or the published weights that the recipe begins with, are not there.
        ValueError: The recipe is unknown, the data lack a split or a label, or `output` holds another run.
    """
    recipe = find_recipe(recipe)
    output = Path(output)
    parts = {output: recipe} if isinstance(recipe, TrainingRecipe) else {output / k: p for k, p in recipe.parts.items()}
    for folder, part in parts.items():
        check_run(folder, part)
    records = _prepare(recipe, data, output, dataset=dataset, split=split, fold=fold, progress=progress)
    measured_on = "val" if split == "study" else "test"
    settings: dict[str, Any] = {"detector": detector, "precision": precision, "progress": progress}
    if isinstance(recipe, TrainingRecipe):
        return _train_network(
            recipe,
            records,
            output,
            measured_on,
            name=name,
            initial=initial,
            pretrained=pretrained,
            teachers=teachers,
            **settings,
        )
    if initial is not None or teachers:
        raise ValueError(f"`initial` and `teachers` are for one network. Received: the recipe {recipe.name!r}.")
    models = []
    for folder, part in parts.items():
        faces = _faces_of(part, RecordTable(records, [])).records
        models.append(_train_network(part, faces, folder, measured_on, pretrained=pretrained, **settings).model.path)
    gender, female, male = models
    model = assemble_study(gender, female, male, records, output, name=name or recipe.name, **settings)
    return measure(model, records, output, frozenset({"age", "gender"}), measured_on, detector, progress)


def find_recipe(recipe: str | TrainingRecipe | StudyRecipe) -> TrainingRecipe | StudyRecipe:
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
    known: dict[str, TrainingRecipe | StudyRecipe] = {**RECIPES, **STUDY_RECIPES}
    if recipe not in known:
        raise ValueError(f"There is no recipe {recipe!r}. Recipes: {', '.join(sorted([*known, *BASELINES]))}.")
    return known[recipe]


def _prepare(
    recipe: TrainingRecipe | StudyRecipe,
    data: str | os.PathLike[str] | Sequence[FaceRecord],
    output: Path,
    *,
    dataset: str | None,
    split: str,
    fold: int,
    progress: Callable[[int, int], None] | None,
) -> list[FaceRecord]:
    """Return the faces of a run, split and with a cleaned training part, and write down which they are."""
    table = read_source(data) if isinstance(data, str | os.PathLike) else RecordTable(list(data), [])
    table = _faces_of(recipe if isinstance(recipe, TrainingRecipe) else recipe.gender, select_dataset(table, dataset))
    tasks = _tasks(recipe) if isinstance(recipe, TrainingRecipe) else frozenset({"gender"})
    # The study measures genders on the same share of each, ages on the same share of each.
    classes = "gender" if "gender" in tasks else "age"
    records = split_records(table.records, split, fold=fold, classes=classes)
    output.mkdir(parents=True, exist_ok=True)
    keep_split(records, output / SPLIT, fixed=any(output.rglob(PROGRESS)))
    cleaned = clean_training_part(RecordTable(records, table.dropped), progress=progress)
    cleaned.write_dropped(output / "left_out.csv")
    return cleaned.records


def _faces_of(recipe: TrainingRecipe, table: RecordTable) -> RecordTable:
    return select_faces(table, tasks=_tasks(recipe), gender=recipe.only_gender, ages=recipe.only_ages)


def _tasks(recipe: TrainingRecipe) -> frozenset[str]:
    """Return what a recipe learns; a recipe whose network cannot be built is refused here, before any work is done."""
    network = build_network(recipe)
    check_objective(recipe, network)
    return learned_tasks(network)


def _train_network(
    recipe: TrainingRecipe,
    records: Sequence[FaceRecord],
    output: Path,
    measured_on: str,
    *,
    detector: str | None,
    precision: str,
    progress: Callable[[int, int], None] | None,
    name: str | None = None,
    initial: str | os.PathLike[str] | None = None,
    pretrained: str | os.PathLike[str] | None = None,
    teachers: Sequence[str | os.PathLike[str]] = (),
) -> AgeGenderEstimator:
    """Train one network on faces that are split and cleaned, write its model folder and measure it."""
    tasks = _tasks(recipe)
    _require_classes(records, tasks)
    _require_calibration(records, tasks)
    cache = cut_crops(
        records, output / "crops", size=recipe.image_size, margin=recipe.margin, detector=detector, progress=progress
    )
    splits = {name: cache.positions(name) for name in ("train", "val")}
    start = None if initial is None else open_model(initial, files=(model_folder.WEIGHTS,))
    network = _initial_network(recipe, pretrained) if start is None else restore_network(start)
    masters = [open_model(teacher) for teacher in teachers]
    teaching = _teaching(recipe, masters, cache, splits["train"])
    best = fit(recipe, cache, splits["train"], splits["val"], output, initial=network, teaching=teaching)
    model = write_model(
        recipe,
        load_best(recipe, best),
        cache,
        splits,
        output / "model",
        name=name or recipe.name,
        precision=precision,
        provenance={
            "initial": None if start is None else dict(start.config.provenance),
            "teachers": [dict(master.config.provenance) for master in masters],
        },
    )
    return measure(model, records, output, tasks, measured_on, detector, progress)


def measure(
    model: ModelFolder,
    records: Sequence[FaceRecord],
    output: Path,
    tasks: Collection[str],
    measured_on: str,
    detector: str | None,
    progress: Callable[[int, int], None] | None,
) -> AgeGenderEstimator:
    """Measure a model on a split, if the data have it, and return its estimator."""
    measured = [_labelled(record, tasks) for record in records if record.split == measured_on]
    if measured:
        evaluation = evaluate(AgeGenderEstimator(model, detector=detector), measured, progress=progress)
        history = output / HISTORY
        save_report(
            evaluation,
            output / "report",
            history=history if history.is_file() else None,
            training_records=[record for record in records if record.split == "train"],
        )
        model = add_metrics(model, {measured_on: evaluation.to_dict()})
    return AgeGenderEstimator(model, detector=detector)


def _labelled(record: FaceRecord, tasks: Collection[str]) -> FaceRecord:
    """Return a record with the labels of what a model learned: of the rest it says nothing that could be measured."""
    return replace(
        record,
        age=record.age if "age" in tasks else None,
        gender=record.gender if "gender" in tasks else None,
    )


def _require_classes(records: Sequence[FaceRecord], tasks: Collection[str]) -> None:
    """Refuse to learn genders from faces that are all labelled with the same."""
    found = {record.gender for record in records if record.split == "train"} - {None}
    if "gender" in tasks and len(found) == 1:
        raise ValueError(
            f"To learn the gender, faces of female and of male are needed in the split train. Received: {found.pop()} "
            "only. Add faces of the other, or leave the genders empty."
        )


def _require_calibration(records: Sequence[FaceRecord], tasks: Collection[str]) -> None:
    """Refuse to train what cannot be calibrated afterwards."""
    held_out = [record for record in records if record.split == "val"]
    if sum(record.age is not None for record in held_out) < MIN_FACES and "age" in tasks:
        raise ValueError(
            f"The split val needs {MIN_FACES} faces with an age, to calibrate the intervals. Received: "
            f"{len(held_out)} faces in val. Move some there from train, or fine-tune a model."
        )


def _teaching(
    recipe: TrainingRecipe, teachers: Sequence[ModelFolder], cache: CropCache, train: np.ndarray
) -> Teaching | None:
    """Return what the teachers of a recipe say of its training crops; None for a recipe that has none."""
    if bool(teachers) != (recipe.teacher_weight > 0):
        raise ValueError(
            f"A recipe with `teacher_weight` needs `teachers`, and only such a recipe takes them. Received: the recipe "
            f"{recipe.name!r} with a weight of {recipe.teacher_weight}, and {len(teachers)} teachers."
        )
    return ask_teachers(teachers, cache, train, AgeAxis(recipe.min_age, recipe.max_age)) if teachers else None


def _initial_network(recipe: TrainingRecipe, pretrained: str | os.PathLike[str] | None) -> keras.Model | None:
    """Return the network of a recipe with the published weights that it begins with; None if it begins with none."""
    if not recipe.pretrained:
        return None
    network = build_network(recipe)
    load_pretrained(network, recipe.pretrained, pretrained)
    return network
