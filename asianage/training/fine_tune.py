"""`fine_tune`: from a trained model and some faces of one's own to a model for such faces."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asianage.data.cleaning import clean
from asianage.data.records import FaceRecord, RecordTable
from asianage.data.selection import select_faces
from asianage.data.sources import Source, read_source
from asianage.data.split_file import keep_split
from asianage.data.splits import hold_out_split, predefined_split
from asianage.models import folder as model_folder
from asianage.models.config import GENDERS
from asianage.models.folder import ModelFolder
from asianage.models.pretrained import open_model
from asianage.networks.registry import head_of, tasks_of
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.training import recipes
from asianage.training.augmentation import Augmentation
from asianage.training.export.litert import check_quantization
from asianage.training.run_folder import LEFT_OUT, PICTURES, PROGRESS, SPLIT, Run, delete_leftovers, held_run_folder
from asianage.training.train_network import train_network

logger = logging.getLogger(__name__)

FEWEST_FACES = 8
"""Faces that fine-tuning needs at all: six for training and two for validation."""

FEW_HELD_OUT = 50
"""Held-out faces below which it warns: the mean error of fewer is uncertain by more than fine-tuning usually gains."""

FEWEST_OF_A_GENDER = 5
"""Training faces of each gender that are needed to learn genders."""

LARGEST_BATCH = 32

GENTLE = Augmentation(rotation=8.0, zoom=0.1, shift=0.04, cutout=0.1, noise=0.05, gray=0.03)
"""The augmentation of fine-tuning: weaker than that of a training from the start."""

_LOSSES: dict[str | None, recipes.AgeLoss] = {
    # Several networks as one, of which each has its own head: their common output is logits.
    None: recipes.LabelDistribution(),
    "logits": recipes.LabelDistribution(),
    "regression": recipes.Regression(),
    "ordinal": recipes.Ordinal(),
}
"""Head of a network -> the loss that it is fine-tuned with."""


def fine_tune(
    model: str | os.PathLike[str],
    data: Source,
    output: str | os.PathLike[str] = "fine-tuned",
    *,
    validation: Source | None = None,
    epochs: int = 10,
    batch_size: int | None = None,
    learning_rate: float = 3e-4,
    freeze: str | Sequence[str] | None = None,
    augmentation: Augmentation | None = GENTLE,
    name: str | None = None,
    detector: str | None = "auto",
    quantization: str = "int8",
    seed: int = 0,
    progress: bool = False,
) -> AgeGenderEstimator:
    """Train a model further on one's own faces, and write the result as a model folder.

    All layers learn, at a low rate. Normalizations keep their statistics, which a few faces would spoil. The epoch
    that is best on held-out faces is kept. If no epoch is better than the model was before, its network and
    calibration are kept. A call that was interrupted goes on where it was.

    Args:
        model: Model to begin with: bundled name, folder or Hub id. Its folder must contain weights.
        data: Labeled faces: a CSV table, a folder, records, or a table in memory such as a DataFrame or a
            `datasets.Dataset`. Ages or genders may be missing, and ages may be groups. The split "train" trains,
            "val" validates and calibrates, "test" is measured. Where no face has a split, a quarter is held out for
            validation: of all ages, and no person is on both sides.
        output: Folder of the run, as that of `asianage.training.train`.
        validation: Labeled faces for validation and calibration, in the same forms as `data`. The faces of `data` then
            train, apart from those of the split "test".
        epochs: Passes over the faces.
        batch_size: Faces per step; None takes an eighth of the training faces, and 32 at most.
        learning_rate: Peak of the schedule.
        freeze: Layers whose weights stay as they are: "backbone" for all but the heads, or beginnings of layer names.
            None trains all layers.
        augmentation: Random changes of the training crops; None leaves them as they are.
        name: Name of the new model; None takes that of the model with "-fine-tuned".
        detector: Face detector, as in `AgeGenderEstimator`; None takes every picture as one face.
        quantization: "int8", "float16" or "float32" of the exported network.
        seed: Seed of the order and the augmentation.
        progress: Whether to show progress bars, and the scores of each epoch.

    Returns:
        An estimator of the new model.

    Raises:
        BlockingIOError: Another process trains in `output`.
        FileExistsError: `output` holds files that are not of a run and would be replaced.
        FileNotFoundError: The model or the data do not exist.
        ModelFormatError: The model is incomplete or altered.
        ValueError: There are too few faces, or `output` holds another run.
    """
    start = open_model(model)
    run = Run(Path(output), detector, quantization, progress)
    check_quantization(quantization)
    recipe = _recipe(start)
    recipe = replace(
        recipe,
        optimizer=replace(recipe.optimizer, learning_rate=learning_rate),
        epochs=epochs,
        batch_size=LARGEST_BATCH if batch_size is None else batch_size,
        freeze=(freeze,) if isinstance(freeze, str) else tuple(freeze or ()),
        augmentation=augmentation,
        seed=seed,
    )
    with held_run_folder(run.output, [model, data, validation]):
        records = _prepare(data, validation, run, recipe.tasks)
        if batch_size is None:
            learning = sum(record.split == "train" for record in records)
            recipe = replace(recipe, batch_size=int(np.clip(learning // 8, 1, LARGEST_BATCH)))
        better = train_network(recipe, records, run, name=name or f"{start.config.name}-fine-tuned", improved=start)
        delete_leftovers(run.output)
        return better


def _recipe(start: ModelFolder) -> recipes.TrainingRecipe:
    """Return how a model is trained further: its own network and axis, in few steps."""
    config = start.config
    head = head_of(config.architecture, config.network)
    tasks = tasks_of(config.architecture, config.network)
    return recipes.TrainingRecipe(
        # A resumed run is compared by it: its checkpoints go on from these weights and no others.
        name=f"fine-tune {start.sha256(model_folder.WEIGHTS)[:12]}",
        architecture=config.architecture,
        begins_with=config.name,
        network=dict(config.network),
        min_age=config.min_age,
        max_age=config.max_age,
        faces=recipes.Faces(image_size=config.image_size, margin=config.image_size // 6),
        age_estimate=config.calibration.age_estimate,
        age_loss=_LOSSES[head] if "age" in tasks else None,
        gender_loss=recipes.GenderLoss() if "gender" in tasks else None,
        # Few steps in all: the average must not reach back to the beginning.
        optimizer=recipes.Optimizer(learning_rate=3e-4, clip_norm=1.0, ema_momentum=0.95),
        epochs=10,
        batch_size=LARGEST_BATCH,
        freeze_normalization=True,
        augmentation=GENTLE,
    )


def _prepare(data: Source, validation: Source | None, run: Run, tasks: Collection[str]) -> list[FaceRecord]:
    """Return the faces that can be used, split, and write down which they are."""
    table = _read(data, validation, run, tasks)
    _require_faces(table.records, "Add faces.")
    run.output.mkdir(parents=True, exist_ok=True)
    left_out = run.output / LEFT_OUT
    unusable = f"Unreadable pictures and duplicates do not count ({left_out}): replace them, or add others."
    if any(record.split for record in table.records):
        records = predefined_split(table.records)
        if not any(record.split == "val" for record in records):
            raise ValueError(
                "`data` has splits, but no face of the split val, which chooses the best epoch. Name some, pass "
                "`validation`, or empty the column `split`: then a quarter of the faces is held out."
            )
        table = clean(RecordTable(records, table.dropped), splits=("train", "val"), progress=run.progress)
    else:
        table = clean(table, progress=run.progress)
        table.write_dropped(left_out)
        _require_faces(table.records, unusable)
        records = hold_out_split(table.records)
        table = RecordTable(records, table.dropped)
    keep_split(records, run.output / SPLIT, fixed=(run.output / PROGRESS).is_file())
    table = select_faces(RecordTable(_without_lone_gender(table.records, tasks), table.dropped), tasks=tasks)
    table.write_dropped(left_out)
    _require_faces(table.records, unusable)
    held_out = sum(record.split == "val" for record in table.records)
    if held_out < FEW_HELD_OUT:
        logger.warning(
            "only %d faces are held out: whether the model got better is uncertain with fewer than %d",
            held_out,
            FEW_HELD_OUT,
        )
    return table.records


def _read(data: Source, validation: Source | None, run: Run, tasks: Collection[str]) -> RecordTable:
    """Return the faces with a label; with faces for validation, every face has a split."""
    pictures = run.output / PICTURES
    table = select_faces(read_source(data, pictures=pictures), tasks=tasks)
    if validation is None:
        return table
    if any(record.split == "val" for record in table.records):
        raise ValueError(
            "`data` must not have faces of the split val where `validation` is given. Leave `validation` out, or clear "
            "their split."
        )
    held_out = select_faces(read_source(validation, pictures=pictures), tasks=tasks)
    own = {os.path.abspath(record.path) for record in table.records}
    if twice := [record.path for record in held_out.records if os.path.abspath(record.path) in own]:
        raise ValueError(
            f"`data` and `validation` must not share pictures. Received: {len(twice)}, such as {twice[0]}. Remove them."
        )
    return RecordTable(
        [
            *(replace(record, split=record.split or "train") for record in table.records),
            *(replace(record, split="val") for record in held_out.records),
        ],
        [*table.dropped, *held_out.dropped],
    )


def _require_faces(records: Sequence[FaceRecord], remedy: str) -> None:
    count = sum(record.split != "test" for record in records)
    if count < FEWEST_FACES:
        raise ValueError(
            f"Fine-tuning needs {FEWEST_FACES} labeled faces or more for training and validation, and a hundred to be "
            f"of use. Received: {count}. {remedy}"
        )


def _without_lone_gender(records: list[FaceRecord], tasks: Collection[str]) -> list[FaceRecord]:
    """Return the faces without genders where nearly all training faces have the same: the network would learn that."""
    counts = Counter(record.gender for record in records if record.split == "train" and record.gender is not None)
    rarest, faces = min(((gender, counts[gender]) for gender in GENDERS), key=lambda pair: pair[1])
    if not counts or faces >= FEWEST_OF_A_GENDER:
        return records
    if "age" not in tasks or all(record.age_range is None for record in records if record.split == "train"):
        raise ValueError(
            f"Without ages, {FEWEST_OF_A_GENDER} training faces of each gender are needed. Received: "
            f"{' and '.join(f'{counts[gender]} {gender}' for gender in GENDERS)}. Add some."
        )
    logger.warning(
        "only %d training faces are labeled %s, and %d are needed: genders are left out, and only ages learned",
        faces,
        rarest,
        FEWEST_OF_A_GENDER,
    )
    return [record if record.split == "test" else replace(record, gender=None) for record in records]
