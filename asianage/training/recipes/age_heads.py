"""One residual network, one schedule, five ways to learn an age: to be compared on the same faces, not to be used.

Hardware and time: two CPU cores, 10 to 20 seconds per 1,000 faces and epoch (measured beside another training).
Expected: no published figure is of this network; what counts is the difference between the five.
Command: asianage train heads AFAD out --split identity (all five, and a table), or asianage train residual-regression
AFAD run --split identity (one)
"""

from __future__ import annotations

from dataclasses import replace

from asianage.training.augmentation import Augmentation
from asianage.training.recipes import recipe

_FIRST = recipe.TrainingRecipe(
    name="residual-label-distribution",
    architecture="residual",
    network={"head": "logits"},
    faces=recipe.Faces(image_size=96, margin=16),
    age_loss=recipe.LabelDistribution(),
    gender_loss=recipe.GenderLoss(),
    # Some hundred steps in all: a longer memory would still hold the random weights of the beginning.
    optimizer=recipe.Optimizer(learning_rate=2e-3, ema_momentum=0.99),
    epochs=8,
    batch_size=64,
    dtype_policy="mixed_bfloat16",
    augmentation=Augmentation(),
)

AGE_HEADS = (
    replace(_FIRST, name="residual-regression", network={"head": "regression"}, age_loss=recipe.Regression()),
    replace(_FIRST, name="residual-cross-entropy", age_loss=recipe.CrossEntropy()),
    _FIRST,
    replace(_FIRST, name="residual-ordinal", network={"head": "ordinal"}, age_loss=recipe.Ordinal()),
    replace(_FIRST, name="residual-mean-variance", age_loss=recipe.MeanVariance()),
)
