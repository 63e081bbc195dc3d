"""A recipe that trains in seconds on the fixture `tiny_records`."""

from __future__ import annotations

from asianage.training.augmentation import Augmentation
from asianage.training.recipes.recipe import Faces, GenderLoss, LabelDistribution, Optimizer, TrainingRecipe

TINY = TrainingRecipe(
    name="tiny",
    architecture="residual",
    network={"widths": (8, 16), "blocks": (0, 1)},
    faces=Faces(image_size=32, margin=4),
    age_loss=LabelDistribution(),
    gender_loss=GenderLoss(),
    optimizer=Optimizer(learning_rate=1e-2, ema_momentum=0.8),
    epochs=12,
    batch_size=10,
    augmentation=Augmentation(),
)
