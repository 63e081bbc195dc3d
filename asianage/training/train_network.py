"""From faces that are split and cleaned to the model folder of one network, measured."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from asianage.data.crop_cache import CropCache, cut_crops
from asianage.data.records import FaceRecord
from asianage.evaluation.evaluate import evaluate
from asianage.evaluation.report import save_report
from asianage.faces.detection.selection import detector_fingerprint
from asianage.models import folder as model_folder
from asianage.models.folder import ModelFolder
from asianage.models.specialization import specialization, unchecked
from asianage.networks.pretrained import load_pretrained
from asianage.networks.restore import restore_network
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.training.export.calibration import MIN_FACES
from asianage.training.export.model_folder import add_metrics, write_model
from asianage.training.export.provenance import ancestry
from asianage.training.fit.age_gender import fit_network
from asianage.training.fit.distillation import TeacherOutputs, run_teachers
from asianage.training.fit.narrowing import SAMPLES, is_narrower, narrow
from asianage.training.fit.network import average_weights, build_network, trained_network, transfer_weights
from asianage.training.fit.validation import validate
from asianage.training.recipes.recipe import TrainingRecipe
from asianage.training.run_folder import (
    CROPS,
    HISTORY,
    INPUTS,
    MODEL,
    RECIPE,
    REPORT,
    Run,
    RunState,
    check_settings,
    keep_settings,
)

logger = logging.getLogger(__name__)


def train_network(
    recipe: TrainingRecipe,
    records: Sequence[FaceRecord],
    run: Run,
    *,
    name: str,
    crops: Path | None = None,
    initial: ModelFolder | None = None,
    improved: ModelFolder | None = None,
    pretrained: str | os.PathLike[str] | None = None,
    teachers: Sequence[ModelFolder] = (),
    measured_on: str | None = "test",
    protocol: Mapping[str, str] | None = None,
) -> AgeGenderEstimator:
    """Train one network on faces that are split and cleaned, write its model folder and measure it.

    Args:
        recipe: What is trained.
        records: The faces.
        run: How the run is carried out.
        name: Name of the model.
        crops: Folder of the crops, if several runs share them; None takes one in the folder of the run.
        initial: Model to begin with. Where it is a wider MobileNet, the network begins as a narrowed copy of it.
        improved: The same, of the recipe's own network. It is kept where no epoch is better, and its calibration where
            the faces are too few for another.
        pretrained: File of published weights.
        teachers: Models to learn from.
        measured_on: Split that figures are measured on; None measures none.
        protocol: How the faces were split, as `asianage.training.study.published.protocol_of` returns it.
    """
    start = improved or initial
    _warn_of_ages_outside(records, recipe)
    _check(recipe, records, run, start, teachers)
    if improved is None:
        _require_calibration_faces([record for record in records if record.split == "val"], recipe.tasks)
    network, begun = _begin(recipe, start, pretrained)
    cache = cut_crops(
        records,
        crops or run.output / CROPS,
        size=recipe.faces.image_size,
        margin=recipe.faces.margin,
        detector=run.detector,
        splits=("train", "val"),
        progress=run.progress,
    )
    splits = {part: cache.positions(part) for part in ("train", "val")}
    if improved is None:
        _require_calibration_faces([cache.records[index] for index in splits["val"]], recipe.tasks)
    if start is not None and begun is not None and is_narrower(recipe, start.config):
        _narrow(recipe, network, begun, start, cache, splits["train"])
    # Copies: PyTorch's arrays may share their memory with the weights.
    first = [np.array(weights) for weights in network.get_weights()]
    trained = _fit(recipe, network, cache, splits, run, teachers)
    if recipe.initial_share:
        average_weights(trained, first, recipe.initial_share)
    provenance = ancestry(start, teachers)
    if protocol:
        provenance["protocol"] = dict(protocol)
    is_kept = False
    if begun is not None and improved is not None:
        scores = {
            when: validate(one, cache, splits["val"], recipe.axis, recipe.age_estimate)
            for when, one in (("before", begun), ("after", trained))
        }
        provenance["held_out"] = scores
        is_kept = scores["after"]["val_score"] >= scores["before"]["val_score"]
    model = write_model(
        recipe,
        begun if is_kept and begun is not None else trained,
        cache,
        splits,
        run.output / MODEL,
        name=name,
        quantization=run.quantization,
        provenance=provenance,
        improved=improved,
        is_kept=is_kept,
    )
    if improved is not None:
        _report(model)
    return measure(model, records, run, measured_on)


def measure(model: ModelFolder, records: Sequence[FaceRecord], run: Run, measured_on: str | None) -> AgeGenderEstimator:
    """Measure a model on a split, if the data have it, and return its estimator."""
    measured = [record for record in records if record.split == measured_on]
    if measured and measured_on is not None:
        evaluation = evaluate(AgeGenderEstimator(model, detector=run.detector), measured, progress=run.progress)
        history = run.output / HISTORY
        save_report(
            evaluation,
            run.output / REPORT,
            history=history if history.is_file() else None,
            training_records=[record for record in records if record.split == "train"],
        )
        model = add_metrics(model, {measured_on: evaluation.to_dict()})
    return AgeGenderEstimator(model, detector=run.detector)


def _begin(
    recipe: TrainingRecipe, start: ModelFolder | None, pretrained: str | os.PathLike[str] | None
) -> tuple[keras.Model, keras.Model | None]:
    """Return the network to train with the weights to begin with, and the network of the model that it begins with."""
    network = build_network(recipe)
    if start is None:
        if recipe.pretrained:
            load_pretrained(network, recipe.pretrained, pretrained)
        return network, None
    begun = restore_network(start)
    if not is_narrower(recipe, start.config):
        transfer_weights(network, begun)
    return network, begun


def _narrow(
    recipe: TrainingRecipe,
    network: keras.Model,
    begun: keras.Model,
    start: ModelFolder,
    cache: CropCache,
    train: np.ndarray,
) -> None:
    """Give a network the weights of a wider one, as it computes from the crops of the recipe."""
    wide = build_network(replace(recipe, network={**recipe.network, "alpha": start.config.network.get("alpha", 1.0)}))
    transfer_weights(wide, begun)
    chosen = train[:: max(1, len(train) // SAMPLES)]
    narrow(network, wide, cache.inner_crops(chosen))


def _fit(
    recipe: TrainingRecipe,
    network: keras.Model,
    cache: CropCache,
    splits: dict[str, np.ndarray],
    run: Run,
    teachers: Sequence[ModelFolder],
) -> keras.Model:
    """Fit a network, and return it in float32 with the weights of the best epoch."""
    outputs: TeacherOutputs | None = None
    is_finished = RunState.read(run.output, epochs=recipe.epochs, patience=recipe.patience).is_finished
    if recipe.distillation is not None and not is_finished:
        features = recipe.distillation.feature_weight > 0
        outputs = run_teachers(teachers, cache, splits["train"], recipe.axis, features=features)
    best = fit_network(
        recipe, network, cache, splits["train"], splits["val"], run.output, teachers=outputs, progress=run.progress
    )
    return trained_network(recipe, network, best)


def _check(
    recipe: TrainingRecipe,
    records: Sequence[FaceRecord],
    run: Run,
    start: ModelFolder | None,
    teachers: Sequence[ModelFolder],
) -> None:
    """Refuse what would fail after the crops are cut, and write down what the run is given."""
    found = {record.gender for record in records if record.split == "train"} - {None}
    if "gender" in recipe.tasks and len(found) == 1:
        raise ValueError(
            f"To learn the gender, faces of female and of male are needed in the split train. Received: {found.pop()} "
            "only. Add faces of the other, or leave the genders empty."
        )
    if bool(teachers) != (recipe.distillation is not None):
        raise ValueError(
            f"A recipe with a `distillation` needs `teachers`, and only such a recipe takes them. Received: the recipe "
            f"{recipe.name!r} with {recipe.distillation}, and {len(teachers)} teachers."
        )
    if recipe.initial_share and start is None:
        raise ValueError(
            f"An `initial_share` needs a model to begin with. Received: {recipe.initial_share} and no model. Give "
            "`initial`, or set `initial_share` to 0."
        )
    check_settings(run.output, RECIPE, recipe.to_dict())
    inputs = {
        "initial": None if start is None else start.sha256(model_folder.NETWORK),
        "teachers": [teacher.sha256(model_folder.NETWORK) for teacher in teachers],
        "detector": detector_fingerprint(run.detector),
    }
    keep_settings(run.output, INPUTS, inputs)


def _require_calibration_faces(held_out: Sequence[FaceRecord], tasks: Collection[str]) -> None:
    """Refuse too few held-out faces for the calibration of a model that has none yet."""
    known = sum(record.age is not None for record in held_out) if "age" in tasks else len(held_out)
    if known < MIN_FACES:
        raise ValueError(
            f"The split val needs {MIN_FACES} readable faces{' with an age' if 'age' in tasks else ''} to calibrate "
            f"with. Received: {known}. Move some there from train, or fine-tune a model."
        )


def _warn_of_ages_outside(records: Sequence[FaceRecord], recipe: TrainingRecipe) -> None:
    """Say how many ages the model cannot answer: they count as the ends of its axis."""
    first, last = recipe.min_age, recipe.max_age
    known = [record.age_range for record in records if record.age_range is not None and record.split != "test"]
    outside = sum(low >= last + 1 or high < first for low, high in known)
    if outside and "age" in recipe.tasks:
        logger.warning(
            "%d of %d faces are younger than %d or older than %d years, the range of the model: they count as its ends",
            outside,
            len(known),
            first,
            last,
        )


def _report(model: ModelFolder) -> None:
    """Log what an improved model was trained and checked on, and where it must not be trusted."""
    for line in specialization(model.config):
        logger.info(line)
    for line in unchecked(model.config):
        logger.warning(line)
