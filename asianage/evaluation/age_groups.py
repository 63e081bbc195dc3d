"""Figures of faces whose label is an age group, such as 10 to 19 years, instead of an age."""

from __future__ import annotations

from typing import Any

import numpy as np

from asianage.evaluation.metrics import LabeledPredictions, bootstrap_interval, wilson_interval

FEWEST_FACES = 40
"""Faces of a group that count in the mean over groups."""

_NAMES = (
    *("age_group_accuracy", "age_group_accuracy_interval", "macro_age_group_accuracy"),
    *("age_group_too_young", "age_group_too_old", "years_outside_age_group", "years_outside_age_group_interval"),
)


def age_group_figures(faces: LabeledPredictions, *, bootstrap_samples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Return the figures of the faces with an age group by name; without such faces they are None.

    An estimate is in the group from its first year to the end of its last one: 19.9 years are in 10 to 19.

    Args:
        faces: Faces with and without an age group.
        bootstrap_samples: Samples of the bootstrap interval.
        seed: Seed of the bootstrap.
    """
    grouped = faces.take(faces.age_high > faces.age_low)
    if not len(grouped):
        return {"faces_with_age_group": 0, **dict.fromkeys(_NAMES)}
    low, end = grouped.age_low, grouped.age_high + 1.0
    inside = (low <= grouped.age) & (grouped.age < end)
    outside = np.maximum(np.maximum(low - grouped.age, grouped.age - end), 0.0)
    groups = np.unique(np.stack([low, end], axis=1), axis=0)
    shares = [inside[(low == first) & (end == last)] for first, last in groups]
    macro = [share.mean() for share in shares if len(share) >= FEWEST_FACES]
    values = (
        float(inside.mean()),
        list(wilson_interval(int(inside.sum()), len(grouped))),
        float(np.mean(macro)) if macro else None,
        float(np.mean(grouped.age < low)),
        float(np.mean(grouped.age >= end)),
        float(outside.mean()),
        list(bootstrap_interval(outside, samples=bootstrap_samples, seed=seed)),
    )
    return {"faces_with_age_group": len(grouped), **dict(zip(_NAMES, values, strict=True))}
