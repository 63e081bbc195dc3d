"""Labels, and what teachers predict -> targets and sample weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from asianage.data.records import FaceRecord
from asianage.models.ages import AgeAxis, target_distribution
from asianage.models.config import GENDERS
from asianage.networks.heads import TEACHER_FEATURES
from asianage.training.fit.distillation import TeacherOutputs

Labels = dict[str, np.ndarray]


def label_targets(
    records: Sequence[FaceRecord], outputs: Iterable[str], axis: AgeAxis, *, sigma: float | None
) -> tuple[Labels, Labels]:
    """Return targets and sample weights by the name of an output. A missing label has the weight 0.

    Args:
        records: n faces.
        outputs: Names of the outputs: ``gender_logit``, and any other name for the age.
        axis: The age axis.
        sigma: Spread of the target distributions, in years; None makes the ages themselves the targets.

    Returns:
        Targets float32 (n, 1), or (n, num_ages) of a target distribution, and sample weights float32 (n,).
    """
    targets, weights = {}, {}
    for name in outputs:
        if name == "gender_logit":
            weights[name] = np.array([record.gender is not None for record in records], dtype=np.float32)
            targets[name] = np.array([[record.gender == GENDERS[1]] for record in records], dtype=np.float32)
            continue
        age = np.array([np.nan if record.age is None else record.age for record in records])
        weights[name] = np.isfinite(age).astype(np.float32)
        age = np.nan_to_num(age, nan=axis.min_age)
        targets[name] = age.astype(np.float32)[:, None] if sigma is None else target_distribution(axis, age, sigma)
    return targets, weights


def add_teachers(targets: Labels, weights: Labels, teachers: TeacherOutputs, share: float) -> None:
    """Mix the outputs of teachers into the targets, in place, and add the target of their features.

    Args:
        targets: As `label_targets` returns them, with target distributions.
        weights: Likewise.
        teachers: Outputs for the same faces.
        share: Share of the targets that the teachers give, in [0, 1].
    """
    outputs = {"age_logits": teachers.age_distributions, "gender_logit": teachers.male_probabilities[:, None]}
    for name, labels in targets.items():
        targets[name] = (1.0 - share) * labels + share * outputs[name]
    if teachers.features is not None:
        targets[TEACHER_FEATURES] = teachers.features
        weights[TEACHER_FEATURES] = np.ones(len(teachers.features), dtype=np.float32)
