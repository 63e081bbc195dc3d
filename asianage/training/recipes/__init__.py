"""Named recipes: every choice of a training as plain values. The study has its own, in `asianage.training.study`."""

from __future__ import annotations

from asianage.training.augmentation import Augmentation
from asianage.training.recipes import accurate, age_heads, compact
from asianage.training.recipes.detector import DETECTOR, Collages, DetectorRecipe, Patches, Steps
from asianage.training.recipes.recipe import (
    AgeLoss,
    CrossEntropy,
    Distillation,
    Faces,
    GenderLoss,
    LabelDistribution,
    MeanVariance,
    Optimizer,
    Ordinal,
    Regression,
    TrainingRecipe,
)
from asianage.training.recipes.staged import Recipe, Stage, StagedRecipe

__all__ = [
    "DETECTOR",
    "RECIPES",
    "AgeLoss",
    "Augmentation",
    "Collages",
    "CrossEntropy",
    "DetectorRecipe",
    "Distillation",
    "Faces",
    "GenderLoss",
    "LabelDistribution",
    "MeanVariance",
    "Optimizer",
    "Ordinal",
    "Patches",
    "Recipe",
    "Regression",
    "Stage",
    "StagedRecipe",
    "Steps",
    "TrainingRecipe",
]

_RECIPES: tuple[Recipe, ...] = (
    accurate.ACCURATE,
    *(stage.recipe for stage in accurate.ACCURATE.stages),
    compact.COMPACT,
    *age_heads.AGE_HEADS,
)

RECIPES = {recipe.name: recipe for recipe in _RECIPES}
"""Recipes by name, without those of the study."""
