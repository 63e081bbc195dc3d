"""The system of the study: three trained models become one model folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from asianage.data.crop_cache import cut_crops
from asianage.data.records import FaceRecord
from asianage.models.config import ModelConfig
from asianage.models.folder import ModelFolder
from asianage.models.pretrained import open_model
from asianage.networks.restore import restore_network
from asianage.training.export.model_folder import QUANTIZATION_SAMPLES, write_model
from asianage.training.fit.fitting import build_network
from asianage.training.recipes.single import TrainingRecipe

PARTS = ("gender", "age_female", "age_male")
"""Names of the three networks in `asianage.networks.gender_routing`."""

Model = str | os.PathLike[str]


def assemble_study(
    gender: Model,
    age_female: Model,
    age_male: Model,
    data: Sequence[FaceRecord],
    output: Model,
    *,
    name: str = "study",
    detector: str | None = "auto",
    precision: str = "int8",
    progress: bool = False,
) -> ModelFolder:
    """Make one model of a model for the gender and one for the ages of each gender.

    The likelier gender decides which age network is heard. The whole is exported and calibrated anew.

    Args:
        gender: Model with weights, a simple CNN for the gender, as `AgeGenderEstimator.from_pretrained` takes it.
        age_female: The same for the ages of women: a simple CNN or VGGFace.
        age_male: The same for the ages of men, of the same form as that of women.
        data: Faces with splits: those of "val" calibrate, some of "train" set the ranges of int8. They should be split
            as the parts were trained.
        output: Folder; the crops come to lie in ``crops``, the model in ``model``.
        name: Name of the model.
        detector: Who finds the faces, as in `AgeGenderEstimator`; None takes every picture as one face.
        precision: "int8", "float16" or "float32" of the network for prediction.
        progress: Whether to show progress while faces are cut.

    Raises:
        ModelFormatError: A model has no weights, or others than its config.json says.
        ValueError: The three do not fit together, or the data lack a split.
    """
    models = {part: open_model(model) for part, model in zip(PARTS, (gender, age_female, age_male), strict=True)}
    recipe = _recipe_of(name, {part: model.config for part, model in models.items()})
    network = build_network(recipe)
    for part, model in models.items():
        _take_weights(network.get_layer(part), restore_network(model), part)
    records = _needed(data, recipe.seed)
    output = Path(output)
    cache = cut_crops(records, output / "crops", size=recipe.image_size, margin=0, detector=detector, progress=progress)
    splits = {name: cache.positions(name) for name in ("train", "val")}
    provenance = {
        "recipe": {"name": name},
        "parts": {part: dict(model.config.provenance) for part, model in models.items()},
    }
    return write_model(
        recipe, network, cache, splits, output / "model", name=name, quantization=precision, provenance=provenance
    )


def _recipe_of(name: str, configs: Mapping[str, ModelConfig]) -> TrainingRecipe:
    """Return what describes the network of the whole; how it was trained the parts know."""
    gender, female, male = (configs[part] for part in PARTS)
    if gender.architecture != "simple_cnn" or gender.network.get("task") != "gender":
        raise ValueError(
            "`gender` must be a model of a simple CNN for the gender, as the recipe simple-cnn-gender makes it. "
            f"Received: {gender.architecture} with {dict(gender.network)}."
        )
    forms = [_form(config) for config in (female, male)]
    if forms[0] != forms[1]:
        raise ValueError(
            f"`age_female` and `age_male` must be of the same form. Received: {forms[0]} and {forms[1]}. Train both by "
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
        image_size=female.image_size,
        margin=0,
        min_age=female.min_age,
        max_age=female.max_age,
    )


def _form(config: ModelConfig) -> dict[str, Any]:
    names = ("architecture", "image_size", "min_age", "max_age")
    return {**{name: getattr(config, name) for name in names}, "network": _options(config)}


def _options(config: ModelConfig) -> dict[str, Any]:
    """Return the arguments of a part, without the task, which the whole gives it."""
    return {key: value for key, value in config.network.items() if key != "task"}


def _take_weights(part: keras.Model, trained: keras.Model, name: str) -> None:
    received, required = ([tuple(weight.shape) for weight in network.weights] for network in (trained, part))
    if received != required:
        raise ValueError(f"The model for {name!r} has other weights than its place in the whole. Train it again.")
    part.set_weights(trained.get_weights())


def _needed(data: Sequence[FaceRecord], seed: int) -> list[FaceRecord]:
    """Return the faces that calibrate, and as many of the training faces as int8 needs."""
    train = [record for record in data if record.split == "train"]
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(len(train), min(QUANTIZATION_SAMPLES, len(train)), replace=False))
    return [train[i] for i in chosen] + [record for record in data if record.split == "val"]
