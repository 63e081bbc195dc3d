"""Named recipes of one network: every choice of a training run as plain values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from asianage.training.augmentation import Augmentation


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """Everything that decides the weights, apart from the data.

    Attributes:
        name: Name of the recipe.
        architecture: Name of the network, as in `asianage.networks`.
        network: Arguments of the network other than image size and number of ages.
        pretrained: Published weights that the backbone begins with, a name in `asianage.networks.pretrained`; "" begins
            with random ones.
        image_size: Side of the crops, in pixels.
        margin: Pixels kept around the crops for augmentation, on each side.
        min_age: First age of the axis, in years.
        max_age: Last age of the axis, in years.
        only_gender: Only faces of this gender are used, for one network per gender; "" uses all.
        only_ages: First and last age of the faces that are used, in years; None uses all, also those of unknown age.
        objective: What is minimized for the age, a name in `asianage.training.fit.losses.OBJECTIVES`; the network must
            have the head that it is for.
        label_sigma: Spread of the age targets for adults, in years; of the label distribution only.
        expectation_weight: Weight of the absolute error of the expected age, per year; of the label distribution only.
        mirror_weight: Weight of the difference between the expected ages of a view and of its mirror image, per year;
            0 shows views without it. Of the label distribution only.
        gender_weight: Weight of the gender loss.
        gender_smoothing: Label smoothing of the gender loss.
        epochs: Passes over the training crops.
        batch_size: Views per step.
        patience: Training ends after so many epochs without a better one; 0 always goes to the end.
        learning_rate: Peak of the schedule: linear warm-up, then as `schedule` says.
        schedule: "cosine" falls to zero, "constant" stays.
        warmup_epochs: Length of the warm-up.
        clip_norm: Largest norm of all gradients together; 0 does not limit it.
        weight_decay: Decoupled decay of kernels, as in AdamW; 0 leaves plain Adam.
        ema_momentum: Weights are averaged over about 1 / (1 - ema_momentum) steps; 0 does not average.
        freeze_normalization: Whether normalizations keep the statistics and factors that they begin with.
        precision: Keras dtype policy of the training; "auto" is mixed_bfloat16 on GPUs that have it, otherwise float32.
        other_group_share: Probability that a face that is labeled with one of UTKFace's groups other than Asian is used
            in an epoch.
        teacher_weight: Share of the targets that teachers give, the labels give the rest; of the label distribution
            only.
        feature_weight: Weight of `asianage.training.fit.losses.FeatureLoss`, for the features of the first teacher,
            which a linear layer on the network's own features has to tell; 0 leaves features alone. Of recipes with
            `teacher_weight` only.
        augmentation: How far views may go; None shows the crops as they are.
        seed: Seed of weights, order and views.

    Raises:
        ValueError: `epochs` or `batch_size` is less than 1, or `learning_rate` not above 0.
    """

    name: str
    architecture: str = "residual"
    network: dict[str, Any] = field(default_factory=dict)
    pretrained: str = ""
    image_size: int = 96
    margin: int = 16
    min_age: int = 0
    max_age: int = 100
    only_gender: str = ""
    only_ages: tuple[float, float] | None = None
    objective: str = "label_distribution"
    label_sigma: float = 2.0
    expectation_weight: float = 0.15
    mirror_weight: float = 0.0
    gender_weight: float = 1.0
    gender_smoothing: float = 0.02
    epochs: int = 40
    batch_size: int = 64
    patience: int = 0
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    warmup_epochs: float = 1.0
    clip_norm: float = 0.0
    weight_decay: float = 0.02
    ema_momentum: float = 0.998
    freeze_normalization: bool = False
    precision: str = "float32"
    other_group_share: float = 1.0
    teacher_weight: float = 0.0
    feature_weight: float = 0.0
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what trains nothing."""
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more. Received: {getattr(self, name)}.")
        if not 0.0 < self.learning_rate < math.inf:
            raise ValueError(f"`learning_rate` must be above 0. Received: {self.learning_rate}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def changed(self, **values: Any) -> TrainingRecipe:
        """Return a copy with other values."""
        return replace(self, **values)


# The first cycle: the first eleven blocks of dlib's face recognition network, trained on.
# Hardware and time: two CPU cores, about 75 seconds an epoch.
# Expected: MAE on val, one pass in floating point: AFAD 4.12, All-Age-Faces 5.04, UTKFace 3.19 (within about 0.05).
# Command: pip install face_recognition_models==0.3.0 && asianage train compact labels.csv run
COMPACT = TrainingRecipe(
    name="compact",
    architecture="dlib_resnet",
    network={"blocks": (3, 4, 3, 1), "dropout": 0.2},
    pretrained="dlib",
    epochs=50,
    learning_rate=1.2e-3,
    clip_norm=1.0,
    precision="mixed_bfloat16",
    other_group_share=0.35,
    augmentation=Augmentation(cutout=0.3),
)

# A second cycle. Half of what it learns is what two models before it say together of the unchanged crop: ages of photos
# are uncertain and some labels wrong, and an average of two networks that differ knows more than either. Views are
# milder, because the network fits its training faces hardly better than others.
# Hardware and time: two CPU cores, about 75 seconds an epoch.
# Expected: MAE on val, one pass in floating point: AFAD 4.09, All-Age-Faces 4.90, UTKFace 3.12 (within about 0.05).
# Command: asianage train compact-refine labels.csv refined --initial run/model --teacher run/model \
#              --teacher scratch-refined/model
COMPACT_REFINE = COMPACT.changed(
    name="compact-refine",
    pretrained="",
    epochs=12,
    learning_rate=6e-4,
    warmup_epochs=0.5,
    other_group_share=0.25,
    teacher_weight=0.5,
    augmentation=Augmentation(rotation=10.0, zoom=0.12, shift=0.05, cutout=0.2, noise=0.05, grey=0.05),
    seed=1,
)

# A third teacher: larger crops, which hold all that the pictures of AFAD show, and one more block.
# Hardware and time: two CPU cores, about 95 seconds an epoch.
# Expected: MAE on val, one pass in floating point: AFAD 4.06, All-Age-Faces 4.88, UTKFace 3.17 (within about 0.05).
# Command: asianage train compact-large labels.csv large --teacher refined/model --teacher scratch-refined/model
COMPACT_LARGE = COMPACT_REFINE.changed(
    name="compact-large",
    network={"blocks": (3, 4, 3, 2), "dropout": 0.2},
    pretrained="dlib",
    image_size=112,
    margin=20,
    epochs=24,
    learning_rate=1.2e-3,
    warmup_epochs=1.0,
    seed=2,
)

# A part of the third teacher that is quick enough to be bundled, which learns from all three. It sees every view
# beside its mirror image and has to say the same of both, so that one pass is enough at prediction.
# Hardware and time: two CPU cores, about 150 seconds an epoch.
# Expected: MAE on val, one pass in floating point: AFAD 4.02, All-Age-Faces 4.87, UTKFace 3.05 (within about 0.05).
# Command: asianage train compact-distill labels.csv distilled --initial large/model \
#              --teacher large/model --teacher refined/model --teacher scratch-refined/model
COMPACT_DISTILL = COMPACT_LARGE.changed(
    name="compact-distill",
    network={"blocks": (2, 4, 3, 1), "dropout": 0.2},
    pretrained="",
    epochs=22,
    learning_rate=1e-3,
    warmup_epochs=0.5,
    mirror_weight=0.1,
    teacher_weight=0.7,
    seed=3,
)

# A fourth teacher, of another origin: it had learned people, ages and genders from
# other pictures. It sees crops as if they were enlarged twice; its first blocks stay as they are, which saves time.
# Hardware and time: two CPU cores, about 255 seconds an epoch.
# Expected: MAE on val, one pass in floating point: AFAD 3.88, All-Age-Faces 4.46, UTKFace 3.21 (within about 0.05).
# Command: asianage train mobilenet labels.csv mobilenet --name accurate --pretrained faceres.bin \
#              --teacher large/model --teacher refined/model --teacher scratch-refined/model
MOBILENET = COMPACT_REFINE.changed(
    name="mobilenet",
    architecture="mobilenet",
    network={"dropout": 0.2, "frozen_blocks": 5},
    pretrained="faceres",
    image_size=112,
    margin=20,
    epochs=10,
    learning_rate=5e-4,
    seed=3,
)

# The bundled model `accurate`: `mobilenet` goes on, taught by itself and `compact-distill-refine`; the gender counts
# twice.
# Hardware and time: two CPU cores, about 165 seconds an epoch.
# Expected: on val, one pass in floating point: MAE AFAD 3.78, All-Age-Faces 4.37, UTKFace 3.08 (within about 0.05);
#   gender right for 98.8, 96.7 and 92.4 % (within about a percent).
# Command: asianage train mobilenet-refine labels.csv accurate --name accurate --initial mobilenet/model \
#              --teacher mobilenet/model --teacher distilled-refined/model
MOBILENET_REFINE = MOBILENET.changed(
    name="mobilenet-refine", pretrained="", epochs=16, learning_rate=4e-4, gender_weight=2.0, seed=9
)

# `compact-distill` goes on, with the best two teachers. The gender counts more, in which it was behind them. It was the
# bundled model `compact` once.
# Hardware and time: two CPU cores, about 145 seconds an epoch.
# Expected: on val, one pass in floating point: MAE AFAD 4.03, All-Age-Faces 4.86, UTKFace 3.17 (within about 0.05);
#   gender right for 98.3, 95.8 and 94.0 % (within about a percent).
# Command: asianage train compact-distill-refine labels.csv distilled-refined --initial distilled/model \
#              --teacher mobilenet/model --teacher large/model
COMPACT_DISTILL_REFINE = COMPACT_DISTILL.changed(
    name="compact-distill-refine", epochs=12, learning_rate=8e-4, gender_weight=2.0, teacher_weight=0.8, seed=4
)

# The bundled model `compact`: the network of `accurate` on smaller crops that it does not enlarge, a fifth of the work.
# It begins with the weights of `accurate`, and learns to say what `accurate` says and to tell the features that it says
# it by.
# Hardware and time: two CPU cores, about three minutes an epoch.
# Expected: on val, one pass in floating point: MAE AFAD 3.99, All-Age-Faces 4.71, UTKFace 2.99 (within about 0.05);
#   gender right for 98.5, 96.5 and 91.2 % (within about a percent).
# Command: asianage train compact-mobilenet labels.csv compact --name compact --initial accurate --teacher accurate
COMPACT_MOBILENET = COMPACT_DISTILL_REFINE.changed(
    name="compact-mobilenet",
    architecture="mobilenet",
    network={"dropout": 0.2, "stem_strides": 2},
    image_size=96,
    margin=17,
    epochs=32,
    learning_rate=1e-3,
    precision="float32",
    feature_weight=1.0,
    seed=7,
)

# A network of the same cost as `compact` from random weights, and a second cycle for it with milder views and fewer
# faces of other groups: the second teacher, which was the bundled model once.
# Hardware and time: two CPU cores, two minutes an epoch.
# Command: asianage train compact-scratch labels.csv scratch
#          asianage train compact-scratch-refine labels.csv scratch-refined --initial scratch/model
COMPACT_SCRATCH = TrainingRecipe(
    name="compact-scratch",
    network={"widths": (16, 48, 96, 192, 256), "blocks": (0, 1, 1, 2, 1), "dropout": 0.2},
    epochs=36,
    precision="mixed_bfloat16",
    other_group_share=0.5,
)
COMPACT_SCRATCH_REFINE = COMPACT_SCRATCH.changed(
    name="compact-scratch-refine",
    epochs=18,
    learning_rate=1.2e-3,
    other_group_share=0.25,
    augmentation=Augmentation(rotation=10.0, zoom=0.12, shift=0.05, cutout=0.2, noise=0.05, grey=0.05),
    seed=1,
)


# The study: 'Detect Gender and Age of Asian Individuals with Deep Learning' (yenholaivy): its networks, its optimizer,
# its ages. What it leaves open is chosen so: faces as `cut_crops` cuts them, and the best epoch by the figure on val.
# Expected are its own figures, to the digit that it gives, on the full AFAD and a split as `--split study` makes it.
_STUDY = TrainingRecipe(
    name="",
    architecture="simple_cnn",
    image_size=100,
    margin=0,
    only_ages=(15, 40),
    objective="regression",
    gender_smoothing=0.0,
    epochs=50,
    batch_size=32,
    learning_rate=3e-4,
    schedule="constant",
    warmup_epochs=0.0,
    weight_decay=0.0,
    ema_momentum=0.0,
    precision="float32",
    augmentation=None,
)

# Gender by the simple CNN: 2,588,705 parameters.
# Hardware and time: two CPU cores, 7 seconds per 1,000 faces and epoch (measured beside another training).
# Expected: accuracy 93 %; precision male 96 %, female 89 %.
# Command: asianage train simple-cnn-gender AFAD-Full run --split study
SIMPLE_CNN_GENDER = _STUDY.changed(
    name="simple-cnn-gender", network={"task": "gender"}, learning_rate=1e-3, patience=15
)

# Age by the simple CNN, one network for everybody: 2,588,705 parameters.
# Hardware and time: as simple-cnn-gender.
# Expected: MAE 4.1 years.
# Command: asianage train simple-cnn-age AFAD-Full run --split study
SIMPLE_CNN_AGE = _STUDY.changed(name="simple-cnn-age", network={"task": "age"})

# The same network, one per gender.
# Hardware and time: as simple-cnn-gender, for the share of the faces that are of that gender.
# Expected: MAE 4.0 years for men; the study gives none for women.
# Command: asianage train simple-cnn-age-male AFAD-Full run --split study
#          asianage train simple-cnn-age-female AFAD-Full run --split study
SIMPLE_CNN_AGE_MALE = SIMPLE_CNN_AGE.changed(name="simple-cnn-age-male", only_gender="male", epochs=40, patience=5)
SIMPLE_CNN_AGE_FEMALE = SIMPLE_CNN_AGE_MALE.changed(name="simple-cnn-age-female", only_gender="female")

# Age by transfer from VGGFace, one network per gender: 15,371,329 parameters, of which the 1,735,488 of blocks 1 to 3
# are frozen. The weights of VGGFace are fetched once, or given with --pretrained. The rate is that of the simple CNN.
# Hardware and time: a GPU, time not measured; on two CPU cores beside another training, one step of 32 faces and the
#   validation of 200 took 100 seconds together.
# Expected: MAE 3.6 years for men (3.58) and for women (3.63).
# Command: asianage train vggface-age-male AFAD-Full run --split study
#          asianage train vggface-age-female AFAD-Full run --split study
VGGFACE_AGE_MALE = _STUDY.changed(
    name="vggface-age-male",
    architecture="vggface",
    network={"task": "age"},
    pretrained="vggface",
    image_size=224,
    only_gender="male",
    epochs=6,
    precision="auto",
)
VGGFACE_AGE_FEMALE = VGGFACE_AGE_MALE.changed(name="vggface-age-female", only_gender="female", epochs=10)

# One network, one schedule, four ways to learn an age, to be compared on the same faces; not to be used.
# Hardware and time: two CPU cores, 10 to 20 seconds per 1,000 faces and epoch (measured beside another training).
# Expected: no published figure is of this network; what counts is the difference between the four.
# Command: asianage train compact-regression AFAD run --split identity (likewise compact-cross-entropy,
#          compact-label-distribution and compact-ordinal)
COMPACT_LABEL_DISTRIBUTION = TrainingRecipe(
    name="compact-label-distribution",
    network={"head": "logits"},
    epochs=8,
    # Some hundred steps in all: a longer memory would still hold the random weights of the beginning.
    ema_momentum=0.99,
    precision="mixed_bfloat16",
)
COMPACT_CROSS_ENTROPY = COMPACT_LABEL_DISTRIBUTION.changed(name="compact-cross-entropy", objective="cross_entropy")
COMPACT_REGRESSION = COMPACT_LABEL_DISTRIBUTION.changed(
    name="compact-regression", network={"head": "regression"}, objective="regression"
)
COMPACT_ORDINAL = COMPACT_LABEL_DISTRIBUTION.changed(
    name="compact-ordinal", network={"head": "ordinal"}, objective="ordinal"
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        COMPACT,
        COMPACT_REFINE,
        COMPACT_LARGE,
        COMPACT_DISTILL,
        MOBILENET,
        MOBILENET_REFINE,
        COMPACT_DISTILL_REFINE,
        COMPACT_MOBILENET,
        COMPACT_SCRATCH,
        COMPACT_SCRATCH_REFINE,
        SIMPLE_CNN_GENDER,
        SIMPLE_CNN_AGE,
        SIMPLE_CNN_AGE_MALE,
        SIMPLE_CNN_AGE_FEMALE,
        VGGFACE_AGE_MALE,
        VGGFACE_AGE_FEMALE,
        COMPACT_REGRESSION,
        COMPACT_CROSS_ENTROPY,
        COMPACT_LABEL_DISTRIBUTION,
        COMPACT_ORDINAL,
    )
}
"""Recipes of one network by name; those of several are in `composed_recipes`, those of none in `baselines`."""
