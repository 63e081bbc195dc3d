"""From faces that are split and cleaned to the model folder of one network, measured."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from asianage.data.crop_cache import CropCache, cut_crops
from asianage.data.records import FaceRecord
from asianage.evaluation.evaluate import evaluate
from asianage.evaluation.report import save_report
from asianage.models import folder as model_folder
from asianage.models.ages import AgeAxis
from asianage.models.folder import ModelFolder
from asianage.models.pretrained import open_model
from asianage.networks.heads import learned_tasks
from asianage.networks.pretrained import load_pretrained
from asianage.networks.restore import restore_network
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.training.export.calibration import MIN_FACES
from asianage.training.export.litert import check_quantization
from asianage.training.export.model_folder import add_metrics, write_model
from asianage.training.export.provenance import ancestry
from asianage.training.fit.distillation import Teaching, ask_teachers
from asianage.training.fit.fitting import (
    HISTORY,
    build_network,
    check_objective,
    fit,
    is_finished,
    keep_inputs,
    load_best,
)
from asianage.training.recipes.single import TrainingRecipe


def recipe_tasks(recipe: TrainingRecipe) -> frozenset[str]:
    """Return what a recipe learns; a recipe whose network cannot be built is refused here, before any work is done."""
    network = build_network(recipe)
    check_objective(recipe, network)
    return learned_tasks(network)


def train_network(
    recipe: TrainingRecipe,
    records: Sequence[FaceRecord],
    output: Path,
    measured_on: str | None,
    *,
    detector: str | None,
    precision: str,
    progress: bool,
    crops: Path | None = None,
    name: str | None = None,
    initial: str | os.PathLike[str] | None = None,
    pretrained: str | os.PathLike[str] | None = None,
    teachers: Sequence[str | os.PathLike[str]] = (),
) -> AgeGenderEstimator:
    """Train one network on faces that are split and cleaned, write its model folder and measure it.

    Args:
        recipe: What is trained.
        records: The faces.
        output: Folder of the run.
        measured_on: Split that figures are measured on; None measures none.
        detector: As in `train`, likewise the arguments that are not named here.
        precision: Of the network for prediction.
        progress: Whether to show progress.
        crops: Folder of the crops, if several runs share them; None takes one in `output`.
        name: Name of the model.
        initial: Model to begin with.
        pretrained: File of published weights.
        teachers: Models to learn from too.
    """
    tasks = recipe_tasks(recipe)
    _require_classes(records, tasks)
    _require_calibration(records, tasks)
    check_quantization(precision)
    start = None if initial is None else open_model(initial)
    masters = [open_model(teacher) for teacher in teachers]
    keep_inputs(
        output,
        {
            "initial": None if start is None else start.sha256(model_folder.NETWORK),
            "teachers": [master.sha256(model_folder.NETWORK) for master in masters],
            "detector": None if detector is None else Path(detector).name,
        },
    )
    cache = cut_crops(
        records,
        crops or output / "crops",
        size=recipe.image_size,
        margin=recipe.margin,
        detector=detector,
        progress=progress,
    )
    splits = {name: cache.positions(name) for name in ("train", "val")}
    _require_calibration([cache.records[index] for index in splits["val"]], tasks)
    network = _initial_network(recipe, pretrained) if start is None else restore_network(start)
    teaching = _teaching(recipe, masters, cache, splits["train"]) if not is_finished(output, recipe) else None
    best = fit(recipe, cache, splits["train"], splits["val"], output, initial=network, teaching=teaching)
    model = write_model(
        recipe,
        load_best(recipe, best),
        cache,
        splits,
        output / "model",
        name=name or recipe.name,
        quantization=precision,
        provenance=ancestry(start, masters),
    )
    return measure(model, records, output, tasks, measured_on, detector, progress)


def measure(
    model: ModelFolder,
    records: Sequence[FaceRecord],
    output: Path,
    tasks: Collection[str],
    measured_on: str | None,
    detector: str | None,
    progress: bool,
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
    """Refuse to learn genders from faces that are all labeled with the same."""
    found = {record.gender for record in records if record.split == "train"} - {None}
    if "gender" in tasks and len(found) == 1:
        raise ValueError(
            f"To learn the gender, faces of female and of male are needed in the split train. Received: {found.pop()} "
            "only. Add faces of the other, or leave the genders empty."
        )


def _require_calibration(records: Sequence[FaceRecord], tasks: Collection[str]) -> None:
    """Refuse to train what cannot be calibrated afterwards."""
    held_out = [record for record in records if record.split == "val"]
    count = sum(record.age is not None or "age" not in tasks for record in held_out)
    if count < MIN_FACES:
        raise ValueError(
            f"The split val needs {MIN_FACES} readable faces{' with an age' if 'age' in tasks else ''} to calibrate "
            f"with. Received: {count}. Move some there from train, or fine-tune a model."
        )


def _teaching(
    recipe: TrainingRecipe, teachers: Sequence[ModelFolder], cache: CropCache, train: np.ndarray
) -> Teaching | None:
    """Return what the teachers of a recipe say of its training crops; None for a recipe that has none."""
    if recipe.feature_weight and not recipe.teacher_weight:
        raise ValueError(f"`feature_weight` needs `teacher_weight`. Received: the recipe {recipe.name!r} without.")
    if bool(teachers) != (recipe.teacher_weight > 0):
        raise ValueError(
            f"A recipe with `teacher_weight` needs `teachers`, and only such a recipe takes them. Received: the recipe "
            f"{recipe.name!r} with a weight of {recipe.teacher_weight}, and {len(teachers)} teachers."
        )
    if not teachers:
        return None
    axis = AgeAxis(recipe.min_age, recipe.max_age)
    return ask_teachers(teachers, cache, train, axis, features=recipe.feature_weight > 0)


def _initial_network(recipe: TrainingRecipe, pretrained: str | os.PathLike[str] | None) -> keras.Model | None:
    """Return the network of a recipe with the published weights that it begins with; None if it begins with none."""
    if not recipe.pretrained:
        return None
    network = build_network(recipe)
    load_pretrained(network, recipe.pretrained, pretrained)
    return network
