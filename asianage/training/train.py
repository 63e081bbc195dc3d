"""`train`: from a recipe and a table of faces to a model folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from asianage.data.cleaning import clean_training_part
from asianage.data.records import FaceRecord, RecordTable
from asianage.data.selection import select_dataset, select_faces
from asianage.data.sources import read_source
from asianage.data.split_file import keep_split
from asianage.data.splits import split_records
from asianage.networks.pretrained import find_pretrained
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.training.fit.fitting import PROGRESS, check_run
from asianage.training.recipes.composed import CHAIN_RECIPES, STUDY_RECIPES, ChainRecipe, StudyRecipe
from asianage.training.recipes.single import RECIPES, TrainingRecipe
from asianage.training.study.assemble import assemble_study
from asianage.training.study.baselines import BASELINES
from asianage.training.train_network import measure, recipe_tasks, train_network

Recipe: TypeAlias = TrainingRecipe | StudyRecipe | ChainRecipe

SPLIT = "split.csv"


def train(
    recipe: str | Recipe,
    data: str | os.PathLike[str] | Sequence[FaceRecord],
    output: str | os.PathLike[str],
    *,
    name: str | None = None,
    initial: str | os.PathLike[str] | None = None,
    pretrained: str | os.PathLike[str] | None = None,
    teachers: Sequence[str | os.PathLike[str]] = (),
    dataset: str | None = None,
    split: str = "predefined",
    fold: int = 0,
    detector: str | None = "auto",
    precision: str = "int8",
    progress: bool = False,
) -> AgeGenderEstimator:
    """Train a recipe and write a model folder. A run that was stopped goes on where it was.

    Args:
        recipe: Name of a recipe, or a recipe.
        data: What `asianage.data.sources.read_source` takes, or records.
        output: Folder of the run: ``split.csv`` with its SHA-256, ``left_out.csv`` (pictures that were not trained on,
            and why), crops, checkpoints, ``history.csv``, ``recipe.json``, ``inputs.json``, the folder ``model``, and
            where figures are measured the folder ``report``. A recipe of several networks has a folder for each; those
            of a chain share the crops of one size, and the last of them has `output` itself.
        name: Name of the model; None takes that of the recipe.
        initial: Model to begin with, as `AgeGenderEstimator.from_pretrained` takes it; it must have every layer of the
            recipe's network, for crops of any size. None begins as the recipe says.
        pretrained: File of the published weights that the recipe begins with; None looks where it usually lies.
        teachers: Models that a recipe with `teacher_weight` learns from too, as `initial`.
        dataset: Only faces of this data set; None takes all.
        split: Who trains, chooses and measures: "predefined" by the data; "identity" and "study" by
            `asianage.data.splits`. Figures are measured on the split "test", of the study's on its "val".
        fold: Which fifth is "test", of the split by identity.
        detector: Who finds the faces, as in `AgeGenderEstimator`; None takes every picture as one face.
        precision: "int8", "float16" or "float32" of the network for prediction.
        progress: Whether to show progress while pictures are checked, cut and measured.

    Returns:
        An estimator of the new model.

    Raises:
        FileNotFoundError: Pictures, or the published weights that the recipe begins with, are not there.
        ValueError: The recipe is unknown, the data lack a split or a label, or `output` holds another run.
    """
    recipe = find_recipe(recipe)
    output = Path(output)
    if not isinstance(recipe, TrainingRecipe) and (initial is not None or teachers):
        raise ValueError(f"`initial` and `teachers` are for one network. Received: the recipe {recipe.name!r}.")
    parts = _parts(recipe, output)
    if pretrained is not None and len({part.pretrained for part in parts.values()} - {""}) > 1:
        raise ValueError(
            f"`pretrained` is one file, and the recipe {recipe.name!r} begins with several published networks. Leave "
            "it out, and put each file where it usually lies."
        )
    for folder, part in parts.items():
        check_run(folder, part)
        recipe_tasks(part)
        if part.pretrained and pretrained is None and initial is None:
            find_pretrained(part.pretrained)
    records = _prepare(recipe, data, output, dataset=dataset, split=split, fold=fold, progress=progress)
    measured_on = "val" if split == "study" else "test"
    settings: dict[str, Any] = {
        "pretrained": pretrained,
        "detector": detector,
        "precision": precision,
        "progress": progress,
    }
    if isinstance(recipe, TrainingRecipe):
        return train_network(
            recipe, records, output, measured_on, name=name, initial=initial, teachers=teachers, **settings
        )
    if isinstance(recipe, ChainRecipe):
        return _train_chain(recipe, records, output, measured_on, name=name, **settings)
    return _train_study(recipe, records, output, measured_on, name=name, **settings)


def find_recipe(recipe: str | Recipe) -> Recipe:
    """Return a recipe by its name.

    Raises:
        ValueError: There is none of this name, or it has no network to train.
    """
    if not isinstance(recipe, str):
        return recipe
    if recipe in BASELINES:
        raise ValueError(
            f"The recipe {recipe!r} has no network to train. Call `asianage.training.run_baseline`, or run: "
            f"asianage train {recipe} DATA OUTPUT"
        )
    known: dict[str, Recipe] = {**RECIPES, **STUDY_RECIPES, **CHAIN_RECIPES}
    if recipe not in known:
        raise ValueError(f"There is no recipe {recipe!r}. Recipes: {', '.join(sorted([*known, *BASELINES]))}.")
    return known[recipe]


def _parts(recipe: Recipe, output: Path) -> dict[Path, TrainingRecipe]:
    """Return the recipes of single networks by the folder of their run, in the order of training."""
    if isinstance(recipe, StudyRecipe):
        return {output / name: part for name, part in recipe.parts.items()}
    if isinstance(recipe, ChainRecipe):
        *earlier, last = [cycle.recipe for cycle in recipe.cycles]
        return {**{output / part.name: part for part in earlier}, output: last}
    return {output: recipe}


def _train_chain(
    recipe: ChainRecipe,
    records: Sequence[FaceRecord],
    output: Path,
    measured_on: str,
    *,
    name: str | None,
    **settings: Any,
) -> AgeGenderEstimator:
    """Train one network after the other, each from models of earlier ones; the last lies in `output` itself."""
    models: dict[str, Path] = {}
    for folder, cycle in zip(_parts(recipe, output), recipe.cycles, strict=True):
        part, is_last = cycle.recipe, folder == output
        estimator = train_network(
            part,
            records,
            folder,
            measured_on if is_last else None,
            crops=output / f"crops-{part.image_size}-{part.margin}",
            name=name or recipe.name if is_last else part.name,
            initial=models[cycle.initial] if cycle.initial else None,
            teachers=[models[teacher] for teacher in cycle.teachers],
            **settings,
        )
        models[part.name] = estimator.model.path
    return estimator


def _train_study(
    recipe: StudyRecipe,
    records: Sequence[FaceRecord],
    output: Path,
    measured_on: str,
    *,
    name: str | None,
    pretrained: str | os.PathLike[str] | None,
    **settings: Any,
) -> AgeGenderEstimator:
    """Train the three networks of a study, and measure each and the whole."""
    models = []
    for folder, part in _parts(recipe, output).items():
        table = RecordTable(list(records), [])
        faces = select_faces(table, tasks=recipe_tasks(part), gender=part.only_gender, ages=part.only_ages)
        estimator = train_network(part, faces.records, folder, measured_on, pretrained=pretrained, **settings)
        models.append(estimator.model.path)
    gender, female, male = models
    model = assemble_study(gender, female, male, records, output, name=name or recipe.name, **settings)
    tasks = frozenset({"age", "gender"})
    return measure(model, records, output, tasks, measured_on, settings["detector"], settings["progress"])


def _prepare(
    recipe: Recipe,
    data: str | os.PathLike[str] | Sequence[FaceRecord],
    output: Path,
    *,
    dataset: str | None,
    split: str,
    fold: int,
    progress: bool,
) -> list[FaceRecord]:
    """Return the faces of a run, split and with a cleaned training part, and write down which they are."""
    table = read_source(data) if isinstance(data, str | os.PathLike) else RecordTable(list(data), [])
    # The first network of several needs every face that a later one needs.
    first = next(iter(_parts(recipe, output).values()))
    tasks = recipe_tasks(first)
    table = select_faces(select_dataset(table, dataset), tasks=tasks, gender=first.only_gender, ages=first.only_ages)
    # The study measures genders on the same share of each, ages on the same share of each.
    classes = "gender" if "gender" in tasks else "age"
    records = split_records(table.records, split, fold=fold, classes=classes)
    output.mkdir(parents=True, exist_ok=True)
    keep_split(records, output / SPLIT, fixed=any(output.rglob(PROGRESS)))
    cleaned = clean_training_part(RecordTable(records, table.dropped), progress=progress)
    cleaned.write_dropped(output / "left_out.csv")
    return cleaned.records
