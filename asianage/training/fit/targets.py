"""Labels, and outputs of teachers -> targets and sample weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asianage.data.records import FaceRecord
from asianage.models.ages import target_distribution
from asianage.models.config import GENDERS
from asianage.networks.heads import RAW_OUTPUTS, TEACHER_FEATURES
from asianage.training.fit.distillation import TeacherOutputs
from asianage.training.recipes.recipe import LabelDistribution, TrainingRecipe

Labels = dict[str, np.ndarray]


def make_targets(
    recipe: TrainingRecipe, records: Sequence[FaceRecord], teachers: TeacherOutputs | None = None
) -> tuple[Labels, Labels]:
    """Return the targets of the outputs that a recipe trains, and their sample weights, by the name of an output.

    Args:
        recipe: The recipe.
        records: n faces. A missing label has the weight 0.
        teachers: Outputs for the same faces, of which a recipe with a distillation mixes a share into the targets.

    Returns:
        Targets float32 (n, width) and sample weights float32 (n,). The target of an age is a distribution for
        `LabelDistribution`, and years for the other losses.
    """
    targets: Labels = {}
    weights: Labels = {}
    if recipe.age_loss is not None:
        name = RAW_OUTPUTS[recipe.age_loss.head]
        age = np.array([np.nan if record.age is None else record.age for record in records], dtype=np.float32)
        weights[name] = np.isfinite(age).astype(np.float32)
        targets[name] = age = np.nan_to_num(age, nan=recipe.min_age)[:, None]
        if isinstance(recipe.age_loss, LabelDistribution):
            targets[name] = target_distribution(recipe.axis, age[:, 0], recipe.age_loss.sigma)
    if recipe.gender_loss is not None:
        weights["gender_logit"] = np.array([record.gender is not None for record in records], dtype=np.float32)
        targets["gender_logit"] = np.array([[record.gender == GENDERS[1]] for record in records], dtype=np.float32)
    if teachers is not None and recipe.distillation is not None:
        outputs = {"age_logits": teachers.age_distributions, "gender_logit": teachers.male_probabilities[:, None]}
        share = recipe.distillation.weight
        targets = {name: (1.0 - share) * labels + share * outputs[name] for name, labels in targets.items()}
        if teachers.features is not None:
            targets[TEACHER_FEATURES] = teachers.features
            weights[TEACHER_FEATURES] = np.ones(len(records), dtype=np.float32)
    return targets, weights
