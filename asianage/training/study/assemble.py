"""The system of the study: three trained models become one model folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from asianage.data.crop_cache import cut_crops
from asianage.data.records import FaceRecord
from asianage.models.config import ModelConfig
from asianage.models.folder import ModelFolder
from asianage.networks.registry import build_network, tasks_of
from asianage.networks.restore import restore_network
from asianage.training.export.model_folder import write_model
from asianage.training.export.precision import calibration_faces
from asianage.training.export.provenance import counts
from asianage.training.fit.network import transfer_weights
from asianage.training.recipes.recipe import Faces, GenderLoss, Optimizer, Regression, TrainingRecipe
from asianage.training.run_folder import CROPS, MODEL, Run

PARTS = ("gender", "age_female", "age_male")
"""Names of the three networks in `asianage.networks.gender_routing`."""


def assemble_study(
    parts: Mapping[str, ModelFolder], records: Sequence[FaceRecord], run: Run, *, name: str = "study"
) -> ModelFolder:
    """Make one model of a model for the gender and one for the ages of each gender.

    The likelier gender selects the age network. The whole is exported and calibrated anew.

    Args:
        parts: Models with weights for the names in `PARTS`: "gender" is a simple CNN for the gender, "age_female" and
            "age_male" are simple CNNs or VGGFaces for the age, both of one form.
        records: Faces, split as the parts were trained: those of "val" calibrate, some of "train" set the ranges of
            int8.
        run: How the run is carried out. Its folder holds the crops in ``crops`` and the model in ``model``.
        name: Name of the model.

    Raises:
        ModelFormatError: The weights of a model are missing or altered.
        ValueError: The three do not fit together, or the data lack a split.
    """
    recipe = _recipe_of(name, {part: parts[part].config for part in PARTS})
    network = build_network(
        recipe.architecture,
        image_size=recipe.faces.image_size,
        num_ages=recipe.axis.num_ages,
        min_age=recipe.min_age,
        **recipe.network,
    )
    for part in PARTS:
        transfer_weights(network.get_layer(part), restore_network(parts[part]))
    needed = _needed(records, recipe.seed)
    cache = cut_crops(
        needed,
        run.output / CROPS,
        size=recipe.faces.image_size,
        margin=0,
        detector=run.detector,
        progress=run.progress,
    )
    splits = {split: cache.positions(split) for split in ("train", "val")}
    provenance = {
        "recipe": {"name": name},
        # The parts were trained on all of them, though some are enough for the ranges.
        **counts({split: [record for record in records if record.split == split] for split in ("train", "val")}),
        "parts": {part: dict(parts[part].config.provenance) for part in PARTS},
    }
    return write_model(
        recipe,
        network,
        cache,
        splits,
        run.output / MODEL,
        name=name,
        quantization=run.quantization,
        provenance=provenance,
    )


def _recipe_of(name: str, configs: Mapping[str, ModelConfig]) -> TrainingRecipe:
    """Return the recipe of the whole network. How it was trained is recorded in its parts."""
    gender, female, male = (configs[part] for part in PARTS)
    if gender.architecture != "simple_cnn" or gender.network.get("task") != "gender":
        raise ValueError(
            f"`gender` must be a model of the recipe simple-cnn-gender. Received: {gender.architecture} with "
            f"{dict(gender.network)}."
        )
    forms = [_form(config) for config in (female, male)]
    if forms[0] != forms[1]:
        raise ValueError(
            f"`age_female` and `age_male` must have the same form. Received: {forms[0]} and {forms[1]}. Train both by "
            "the same recipe."
        )
    return TrainingRecipe(
        name=name,
        architecture="gender_routing",
        network={
            "age_architecture": female.architecture,
            "gender_image_size": gender.image_size,
            "gender_options": _options(gender),
            "age_options": _options(female),
        },
        min_age=female.min_age,
        max_age=female.max_age,
        faces=Faces(image_size=female.image_size, margin=0),
        # The parts are trained, the whole is not: nothing uses these values.
        age_loss=Regression(),
        gender_loss=GenderLoss(),
        optimizer=Optimizer(learning_rate=1.0),
        epochs=1,
        batch_size=1,
        augmentation=None,
    )


def _form(config: ModelConfig) -> dict[str, Any]:
    names = ("architecture", "image_size", "min_age", "max_age")
    tasks = " and ".join(sorted(tasks_of(config.architecture, config.network)))
    return {**{name: getattr(config, name) for name in names}, "tasks": tasks, "network": _options(config)}


def _options(config: ModelConfig) -> dict[str, Any]:
    """Return the arguments of a part, without the task: its place in the whole decides that."""
    return {key: value for key, value in config.network.items() if key != "task"}


def _needed(data: Sequence[FaceRecord], seed: int) -> list[FaceRecord]:
    """Return the faces for calibration, and as many training faces as int8 needs."""
    train = np.array([number for number, record in enumerate(data) if record.split == "train"], dtype=int)
    chosen = calibration_faces(data, train, seed)
    return [data[number] for number in chosen] + [record for record in data if record.split == "val"]
