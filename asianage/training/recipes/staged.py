"""Recipes of several trainings in a row: each stage may begin with, or learn from, the models of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from asianage.training.recipes.recipe import PlannedRun, TrainingRecipe
from asianage.training.run_folder import MODEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One of several trainings in a row.

    Attributes:
        recipe: What is trained.
        initial: Name of the recipe of an earlier stage, whose model it begins with; "" begins as the recipe states.
        teachers: Names of the recipes of earlier stages, whose models it learns from.
        part: Name of the network in the network that all stages make together; "" for a network of its own.
    """

    recipe: TrainingRecipe
    initial: str = ""
    teachers: tuple[str, ...] = ()
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRecipe:
    """Trainings in a row. The last one makes the model, and only that one is measured, unless all are parts of one.

    Attributes:
        name: Name of the recipe.
        stages: The trainings, first to last. Their recipes have different names, and use the same faces unless the
            networks are parts of one.

    Raises:
        ValueError: A stage would fail: an earlier model that it needs does not exist, or it uses other faces.
    """

    name: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError(f"The recipe {self.name!r} must have a stage. Received none.")
        known: set[str] = set()
        for stage in self.stages:
            self._check(stage, known)
            known.add(stage.recipe.name)

    def _check(self, stage: Stage, known: set[str]) -> None:
        recipe, first = stage.recipe, self.stages[0].recipe
        if recipe.name in known:
            raise ValueError(f"Every stage must have a name of its own. Received twice: {recipe.name!r}.")
        if unknown := {stage.initial, *stage.teachers} - {""} - known:
            raise ValueError(
                f"The stage {recipe.name!r} must build on earlier ones. Received: {', '.join(sorted(unknown))}."
            )
        if bool(stage.teachers) != (recipe.distillation is not None):
            raise ValueError(
                f"The stage {recipe.name!r} must have teachers if, and only if, its recipe has a `distillation`. "
                f"Received: {len(stage.teachers)} teachers and {recipe.distillation}."
            )
        if not stage.part and (recipe.faces.gender, recipe.faces.ages) != (first.faces.gender, first.faces.ages):
            raise ValueError(f"The stage {recipe.name!r} must use the same genders and ages as the first one.")

    def runs(self, output: Path) -> list[PlannedRun]:
        """Return a run for each stage. The last one has `output` itself, unless the networks are parts of one."""
        folders = {stage.recipe.name: output / (stage.part or stage.recipe.name) for stage in self.stages}
        last = self.stages[-1]
        if not last.part:
            folders[last.recipe.name] = output
        return [
            PlannedRun(
                recipe=stage.recipe,
                folder=folders[stage.recipe.name],
                # Parts use different faces; other stages of one crop size share the crops.
                crops=output / stage.part / f"crops-{stage.recipe.faces.image_size}-{stage.recipe.faces.margin}",
                initial=folders[stage.initial] / MODEL if stage.initial else None,
                teachers=tuple(folders[teacher] / MODEL for teacher in stage.teachers),
                measured=stage is last or bool(stage.part),
                part=stage.part,
            )
            for stage in self.stages
        ]


Recipe: TypeAlias = TrainingRecipe | StagedRecipe
"""A recipe that `asianage.training.train` takes."""
