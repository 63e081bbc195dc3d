"""From faces that are split and cleaned to the model folder of one network, measured."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asianage.data.crop_cache import CropCache, cut_crops
from asianage.data.records import FaceRecord
from asianage.evaluation.evaluate import evaluate
from asianage.evaluation.report import save_report
from asianage.models import folder as model_folder
from asianage.models.folder import ModelFolder
from asianage.networks.pretrained import load_pretrained
from asianage.networks.restore import restore_network
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.training.export.calibration import MIN_FACES
from asianage.training.export.model_folder import add_metrics, write_model
from asianage.training.export.provenance import ancestry
from asianage.training.fit.age_gender import fit_network
from asianage.training.fit.distillation import TeacherOutputs, run_teachers
from asianage.training.fit.network import build_network, trained_network, transfer_weights
from asianage.training.recipes.recipe import TrainingRecipe
from asianage.training.run_folder import HISTORY, INPUTS, Run, RunState, keep_settings


def train_network(
    recipe: TrainingRecipe,
    records: Sequence[FaceRecord],
    run: Run,
    *,
    name: str,
    crops: Path | None = None,
    initial: ModelFolder | None = None,
    pretrained: str | os.PathLike[str] | None = None,
    teachers: Sequence[ModelFolder] = (),
    measured_on: str | None = "test",
) -> AgeGenderEstimator:
    """Train one network on faces that are split and cleaned, write its model folder and measure it.

    Args:
        recipe: What is trained.
        records: The faces.
        run: How the run is carried out.
        name: Name of the model.
        crops: Folder of the crops, if several runs share them; None takes one in the folder of the run.
        initial: Model to begin with.
        pretrained: File of published weights.
        teachers: Models to learn from.
        measured_on: Split that figures are measured on; None measures none.
    """
    output = run.output
    _require_classes(records, recipe.tasks)
    _require_calibration(records, recipe.tasks)
    network = build_network(recipe)
    keep_settings(
        output,
        INPUTS,
        {
            "initial": None if initial is None else initial.sha256(model_folder.NETWORK),
            "teachers": [teacher.sha256(model_folder.NETWORK) for teacher in teachers],
            "detector": None if run.detector is None else Path(run.detector).name,
        },
    )
    cache = cut_crops(
        records,
        crops or output / "crops",
        size=recipe.faces.image_size,
        margin=recipe.faces.margin,
        detector=run.detector,
        splits=("train", "val"),
        progress=run.progress,
    )
    splits = {part: cache.positions(part) for part in ("train", "val")}
    _require_calibration([cache.records[index] for index in splits["val"]], recipe.tasks)
    if initial is not None:
        transfer_weights(network, restore_network(initial))
    elif recipe.pretrained:
        load_pretrained(network, recipe.pretrained, pretrained)
    is_finished = RunState.read(output, epochs=recipe.epochs, patience=recipe.patience).is_finished
    best = fit_network(
        recipe,
        network,
        cache,
        splits["train"],
        splits["val"],
        output,
        teachers=None if is_finished else _teacher_outputs(recipe, teachers, cache, splits["train"]),
        progress=run.progress,
    )
    model = write_model(
        recipe,
        trained_network(recipe, network, best),
        cache,
        splits,
        output / "model",
        name=name,
        quantization=run.quantization,
        provenance=ancestry(initial, teachers),
    )
    return measure(model, records, run, recipe.tasks, measured_on)


def measure(
    model: ModelFolder,
    records: Sequence[FaceRecord],
    run: Run,
    tasks: Collection[str],
    measured_on: str | None,
) -> AgeGenderEstimator:
    """Measure a model on a split, if the data have it, and return its estimator."""
    measured = [_labelled(record, tasks) for record in records if record.split == measured_on]
    if measured and measured_on is not None:
        evaluation = evaluate(AgeGenderEstimator(model, detector=run.detector), measured, progress=run.progress)
        history = run.output / HISTORY
        save_report(
            evaluation,
            run.output / "report",
            history=history if history.is_file() else None,
            training_records=[record for record in records if record.split == "train"],
        )
        model = add_metrics(model, {measured_on: evaluation.to_dict()})
    return AgeGenderEstimator(model, detector=run.detector)


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


def _teacher_outputs(
    recipe: TrainingRecipe, teachers: Sequence[ModelFolder], cache: CropCache, train: np.ndarray
) -> TeacherOutputs | None:
    """Return the outputs of the teachers of a recipe for its training crops; None for a recipe without teachers."""
    distillation = recipe.distillation
    if bool(teachers) != (distillation is not None):
        raise ValueError(
            f"A recipe with a `distillation` needs `teachers`, and only such a recipe takes them. Received: the recipe "
            f"{recipe.name!r} with {distillation}, and {len(teachers)} teachers."
        )
    if distillation is None:
        return None
    return run_teachers(teachers, cache, train, recipe.axis, features=distillation.feature_weight > 0)
