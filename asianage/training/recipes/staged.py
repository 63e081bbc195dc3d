"""Recipes of several trainings in a row: each stage may begin with, or learn from, the models of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asianage.training.recipes.recipe import PlannedRun, TrainingRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One of several trainings in a row.

    Attributes:
        recipe: What is trained.
        initial: Name of the recipe of an earlier stage, whose model it begins with; "" begins as the recipe says.
        teachers: Names of the recipes of earlier stages, whose models it learns from.
    """

    recipe: TrainingRecipe
    initial: str = ""
    teachers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRecipe:
    """Trainings in a row on the same faces. The last one makes the model, and only that one is measured.

    Attributes:
        name: Name of the recipe.
        stages: The trainings, first to last; their recipes have different names.

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
        if (recipe.faces.gender, recipe.faces.ages) != (first.faces.gender, first.faces.ages):
            raise ValueError(f"The stage {recipe.name!r} must use the same genders and ages as the first one.")

    def runs(self, output: Path) -> list[PlannedRun]:
        """Return a run for each stage; the last one has `output` itself, and crops of one size are shared."""
        folders = {stage.recipe.name: output / stage.recipe.name for stage in self.stages}
        last = self.stages[-1].recipe
        folders[last.name] = output
        return [
            PlannedRun(
                recipe=stage.recipe,
                folder=folders[stage.recipe.name],
                crops=output / f"crops-{stage.recipe.faces.image_size}-{stage.recipe.faces.margin}",
                initial=folders[stage.initial] / "model" if stage.initial else None,
                teachers=tuple(folders[teacher] / "model" for teacher in stage.teachers),
                measured=stage.recipe is last,
            )
            for stage in self.stages
        ]
