"""The recipe of the bundled face detector: a network that finds faces, and one that finds a face's landmarks.

Hardware and time: one NVIDIA H200, while one CPU core makes the pictures in about 80 minutes.
Expected: 89 % of the faces in the photos of validation found, within 3 points, with 7 wrong boxes per 100 photos.
Command: asianage train detector photos run --faces faces.csv
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from asianage.training.recipes.recipe import Optimizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Collages:
    """How pictures of faces are made to train the search on.

    Attributes:
        image_size: Side of the collage, in pixels, a multiple of 32.
        most_faces: Most faces that count.
        photo_share: Share of collages that begin with a photo of several faces.
        large_share: Share of collages that show one large face.
        upright: Share of pictures that are turned by a few degrees only.
        tilted: Share of pictures that are turned by up to 55 degrees; the rest is turned by any angle.
        face_sizes: Smallest and largest face that is laid on, in pixels.
        disguised: Probability that a face is covered or lit from one side.
        spoiled: Probability that the whole picture is dark, bright, blurred or compressed.
    """

    image_size: int = 320
    most_faces: int = 40
    photo_share: float = 0.5
    large_share: float = 0.17
    upright: float = 0.65
    tilted: float = 0.35
    face_sizes: tuple[float, float] = (10.0, 160.0)
    disguised: float = 0.3
    spoiled: float = 0.4

    def __post_init__(self) -> None:
        if self.image_size % 32:
            raise ValueError(f"`image_size` of collages must be a multiple of 32. Received: {self.image_size}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patches:
    """How patches of single faces are made to train the landmarks on.

    Attributes:
        turned: Share of faces that are turned by any angle and lie as a detector's box does; the others lie almost as
            the landmarks of a first look put them.
        empty: Share of patches without a face.
        small: Share of faces that are made of fewer pixels than the patch has.
        disguised: Probability that a face is covered or lit from one side.
        spoiled: Probability that the patch is dark, bright, blurred or compressed.
    """

    turned: float = 0.5
    empty: float = 0.2
    small: float = 0.35
    disguised: float = 0.35
    spoiled: float = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How long a network is trained, and in which steps.

    Attributes:
        optimizer: The optimizer and its schedule.
        epochs: Number of epochs. Each ends with a validation and a checkpoint.
        steps_per_epoch: Batches of an epoch.
        batch_size: Pictures of a batch.
    """

    optimizer: Optimizer
    epochs: int
    steps_per_epoch: int
    batch_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorRecipe:
    """Everything that decides the weights of a detector, apart from the data.

    Attributes:
        name: Name of the recipe, and of the detector.
        pretrained: Published weights that the search begins with, a name in `asianage.networks.pretrained`; "" begins
            with random ones.
        collages: What the search is trained on.
        box_weight: Weight of the distance of boxes.
        landmarks_weight: Weight of the error of landmarks in the search.
        search: Steps of the search.
        patches: What the landmarks are trained on.
        face_weight: Weight of the verdict whether a patch shows a face, beside the error of the landmarks.
        landmarks: Steps of the landmarks.
        score_threshold: Score from which a face counts, in [0, 1].
        most_extra: Wrong boxes per 100 photos at which the recall chooses the best epoch.
        seed: Seed of everything that is random.
    """

    name: str = "detector"
    pretrained: str = "yunet"
    collages: Collages = field(default_factory=Collages)
    box_weight: float = 5.0
    landmarks_weight: float = 8.0
    search: Steps
    patches: Patches = field(default_factory=Patches)
    face_weight: float = 2.0
    landmarks: Steps
    score_threshold: float = 0.68
    most_extra: float = 10.0
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return json.loads(json.dumps(asdict(self)))


DETECTOR = DetectorRecipe(
    search=Steps(
        optimizer=Optimizer(learning_rate=1.2e-3, warmup_epochs=2.0, clip_norm=5.0, weight_decay=1e-4),
        epochs=31,
        steps_per_epoch=100,
        batch_size=64,
    ),
    landmarks=Steps(
        optimizer=Optimizer(learning_rate=2e-3, clip_norm=5.0, weight_decay=1e-4),
        epochs=33,
        steps_per_epoch=200,
        batch_size=256,
    ),
)
"""The recipe of the bundled detector."""
