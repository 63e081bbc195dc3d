"""`train`: from a recipe and a table of faces to a model folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asianage.data.sources import Source
from asianage.data.splits import measured_split
from asianage.models.folder import ModelFolder
from asianage.models.pretrained import open_model
from asianage.networks.pretrained import find_pretrained
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.training.export.litert import check_quantization
from asianage.training.recipe_names import check_needs, find_recipe, with_settings
from asianage.training.recipes import Recipe
from asianage.training.recipes.recipe import PlannedRun
from asianage.training.run_faces import prepare_faces
from asianage.training.run_folder import RECIPE, Run, check_settings, held_run_folder
from asianage.training.study.assemble import assemble_study
from asianage.training.study.published import protocol_of
from asianage.training.train_network import measure, train_network


def train(
    recipe: str | os.PathLike[str] | Recipe,
    data: Source,
    output: str | os.PathLike[str],
    *,
    epochs: int | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    name: str | None = None,
    initial: str | os.PathLike[str] | None = None,
    pretrained: str | os.PathLike[str] | None = None,
    teachers: Sequence[str | os.PathLike[str]] = (),
    dataset: str | None = None,
    split: str = "predefined",
    fold: int = 0,
    detector: str | None = "auto",
    quantization: str = "int8",
    progress: bool = False,
) -> AgeGenderEstimator:
    """Train a recipe and write a model folder. A run that was stopped goes on where it was.

    The folder of a run gets ``run.json``, which marks it, ``split.csv`` with its SHA-256, ``left_out.csv`` (pictures
    that were not trained on, with the reason), crops, checkpoints, ``history.csv``, ``recipe.json``, ``inputs.json``,
    the folder ``model``, and the folder ``report`` where figures are measured. A recipe of several networks has a
    folder for each. Stages share the crops of one size, and the last stage has `output` itself.

    Args:
        recipe: Name of a recipe, a recipe, or a file of one: ``*.py`` that defines `RECIPE`, or the ``recipe.json`` of
            a run.
        data: Labeled faces: a table, a folder, or records, as `asianage.data.sources.read_source` takes them.
        output: Folder of the run.
        epochs: Passes over the faces, for every network; None takes those of the recipe. A run goes on with more of
            them than it was begun with.
        seed: Seed of weights, order and augmentation, for every network; None takes that of the recipe.
        batch_size: Faces per step, for every network; None takes that of the recipe.
        learning_rate: Peak of the schedule, for every network; None takes that of the recipe.
        name: Name of the model; None takes that of the recipe.
        initial: Model to begin with: bundled name, folder or Hub id. It must have every layer of the recipe's network,
            for crops of any size, or be a wider MobileNet. None begins as the recipe states.
        pretrained: File of the published weights that the recipe begins with; None looks in its usual place.
        teachers: Models that a recipe with a `distillation` learns from, in the same forms as `initial`.
        dataset: Only faces of this data set; None takes all.
        split: How faces are split: "predefined" by the data; "identity" with nobody in two splits; "random" by image,
            as the study's text describes it; "study" as its notebooks did it, see `asianage.data.study_split`. Figures
            are measured on the split "test", those of "random" and "study" on "val".
        fold: Which fifth is "test", of the split by identity.
        detector: Face detector, as in `AgeGenderEstimator`; None takes every picture as one face.
        quantization: "int8", "float16" or "float32" of the exported network.
        progress: Whether to show progress bars.

    Returns:
        An estimator of the new model.

    Raises:
        BlockingIOError: Another process trains in `output`.
        FileExistsError: `output` holds files that are not of a run and would be replaced.
        FileNotFoundError: Pictures, or the published weights that the recipe begins with, do not exist.
        ValueError: The recipe is unknown or needs `initial` or `teachers`, the data lack a split or a label, or
            `output` holds another run.
    """
    recipe = find_recipe(recipe)
    check_quantization(quantization)
    check_needs(recipe, initial, teachers)
    run = Run(Path(output), detector, quantization, progress)
    planned = [
        replace(step, recipe=with_settings(step.recipe, epochs, seed, batch_size, learning_rate))
        for step in recipe.runs(run.output)
    ]
    if initial is not None or teachers:
        planned = [replace(planned[0], initial=initial, teachers=tuple(teachers))]
    _check(recipe, planned, pretrained)
    with held_run_folder(run.output, [data, initial, pretrained, *teachers]):
        faces = prepare_faces(planned, data, run, dataset=dataset, split=split, fold=fold)
        measured_on = measured_split(split)
        parts: dict[str, ModelFolder] = {}
        for step, records in zip(planned, faces.parts, strict=True):
            estimator = train_network(
                step.recipe,
                records,
                replace(run, output=step.folder),
                name=(name or recipe.name) if step.folder == run.output else step.recipe.name,
                crops=step.crops,
                initial=None if step.initial is None else open_model(step.initial),
                pretrained=pretrained,
                teachers=[open_model(teacher) for teacher in step.teachers],
                measured_on=measured_on if step.measured else None,
                protocol=protocol_of(step.recipe.name, split),
            )
            parts[step.part] = estimator.model
        if "" in parts:
            return estimator
        model = assemble_study(parts, faces.whole, run, name=name or recipe.name)
        return measure(model, faces.whole, run, measured_on)


def _check(recipe: Recipe, planned: Sequence[PlannedRun], pretrained: str | os.PathLike[str] | None) -> None:
    """Refuse before any work what would fail in a later run."""
    if pretrained is not None and len({step.recipe.pretrained for step in planned} - {""}) > 1:
        raise ValueError(
            f"`pretrained` is one file, and the recipe {recipe.name!r} begins with several published networks. Leave "
            "it out, and put each file in its usual place."
        )
    for step in planned:
        # A stage that went on would leave the later ones with a model that is gone.
        is_alone = len(planned) == 1 or not any(other.teachers for other in planned)
        check_settings(step.folder, RECIPE, step.recipe.to_dict(), may_grow=is_alone)
        if step.recipe.pretrained and pretrained is None and step.initial is None:
            find_pretrained(step.recipe.pretrained)
