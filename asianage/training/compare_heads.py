"""`compare_heads`: the ways to learn an age, on the same faces and schedule, in one table."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asianage.data.records import FaceRecord
from asianage.data.sources import Source
from asianage.data.splits import measured_split
from asianage.evaluation.figure_style import report_style, save_figure
from asianage.evaluation.training_curves import compared_curves, read_history
from asianage.files import write_csv, write_text
from asianage.models.markdown import percent, table
from asianage.training.recipe_names import with_settings
from asianage.training.recipes.age_heads import AGE_HEADS
from asianage.training.recipes.recipe import PlannedRun, TrainingRecipe
from asianage.training.run_faces import prepare_faces
from asianage.training.run_folder import CROPS, HISTORY, Run, held_run_folder, keep_run
from asianage.training.train_network import train_network
from asianage.training.trained_row import TrainedRow, finished_model, spoken_time, trained_row

TABLE, FIGURE = "heads.md", "heads.png"


def compare_heads(
    data: Source,
    output: str | os.PathLike[str],
    *,
    epochs: int | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    dataset: str | None = None,
    split: str = "predefined",
    fold: int = 0,
    detector: str | None = "auto",
    quantization: str = "float32",
    progress: bool = False,
) -> list[TrainedRow]:
    """Train one network with each way to learn an age, and write one table. What is finished is not trained again.

    The faces, their order, the augmentation and the schedule are the same for all: a regression, the cross-entropy of
    the class, a label distribution, ordinal classifiers (OR-CNN), and the mean-variance loss. The folder gets
    ``heads.md``, ``heads.csv``, ``heads.png`` and a folder for each run.

    Args:
        data: Labeled faces, as `asianage.training.train` takes them.
        output: Folder of the comparison.
        epochs: Passes over the faces; None takes those of the recipes. So for the next three.
        seed: Seed of weights, order and augmentation.
        batch_size: Faces per step.
        learning_rate: Peak of the schedule.
        dataset: Only faces of this data set; None takes all.
        split: How faces are split, as `asianage.training.train` takes it.
        fold: Which fifth is "test", of the split by identity.
        detector: Face detector; None takes every picture as one face.
        quantization: Of the exported networks. The default compares what was learned, without the loss of int8.
        progress: Whether to show progress bars.

    Returns:
        A row for each way, in the order of the recipes.

    Raises:
        FileNotFoundError: Pictures do not exist.
        ValueError: The data lack a split or a label, or `output` holds another comparison.
    """
    output = Path(output)
    recipes = [with_settings(recipe, epochs, seed, batch_size, learning_rate) for recipe in AGE_HEADS]
    planned = [PlannedRun(recipe=recipe, folder=output / _way(recipe), crops=output / CROPS) for recipe in recipes]
    run = Run(output, detector, quantization, progress)
    measured_on = measured_split(split)
    with held_run_folder(output, [data]):
        keep_run(run)
        faces = prepare_faces(planned, data, run, dataset=dataset, split=split, fold=fold)
        _require_measured(faces.whole, measured_on)
        rows = [_trained(step, records, run, measured_on) for step, records in zip(planned, faces.parts, strict=True)]
        _write(rows, planned, output, measured_on)
    return rows


def _require_measured(records: Sequence[FaceRecord], measured_on: str) -> None:
    """Refuse before the first training what has nothing to compare."""
    if not any(record.split == measured_on for record in records):
        raise ValueError(
            f"The ways are compared on the split {measured_on}, which has no face. Add some, or pass `split`."
        )


def _trained(step: PlannedRun, records: list[FaceRecord], run: Run, measured_on: str) -> TrainedRow:
    """Return the row of one way, trained unless it is finished."""
    model = finished_model(step.folder, step.recipe, measured_on)
    if model is None:
        part, name = replace(run, output=step.folder), step.recipe.name
        model = train_network(step.recipe, records, part, name=name, crops=step.crops, measured_on=measured_on).model
    return trained_row(model, step.folder, measured_on)


def _way(recipe: TrainingRecipe) -> str:
    return recipe.name.removeprefix("residual-")


def _write(rows: Sequence[TrainedRow], planned: Sequence[PlannedRun], output: Path, measured_on: str) -> None:
    """Write the table, the same as CSV, and the figure."""
    write_text(output / TABLE, heads_markdown(rows, measured_on))
    names = [field.name for field in dataclasses.fields(TrainedRow) if field.name != "figures"]
    figures = ("mae", "cs_at_5", "bias", "interval_coverage", "gender_accuracy")
    cells = ([*(getattr(row, name) for name in names), *(row.figures.get(name) for name in figures)] for row in rows)
    write_csv(output / "heads.csv", [*names, *figures], cells)
    with report_style():
        histories = {_way(step.recipe): read_history(step.folder / HISTORY) for step in planned}
        save_figure(compared_curves(histories), output / FIGURE)


def heads_markdown(rows: Sequence[TrainedRow], measured_on: str) -> str:
    """Return the table of a comparison."""
    header = ("head", "MAE in years", "95 % interval", "within 5 years", "gender right", "parameters", "epochs", "time")
    body = []
    for row in rows:
        low, high = row.figures["mae_interval"]
        gender = row.figures.get("gender_accuracy")
        body.append(
            (
                row.name.removeprefix("residual-"),
                f"{row.figures['mae']:.2f}",
                f"{low:.2f} to {high:.2f}",
                percent(row.figures["cs_at_5"]),
                "-" if gender is None else percent(gender),
                f"{row.parameters:,}",
                f"{row.epochs}, best {row.best_epoch}",
                spoken_time(row.seconds),
            )
        )
    first = rows[0]
    return (
        f"# Ways to learn an age\n\nOne network, {first.train_faces:,} training faces, one schedule. Measured on "
        f"{first.measured_faces:,} faces of the split {measured_on}.\n\n{table(header, body)}\n![{FIGURE}]({FIGURE})\n"
    )
