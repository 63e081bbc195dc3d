"""The recipe of the model `compact`: the network of `accurate` on smaller crops that are not enlarged.

It begins with the weights of an earlier model of its own network, or with those of `accurate`, and learns the estimates
of `accurate` beside the labels. A face takes a sixth of the time of `accurate`.
"""

from __future__ import annotations

from dataclasses import replace

from asianage.training.recipes.accurate import ACCURATE_STRONG, STRONG
from asianage.training.recipes.recipe import Distillation, Faces

MILDER = replace(STRONG, low_resolution=0.2, disguise=0.14, cut_off=0.06, spoiled=0.16)
"""A small network pays for strong changes with its errors on clear faces."""

COMPACT = replace(
    ACCURATE_STRONG,
    name="compact",
    network={"dropout": 0.2, "stem_strides": 2, "frozen_blocks": 3},
    faces=Faces(image_size=96, margin=17, other_group_share=0.25, age_balance=0.7),
    optimizer=replace(ACCURATE_STRONG.optimizer, learning_rate=4e-4),
    epochs=8,
    distillation=Distillation(weight=0.5, label_spread=5.0),
    augmentation=MILDER,
    seed=2,
)
