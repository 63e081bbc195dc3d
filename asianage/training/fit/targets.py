"""Labels, and outputs of teachers -> targets and sample weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asianage.data.records import FaceRecord
from asianage.models.ages import AgeAxis, target_distribution
from asianage.models.config import GENDERS
from asianage.networks.heads import RAW_OUTPUTS, TEACHER_FEATURES
from asianage.training.fit.distillation import TeacherOutputs
from asianage.training.recipes.recipe import Distillation, LabelDistribution, TrainingRecipe

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
        Targets float32 (n, width) and sample weights float32 (n,). The target of an age is a row of
        `age_distributions` for `LabelDistribution`, and for the other losses the first and the last age that the
        label allows, in years.
    """
    targets: Labels = {}
    weights: Labels = {}
    if recipe.age_loss is not None:
        name = RAW_OUTPUTS[recipe.age_loss.head]
        ranges = [record.age_range for record in records]
        weights[name] = np.array([known is not None for known in ranges], dtype=np.float32)
        unknown = (float(recipe.min_age), float(recipe.min_age))
        years = np.array([known or unknown for known in ranges], dtype=np.float32)
        targets[name] = years
        if isinstance(recipe.age_loss, LabelDistribution):
            targets[name] = age_distributions(recipe.axis, years, recipe.age_loss.sigma)
    if recipe.gender_loss is not None:
        weights["gender_logit"] = np.array([record.gender is not None for record in records], dtype=np.float32)
        targets["gender_logit"] = np.array([[record.gender == GENDERS[1]] for record in records], dtype=np.float32)
    if teachers is not None and recipe.distillation is not None:
        ages = teachers.age_distributions
        if recipe.distillation.label_spread:
            ages = told_labels(ages, recipe.axis, [record.age_range for record in records], recipe.distillation)
        outputs = {"age_logits": ages, "gender_logit": teachers.male_probabilities[:, None]}
        # A group is a surer answer than a teacher's distribution over it and its neighbors.
        is_grouped = np.array([[record.age is None and record.age_range is not None] for record in records])
        share = np.where(is_grouped, np.float32(0.0), np.float32(recipe.distillation.weight))
        targets = {name: (1.0 - share) * labels + share * outputs[name] for name, labels in targets.items()}
        if teachers.features is not None:
            targets[TEACHER_FEATURES] = teachers.features
            weights[TEACHER_FEATURES] = np.ones(len(records), dtype=np.float32)
    return targets, weights


def age_distributions(axis: AgeAxis, years: np.ndarray, sigma: float) -> np.ndarray:
    """Encode ages and age groups over the axis.

    Args:
        axis: The age axis; ages outside it count as its ends.
        years: float (n, 2): the first and the last age that a label allows; twice the same for an exact age.
        sigma: Standard deviation of the distribution of an exact age, in years.

    Returns:
        float32 (n, num_ages). The row of an exact age is a distribution. The row of a group is 1 at each of its ages.
    """
    low, high = np.clip(years, axis.min_age, axis.max_age).T
    inside = (axis.ages >= np.floor(low)[:, None]) & (axis.ages <= np.floor(high)[:, None])
    is_exact = (low == high)[:, None]
    return np.where(is_exact, target_distribution(axis, low, sigma), inside.astype(np.float32))


def told_labels(
    distributions: np.ndarray,
    axis: AgeAxis,
    ranges: Sequence[tuple[float, float] | None],
    distillation: Distillation,
) -> np.ndarray:
    """Return what teachers hold likely once they are told roughly how old the faces are.

    Args:
        distributions: float32 (n, num_ages): the teachers' ages.
        axis: The age axis.
        ranges: The first and the last age that each label allows, in years; None where it is missing.
        distillation: Gives the `label_spread`.

    Returns:
        float32 (n, num_ages), rows sum to 1. The row of a missing label is as it was.
    """
    missing = (float(axis.min_age), float(axis.max_age))
    low, high = np.array([known or missing for known in ranges], dtype=np.float32)[:, :, None].transpose(1, 0, 2)
    distance = np.maximum(low - axis.ages, 0.0) + np.maximum(axis.ages - high, 0.0)
    # The small addend keeps a row whose label the teachers exclude.
    told = (distributions + 1e-6) * np.exp(-0.5 * (distance / distillation.label_spread) ** 2)
    known = np.array([[known is not None] for known in ranges])
    return np.where(known, told / told.sum(axis=1, keepdims=True), distributions).astype(np.float32)
