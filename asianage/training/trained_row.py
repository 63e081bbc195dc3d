"""What a finished run has to show in a table of several: faces, parameters, time and figures, from its folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asianage.errors import ModelFormatError
from asianage.evaluation.training_curves import read_history
from asianage.models.folder import ModelFolder, open_model_folder, require_estimator
from asianage.training.recipes.recipe import TrainingRecipe
from asianage.training.run_folder import HISTORY, MODEL


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedRow:
    """One trained network.

    Attributes:
        name: Name of the recipe.
        train_faces: Faces that it learned from.
        measured_faces: Faces that the figures are of.
        parameters: Number of parameters.
        frozen: How many of them stayed as they were.
        epochs: Epochs that were trained.
        best_epoch: The epoch whose weights were kept; 0 if unknown.
        seconds: Time of the epochs.
        figures: Figures of all measured faces, as `metrics.json` has them.
    """

    name: str
    train_faces: int
    measured_faces: int
    parameters: int
    frozen: int
    epochs: int
    best_epoch: int
    seconds: float
    figures: Mapping[str, Any] = field(repr=False)


def finished_model(folder: Path, recipe: TrainingRecipe | None, measured_on: str) -> ModelFolder | None:
    """Return the measured model of a run, if the run is finished.

    Args:
        folder: Folder of the run.
        recipe: What was to be trained; a model of another recipe, or of fewer epochs, does not count. None for a model
            that was assembled.
        measured_on: Split of the figures.
    """
    try:
        model = require_estimator(open_model_folder(folder / MODEL))
        metrics = model.metrics()
    except (FileNotFoundError, ModelFormatError, ValueError):
        return None
    if recipe is not None and model.config.provenance.get("recipe") != recipe.to_dict():
        return None
    return model if measured_on in metrics else None


def trained_row(model: ModelFolder, folder: Path, measured_on: str) -> TrainedRow:
    """Return the row of a measured model; `folder` is that of its run."""
    provenance = model.config.provenance
    figures = model.metrics()[measured_on]["all"]["overall"]
    history = read_history(folder / HISTORY) if (folder / HISTORY).is_file() else {}
    scores = [float(score) for score in history.get("val_score", ())]
    return TrainedRow(
        name=str(provenance["recipe"]["name"]),
        train_faces=sum(provenance["faces"]["train"].values()),
        measured_faces=figures["faces"],
        parameters=provenance["parameters"],
        frozen=provenance.get("frozen_parameters", 0),
        epochs=len(scores),
        best_epoch=scores.index(min(scores)) + 1 if scores and not math.isnan(min(scores)) else 0,
        seconds=float(sum(history.get("seconds", ()))),
        figures=figures,
    )


def spoken_time(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
