"""What a recipe is: every choice of a training as plain values, and the runs that it consists of."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from asianage.models.ages import ESTIMATES, AgeAxis
from asianage.networks.registry import head_of, tasks_of
from asianage.training.augmentation import Augmentation
from asianage.training.run_folder import CROPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """Which faces are used, and how large their crops are.

    Attributes:
        image_size: Side of the crops, in pixels.
        margin: Pixels kept around the crops for augmentation, on each side.
        gender: Only faces of this gender are used; "" uses all.
        ages: First and last age of the faces that are used, in years; None uses all, also those of unknown age.
        other_group_share: How often an epoch uses a face of one of UTKFace's groups other than Asian, on average,
            where it uses an Asian face once.
        age_balance: How far rare ages are used more often, from 0, not at all, to 1, until all ages are equally
            frequent. No face is used more than `MAX_REPEATS` times an epoch on average.
        emphasis: (first age, last age, factor): faces whose labels lie between both ages are used more often by this
            factor, and others less: the length of an epoch stays.
    """

    image_size: int
    margin: int
    gender: str = ""
    ages: tuple[float, float] | None = None
    other_group_share: float = 1.0
    age_balance: float = 0.0
    emphasis: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelDistribution:
    """Divergence from a normal distribution around the label, plus the error of the expected age (DLDL-v2).

    Attributes:
        sigma: Spread of the targets for adults, in years.
        expectation_weight: Weight of the absolute error of the expected age, per year.
    """

    head: ClassVar[str] = "logits"
    sigma: float = 2.0
    expectation_weight: float = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossEntropy:
    """Cross-entropy of the class of the age; every whole year is a class."""

    head: ClassVar[str] = "logits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """Absolute error of the age in years."""

    head: ClassVar[str] = "regression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordinal:
    """Binary cross-entropies of P(age > k) for every year k (OR-CNN)."""

    head: ClassVar[str] = "ordinal"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanVariance:
    """Cross-entropy of the class, plus the squared error of the expected age and the variance (Pan et al., CVPR 2018).

    Attributes:
        mean_weight: Weight of half the squared error of the expected age, per square year.
        variance_weight: Weight of the variance of the distribution, per square year.
    """

    head: ClassVar[str] = "logits"
    mean_weight: float = 0.2
    variance_weight: float = 0.05


AgeLoss: TypeAlias = LabelDistribution | CrossEntropy | Regression | Ordinal | MeanVariance
"""A loss for the age; its `head` is the head of `asianage.networks.heads` that it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenderLoss:
    """Binary cross-entropy of the gender.

    Attributes:
        weight: Weight beside the loss of the age, whose weight is 1.
        smoothing: Label smoothing.
    """

    weight: float = 1.0
    smoothing: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """AdamW, its schedule, and the average of its steps.

    Attributes:
        learning_rate: Peak of the schedule: a linear warm-up, then what `schedule` names.
        schedule: "cosine" falls to zero, "constant" stays.
        warmup_epochs: Length of the warm-up.
        clip_norm: Largest norm of all gradients together; 0 does not limit it.
        weight_decay: Decoupled decay of kernels; 0 leaves plain Adam.
        ema_momentum: Weights are averaged over about 1 / (1 - ema_momentum) steps; 0 does not average.

    Raises:
        ValueError: `learning_rate` is not above 0, or there is no such schedule.
    """

    learning_rate: float
    schedule: str = "cosine"
    warmup_epochs: float = 1.0
    clip_norm: float = 0.0
    weight_decay: float = 0.02
    ema_momentum: float = 0.998

    def __post_init__(self) -> None:
        if not 0.0 < self.learning_rate < math.inf:
            raise ValueError(f"`learning_rate` must be above 0. Received: {self.learning_rate}.")
        if self.schedule not in ("cosine", "constant"):
            raise ValueError(f"`schedule` must be one of cosine, constant. Received: {self.schedule!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """Learning from teachers beside the labels (Hinton et al., 2015).

    Attributes:
        weight: Share of the targets that the teachers give; the labels give the rest.
        feature_weight: Weight of the loss of the first teacher's features (FitNets); 0 leaves features alone.
        label_spread: Teachers are told the label: a normal distribution around it with this standard deviation, in
            years, multiplies their ages. 0 takes these as they are.

    Raises:
        ValueError: `weight` is not in (0, 1], or another value is negative.
    """

    weight: float
    feature_weight: float = 0.0
    label_spread: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.weight <= 1.0 or self.feature_weight < 0.0 or self.label_spread < 0.0:
            raise ValueError(f"`weight` must be in (0, 1], and the other values 0 or more. Received: {self}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One network of a recipe: what is trained, from what, and where.

    Attributes:
        recipe: What is trained.
        folder: Folder of the run.
        crops: Folder of the crops.
        initial: Model that it begins with; None begins as the recipe states.
        teachers: Models that it learns from.
        measured: Whether figures are measured; False for what only leads to another network.
        part: Name of the network in the network that all runs together make; "" for a network of its own.
    """

    recipe: TrainingRecipe
    folder: Path
    crops: Path
    initial: str | os.PathLike[str] | None = None
    teachers: tuple[str | os.PathLike[str], ...] = ()
    measured: bool = True
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe:
    """Everything that decides the weights of one network, apart from the data.

    Attributes:
        name: Name of the recipe.
        architecture: Name of the network, as in `asianage.networks.registry`.
        network: Arguments of the network other than image size and ages. Its `head` and `task` fit the losses.
        pretrained: Published weights that the backbone begins with, a name in `asianage.networks.pretrained`; ""
            begins with random ones.
        begins_with: Name of the recipe whose model it must begin with, or another model of that network; "" for none.
        min_age: First age of the axis, in years.
        max_age: Last age of the axis, in years.
        faces: Which faces are used, and how large their crops are.
        age_estimate: Which age the finished model says, "mean" or "median"; see `asianage.models.config.Calibration`.
        age_loss: Loss of the age; None where the network does not learn it.
        gender_loss: Loss of the gender; None where the network does not learn it.
        optimizer: The optimizer and its schedule.
        epochs: Passes over the training crops.
        batch_size: Crops per step.
        patience: Training ends after so many epochs without a better one; 0 always goes to the end.
        freeze: Beginnings of the names of layers whose weights stay as they are; "backbone" stands for all layers but
            the heads.
        freeze_normalization: Whether normalizations keep the statistics and factors that they begin with.
        dtype_policy: Keras dtype policy of the training; "auto" is mixed_bfloat16 on GPUs that have it, otherwise
            float32.
        distillation: Learning from teachers; None learns from the labels alone.
        initial_share: Share of the model to begin with in the weights of the finished network, which are the average of
            both (Wortsman et al.: 'Robust fine-tuning of zero-shot models', CVPR 2022).
        augmentation: Random changes of the training crops; None leaves them as they are.
        seed: Seed of weights, order and augmentation.

    Raises:
        ValueError: A value is out of range, or losses, network and distillation do not fit together.
    """

    name: str
    architecture: str
    network: Mapping[str, Any] = field(default_factory=dict)
    pretrained: str = ""
    begins_with: str = ""
    min_age: int = 0
    max_age: int = 100
    faces: Faces
    age_estimate: str = "mean"
    age_loss: AgeLoss | None
    gender_loss: GenderLoss | None
    optimizer: Optimizer
    epochs: int
    batch_size: int
    patience: int = 0
    freeze: tuple[str, ...] = ()
    freeze_normalization: bool = False
    dtype_policy: str = "float32"
    distillation: Distillation | None = None
    initial_share: float = 0.0
    augmentation: Augmentation | None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more. Received: {getattr(self, name)}.")
        if not 0.0 <= self.initial_share < 1.0:
            raise ValueError(f"`initial_share` must be in [0, 1). Received: {self.initial_share}.")
        if self.age_estimate not in ESTIMATES:
            raise ValueError(f"`age_estimate` must be {' or '.join(ESTIMATES)}. Received: {self.age_estimate!r}.")
        learned, head = tasks_of(self.architecture, self.network), head_of(self.architecture, self.network)
        if self.tasks != learned:
            raise ValueError(
                f"The network {self.architecture!r} with {dict(self.network)} learns {' and '.join(sorted(learned))}. "
                f"Received losses for: {', '.join(sorted(self.tasks)) or 'nothing'}. Set `age_loss` and `gender_loss` "
                "to None exactly where the network does not learn it."
            )
        if self.age_loss is not None and head not in (None, self.age_loss.head):
            raise ValueError(
                f"{type(self.age_loss).__name__} needs a network with the head {self.age_loss.head!r}. Received the "
                f"network {self.architecture!r} with {dict(self.network)}. Set `head` in `network`."
            )
        if self.distillation is not None and not isinstance(self.age_loss, LabelDistribution):
            raise ValueError(f"A distillation needs a LabelDistribution as `age_loss`. Received: {self.age_loss}.")

    @property
    def axis(self) -> AgeAxis:
        """The ages that the network tells apart."""
        return AgeAxis(self.min_age, self.max_age)

    @property
    def tasks(self) -> frozenset[str]:
        """What the network learns: "age", "gender" or both."""
        losses = {"age": self.age_loss, "gender": self.gender_loss}
        return frozenset(task for task, loss in losses.items() if loss is not None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = asdict(self)
        if self.age_loss is not None:
            values["age_loss"] = {"kind": type(self.age_loss).__name__, **values["age_loss"]}
        return json.loads(json.dumps(values))

    def runs(self, output: Path) -> list[PlannedRun]:
        """Return the one run in a folder."""
        return [PlannedRun(recipe=self, folder=output, crops=output / CROPS)]
