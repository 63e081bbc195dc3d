"""Named recipes: every choice of a training run as plain values."""

from __future__ import annotations

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
        label_sigma: Spread of the age targets for adults, in years.
        expectation_weight: Weight of the absolute error of the expected age, per year.
        gender_weight: Weight of the gender loss.
        gender_smoothing: Label smoothing of the gender loss.
        epochs: Passes over the training crops.
        batch_size: Views per step.
        learning_rate: Peak of the schedule: linear warm-up, then cosine to zero.
        warmup_epochs: Length of the warm-up.
        clip_norm: Largest norm of all gradients together; 0 does not limit it.
        weight_decay: Decoupled decay of kernels, as in AdamW.
        ema_momentum: Weights are averaged over about 1 / (1 - ema_momentum) steps.
        precision: Keras dtype policy of the training.
        other_group_share: Probability that a face labelled with a group other than Asian is used in an epoch.
        augmentation: How far views may go.
        seed: Seed of weights, order and views.
    """

    name: str
    architecture: str = "compact"
    network: dict[str, Any] = field(default_factory=dict)
    pretrained: str = ""
    image_size: int = 96
    margin: int = 16
    min_age: int = 0
    max_age: int = 100
    label_sigma: float = 2.0
    expectation_weight: float = 0.15
    gender_weight: float = 1.0
    gender_smoothing: float = 0.02
    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 2e-3
    warmup_epochs: float = 1.0
    clip_norm: float = 0.0
    weight_decay: float = 0.02
    ema_momentum: float = 0.998
    precision: str = "float32"
    other_group_share: float = 1.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def changed(self, **values: Any) -> TrainingRecipe:
        """Return a copy with other values."""
        return replace(self, **values)


# The bundled model: the first eleven blocks of dlib's face recognition network, trained on.
# Hardware and time: two CPU cores, about 75 seconds an epoch.
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

# A network of the same cost from random weights, and a second cycle for it with milder views and fewer faces of other
# groups: what the bundled model was before.
# Hardware and time: two CPU cores, two minutes an epoch.
# Command: asianage train compact-scratch labels.csv run
#          asianage train compact-scratch-refine labels.csv refined --initial run/model
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

RECIPES = {recipe.name: recipe for recipe in (COMPACT, COMPACT_SCRATCH, COMPACT_SCRATCH_REFINE)}
