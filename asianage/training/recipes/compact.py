"""The recipe of the model `compact`: a narrower network than that of `accurate`, on smaller crops.

It begins as a narrowed copy of `accurate`, or of any model of that network, and learns the estimates and the features
of `accurate` beside the labels. A face takes a ninth of the time of `accurate`.

Hardware and time: about 3 hours on two CPU cores, computed from one step.
Expected: MAEs of 4.4 (AFAD), 4.9 (All-Age-Faces) and 3.5 years (UTKFace) on validation, each within 0.2. That is what
20 epochs on a GPU and 30 on two cores gave. The model in the package is older, and 0.2 to 0.3 years better.
Command: asianage train compact faces.csv compact-run --initial accurate-run/model --teacher accurate-run/model
"""

from __future__ import annotations

from dataclasses import replace

from asianage.training.recipes.accurate import ACCURATE_STRONG, STRONG
from asianage.training.recipes.recipe import Distillation

MILDER = replace(STRONG, low_resolution=0.2, disguise=0.14, cut_off=0.06, spoiled=0.16)
"""A small network pays for strong changes with its errors on clear faces."""

COMPACT = replace(
    ACCURATE_STRONG,
    name="compact",
    begins_with="accurate",
    network={"dropout": 0.2, "stem_strides": 2, "alpha": 0.7},
    faces=replace(ACCURATE_STRONG.faces, image_size=96, margin=17),
    optimizer=replace(ACCURATE_STRONG.optimizer, learning_rate=6e-4, warmup_epochs=0.5),
    epochs=50,
    distillation=Distillation(weight=0.5, feature_weight=1.0, label_spread=5.0),
    # Narrowed weights are too far from trained ones for an average of both.
    initial_share=0.0,
    augmentation=MILDER,
    seed=2,
)
