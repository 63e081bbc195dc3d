"""`fine_tune`: from a trained model and some faces of one's own to a model for such faces."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asianage.data.cleaning import clean
from asianage.data.crop_cache import CropCache, cut_crops
from asianage.data.records import FaceRecord, RecordTable
from asianage.data.selection import select_faces
from asianage.data.sources import read_source
from asianage.data.split_file import keep_split
from asianage.data.splits import hold_out_split, predefined_split
from asianage.models import folder as model_folder
from asianage.models.config import Calibration
from asianage.models.folder import ModelFolder
from asianage.models.pretrained import open_model
from asianage.networks.registry import head_of, tasks_of
from asianage.networks.restore import restore_network
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.training.augmentation import Augmentation
from asianage.training.export.calibration import MIN_FACES
from asianage.training.export.litert import check_quantization
from asianage.training.export.model_folder import write_model
from asianage.training.export.provenance import ancestry
from asianage.training.fit.age_gender import fit_network
from asianage.training.fit.network import build_network, trained_network, transfer_weights
from asianage.training.fit.validation import validate
from asianage.training.recipes.recipe import (
    Faces,
    GenderLoss,
    LabelDistribution,
    Optimizer,
    Ordinal,
    Regression,
    TrainingRecipe,
)
from asianage.training.run_folder import INPUTS, PROGRESS, RECIPE, SPLIT, check_settings, keep_settings
from asianage.training.train_network import measure

logger = logging.getLogger(__name__)

FEWEST_FACES = 8
"""Faces that fine-tuning needs at all: six to learn from and two to choose by."""

FEW_HELD_OUT = 50
"""Held-out faces below which it warns: the mean error of fewer is uncertain by more than fine-tuning usually gains."""

NARROW_SPAN = 10
"""Years between the youngest and the oldest held-out face below which it warns: intervals are promised for all ages."""

BATCH = 32

LEFT_OUT = "left_out.csv"


def fine_tune(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str] | Sequence[FaceRecord],
    output: str | os.PathLike[str] = "fine-tuned",
    *,
    epochs: int = 10,
    learning_rate: float = 3e-4,
    name: str | None = None,
    detector: str | None = "auto",
    quantization: str = "int8",
    seed: int = 0,
    progress: bool = False,
) -> AgeGenderEstimator:
    """Train a model further on one's own faces, and write the result as a model folder.

    All layers learn, at a low rate and with gentle views; normalizations keep their statistics, which a few faces
    would spoil. The epoch that is best on held-out faces is kept, and if none is better than the model was before, the
    network stays as it was and is calibrated anew. A call that was interrupted goes on where it was.

    Args:
        model: Model to begin with: bundled name, folder or Hub id; its folder must hold weights.
        data: What `asianage.data.sources.read_source` takes, or records. Ages or genders may be missing. Where
            the faces have splits, "train" learns, "val" chooses and calibrates and "test" measures; where none has one,
            a quarter is held out, nobody in both parts and of all ages.
        output: Folder of the run, as that of `asianage.training.train`.
        epochs: Passes over the faces.
        learning_rate: Peak of the schedule.
        name: Name of the new model; None takes that of the model with "-fine-tuned".
        detector: Who finds the faces, as in `AgeGenderEstimator`; None takes every picture as one face.
        quantization: "int8", "float16" or "float32" of the exported network.
        seed: Seed of the order and the augmentation.
        progress: Whether to show progress bars.

    Returns:
        An estimator of the new model.

    Raises:
        FileNotFoundError: The model, its weights or the data are not there.
        ModelFormatError: The model is incomplete or altered.
        ValueError: There are too few faces, the model is made of several, or `output` holds another run.
    """
    output = Path(output)
    start = open_model(model)
    recipe = _recipe(start, epochs=epochs, learning_rate=learning_rate, seed=seed)
    check_quantization(quantization)
    records = _prepare(data, output, progress)
    learning = sum(record.split == "train" for record in records)
    recipe = replace(recipe, batch_size=int(np.clip(learning // 8, 1, BATCH)))
    check_settings(output, RECIPE, recipe.to_dict())
    keep_settings(output, INPUTS, {"detector": None if detector is None else Path(detector).name})
    cache = cut_crops(
        records,
        output / "crops",
        size=recipe.faces.image_size,
        margin=recipe.faces.margin,
        detector=detector,
        progress=progress,
    )
    splits = {part: cache.positions(part) for part in ("train", "val")}
    _require_faces(sum(map(len, splits.values())), _unusable(output))
    if len(splits["val"]) < FEW_HELD_OUT:
        logger.warning(
            "only %d faces are held out: whether the model got better is uncertain with fewer than %d",
            len(splits["val"]),
            FEW_HELD_OUT,
        )
    original, network = restore_network(start), build_network(recipe)
    transfer_weights(network, original)
    scores = {"before": validate(original, cache, splits["val"], recipe.axis)}
    best = fit_network(recipe, network, cache, splits["train"], splits["val"], output, progress=progress)
    tuned = trained_network(recipe, network, best)
    scores["after"] = validate(tuned, cache, splits["val"], recipe.axis)
    if scores["after"]["val_score"] >= scores["before"]["val_score"]:
        logger.warning("no epoch was better on the held-out faces than the model was before; its network is kept")
        tuned = original
    written = write_model(
        recipe,
        tuned,
        cache,
        splits,
        output / "model",
        name=name or f"{start.config.name}-fine-tuned",
        quantization=quantization,
        provenance={**ancestry(start), "held_out": scores},
        calibration=_kept_calibration(start, cache, splits["val"]),
        gender_temperature=start.config.calibration.gender_temperature,
    )
    return measure(written, records, output, frozenset({"age", "gender"}), "test", detector, progress)


def _recipe(start: ModelFolder, *, epochs: int, learning_rate: float, seed: int) -> TrainingRecipe:
    """Return how a model is trained further: its own network and axis, and small steps."""
    config = start.config
    head = head_of(config.architecture, config.network)
    if head is None:
        raise ValueError(
            f"A model of the architecture {config.architecture!r} cannot be fine-tuned. Fine-tune the networks that it "
            "is made of, or another model."
        )
    tasks = tasks_of(config.architecture, config.network)
    losses = {"logits": LabelDistribution(), "regression": Regression(), "ordinal": Ordinal()}
    return TrainingRecipe(
        # Part of what a resumed run is compared by: its checkpoints go on from these weights and no others.
        name=f"fine-tune {start.sha256(model_folder.WEIGHTS)[:12]}",
        architecture=config.architecture,
        network=dict(config.network),
        min_age=config.min_age,
        max_age=config.max_age,
        faces=Faces(image_size=config.image_size, margin=config.image_size // 6),
        age_loss=losses[head] if "age" in tasks else None,
        gender_loss=GenderLoss() if "gender" in tasks else None,
        # Few steps in all: the average must not reach back to the beginning.
        optimizer=Optimizer(learning_rate=learning_rate, clip_norm=1.0, ema_momentum=0.95),
        epochs=epochs,
        batch_size=BATCH,
        freeze_normalization=True,
        augmentation=Augmentation(rotation=8.0, zoom=0.1, shift=0.04, cutout=0.1, noise=0.05, grey=0.03),
        seed=seed,
    )


def _prepare(data: str | os.PathLike[str] | Sequence[FaceRecord], output: Path, progress: bool) -> list[FaceRecord]:
    """Return the faces that can be used, split, and write down which they are."""
    table = read_source(data) if isinstance(data, str | os.PathLike) else RecordTable(list(data), [])
    table = select_faces(table, tasks=("age", "gender"))
    _require_faces(sum(record.split != "test" for record in table.records), "Add faces.")
    output.mkdir(parents=True, exist_ok=True)
    if any(record.split for record in table.records):
        records = predefined_split(table.records)
        cleaned = clean(RecordTable(records, table.dropped), split="train", progress=progress)
    else:
        table = clean(table, progress=progress)
        table.write_dropped(output / LEFT_OUT)
        _require_faces(len(table.records), _unusable(output))
        records = hold_out_split(table.records)
        cleaned = RecordTable(records, table.dropped)
    keep_split(records, output / SPLIT, fixed=(output / PROGRESS).is_file())
    cleaned = RecordTable(_without_single_gender(cleaned.records), cleaned.dropped)
    cleaned = select_faces(cleaned, tasks=("age", "gender"))
    cleaned.write_dropped(output / LEFT_OUT)
    return cleaned.records


def _require_faces(count: int, remedy: str) -> None:
    if count < FEWEST_FACES:
        raise ValueError(
            f"Fine-tuning needs {FEWEST_FACES} labeled faces or more to learn from and to choose by, and a hundred "
            f"to be of use. Received: {count}. {remedy}"
        )


def _unusable(output: Path) -> str:
    left_out = output / LEFT_OUT
    return f"Pictures that are unreadable or there twice do not count ({left_out}): replace them, or add others."


def _without_single_gender(records: list[FaceRecord]) -> list[FaceRecord]:
    """Return the faces without their genders where all to learn from have one: the network would learn to say it."""
    found = {record.gender for record in records if record.split == "train"} - {None}
    if len(found) != 1:
        return records
    logger.warning("all faces to learn from are labeled %s: genders are left out, and only ages learned", *found)
    return [record if record.split == "test" else replace(record, gender=None) for record in records]


def _kept_calibration(start: ModelFolder, cache: CropCache, val: np.ndarray) -> Calibration | None:
    """Return the calibration of the model before where the held-out faces are too few for one of their own."""
    ages = [age for index in val if (age := cache.records[index].age) is not None]
    if len(ages) >= MIN_FACES:
        if max(ages) - min(ages) < NARROW_SPAN:
            logger.warning(
                "the held-out faces are all %g to %g years old: intervals are fitted on these ages and promised for "
                "all; do not trust them for others",
                min(ages),
                max(ages),
            )
        return None
    logger.warning(
        "only %d held-out faces have an age, and a calibration needs %d: that of the model before is kept",
        len(ages),
        MIN_FACES,
    )
    return start.config.calibration
