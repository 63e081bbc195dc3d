"""The recipe of the model `accurate`: HSE-FaceRes's MobileNet, trained in two stages.

The first stage learns ages and genders from mildly changed crops. The second begins with its weights, and has the first
as teacher: it learns the same from crops under strong changes, such as masks, sunglasses, bad light and few pixels. The
model has the average of both stages' weights.

Hardware and time: 4.7 minutes on one NVIDIA H200 with Keras on JAX, at 27 epochs a stage; about 5 hours on two CPU
cores, computed from one step, at the recipe's 8.
Expected: at 27 epochs a stage, batches of 128 and a learning rate of 5e-4, MAEs of 3.7 (AFAD), 4.5 (All-Age-Faces) and
2.9 years (UTKFace) on validation, each within 0.2.
Command: asianage train accurate faces.csv accurate-run --epochs 27 --batch-size 128 --learning-rate 5e-4
"""

from __future__ import annotations

from dataclasses import replace

from asianage.training.augmentation import Augmentation
from asianage.training.recipes.recipe import (
    Distillation,
    Faces,
    GenderLoss,
    LabelDistribution,
    Optimizer,
    TrainingRecipe,
)
from asianage.training.recipes.staged import Stage, StagedRecipe

MILD = Augmentation(rotation=10.0, zoom=0.12, shift=0.05, cutout=0.2, noise=0.05, gray=0.05)

STRONG = Augmentation(
    rotation=14.0,
    zoom=0.14,
    shift=0.055,
    gray=0.1,
    low_resolution=0.25,
    smallest_scale=0.13,
    cutout=0.1,
    disguise=0.22,
    cut_off=0.08,
    spoiled=0.25,
)
"""Masks, sunglasses, things and shadows before the face, bad light, few pixels, and sides that are cut off."""

ACCURATE_PLAIN = TrainingRecipe(
    name="accurate-plain",
    architecture="mobilenet",
    network={"dropout": 0.2, "frozen_blocks": 5},
    pretrained="faceres",
    faces=Faces(image_size=112, margin=20, other_group_share=0.25, age_balance=0.5, emphasis=((10.0, 19.0, 1.6),)),
    age_estimate="median",
    age_loss=LabelDistribution(),
    gender_loss=GenderLoss(weight=2.0),
    optimizer=Optimizer(learning_rate=4e-4, warmup_epochs=0.3, clip_norm=1.0),
    epochs=8,
    batch_size=64,
    augmentation=MILD,
)

ACCURATE_STRONG = replace(
    ACCURATE_PLAIN,
    name="accurate-strong",
    pretrained="",
    begins_with="accurate-plain",
    optimizer=replace(ACCURATE_PLAIN.optimizer, learning_rate=3e-4),
    epochs=8,
    distillation=Distillation(weight=0.5, label_spread=5.0),
    initial_share=0.5,
    augmentation=STRONG,
    seed=1,
)

ACCURATE = StagedRecipe(
    name="accurate",
    stages=(
        Stage(recipe=ACCURATE_PLAIN),
        Stage(recipe=ACCURATE_STRONG, initial="accurate-plain", teachers=("accurate-plain",)),
    ),
)
