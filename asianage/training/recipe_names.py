"""Recipes by name or from a file, and what a recipe needs beside the faces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from asianage.training.recipes import RECIPES, Recipe, StagedRecipe, TrainingRecipe
from asianage.training.recipes.detector import DETECTOR
from asianage.training.recipes.recipe_file import is_recipe_file, read_recipe
from asianage.training.study.baselines import BASELINES
from asianage.training.study.recipes import STUDY_RECIPES

HEADS = "heads"
"""Name of the comparison of the ways to learn an age."""


def find_recipe(recipe: str | os.PathLike[str] | Recipe) -> Recipe:
    """Return a recipe by its name, or from a ``.py`` or ``.json`` file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: There is none of this name, or it has no network to train.
    """
    if isinstance(recipe, TrainingRecipe | StagedRecipe):
        return recipe
    if is_recipe_file(recipe):
        return read_recipe(recipe)
    elsewhere = {
        **dict.fromkeys(BASELINES, "run_baseline"),
        DETECTOR.name: "train_detector",
        HEADS: "compare_heads",
    }
    if recipe in elsewhere:
        raise ValueError(
            f"The recipe {recipe!r} has no network for age and gender. Call `asianage.training.{elsewhere[recipe]}`, "
            f"or run: asianage train {recipe} DATA OUTPUT"
        )
    known = {**RECIPES, **STUDY_RECIPES}
    if recipe not in known:
        raise ValueError(
            f"There is no recipe {str(recipe)!r}. Give a .py or .json file, or one of the recipes: "
            f"{', '.join(sorted([*known, *elsewhere]))}."
        )
    return known[str(recipe)]


def recipe_table() -> list[tuple[str, str]]:
    """Return name and description of everything that `asianage train` takes, in the order of the documentation."""
    rows = [(name, _described(recipe)) for name, recipe in {**RECIPES, **STUDY_RECIPES}.items()]
    rows += [(name, "baseline of the study: looks at labels only") for name in BASELINES]
    rows.append((HEADS, "the ways to learn an age, compared on the same faces and schedule"))
    rows.append((DETECTOR.name, "face detector: boxes and five landmarks"))
    return rows


def check_needs(
    recipe: Recipe, initial: str | os.PathLike[str] | None, teachers: Sequence[str | os.PathLike[str]]
) -> None:
    """Refuse a recipe that begins with, or learns from, models that are not given.

    Raises:
        ValueError: `initial` or `teachers` are missing, or given to a recipe that takes none.
    """
    if isinstance(recipe, StagedRecipe):
        if initial is not None or teachers:
            raise ValueError(f"`initial` and `teachers` are for one network. Received: the recipe {recipe.name!r}.")
        return
    if recipe.begins_with and initial is None:
        raise ValueError(
            f"The recipe {recipe.name!r} begins with a model of the recipe {recipe.begins_with!r}. Train that first, "
            "and pass its folder as `initial` (on the command line --initial)."
        )
    if bool(teachers) != (recipe.distillation is not None):
        raise ValueError(
            f"A recipe with a `distillation` needs `teachers` (on the command line --teacher), and only such a "
            f"recipe takes them. Received: the recipe {recipe.name!r} with {recipe.distillation}, and {len(teachers)} "
            "teachers."
        )


def _described(recipe: Recipe) -> str:
    if isinstance(recipe, StagedRecipe):
        return f"{len(recipe.stages)} trainings: {', '.join(stage.recipe.name for stage in recipe.stages)}"
    learned = " and ".join(sorted(recipe.tasks))
    whom = {"female": " of women", "male": " of men"}.get(recipe.faces.gender, "")
    size = recipe.faces.image_size
    begins = f"begins with a model of {recipe.begins_with}" if recipe.begins_with else ""
    learns = "learns from teachers" if recipe.distillation else ""
    described = f"{learned}{whom}, {recipe.architecture}, {size} pixels, {recipe.epochs} epochs"
    return "; ".join(filter(None, (described, begins, learns)))


def with_settings(
    recipe: TrainingRecipe, epochs: int | None, seed: int | None, batch_size: int | None, learning_rate: float | None
) -> TrainingRecipe:
    """Return a recipe with the settings that are not None."""
    settings = {"epochs": epochs, "seed": seed, "batch_size": batch_size}
    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    if learning_rate is not None:
        given["optimizer"] = replace(recipe.optimizer, learning_rate=learning_rate)
    return replace(recipe, **given)
