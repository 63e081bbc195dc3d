"""A data set, a backbone and a recipe of one's own, in one file. Needs the extra `train`.

    asianage train examples/my_recipe.py FACES OUTPUT --split identity --detector none

FACES is a folder of pictures named NUMBER_AGE_GENDER.jpg with F or M as the gender, for instance 0007_31_F.jpg.
"""

from __future__ import annotations

import re
from pathlib import Path

import keras

from asianage.data import Dataset, FaceRecord, register_dataset
from asianage.training import register_backbone
from asianage.training.recipes import Faces, GenderLoss, LabelDistribution, Optimizer, TrainingRecipe

NAME = re.compile(r"(\d+)_(\d+)_([FM])")


@register_dataset
class StudioFaces(Dataset):
    """Pictures named NUMBER_AGE_GENDER.jpg."""

    name = "studio"

    def has(self, path: Path) -> bool:
        """Tell whether a picture is named so."""
        return NAME.fullmatch(path.stem) is not None

    def label(self, path: Path) -> FaceRecord:
        """Return the labels in the name."""
        person, age, letter = NAME.fullmatch(path.stem).groups()
        gender = {"F": "female", "M": "male"}[letter]
        return FaceRecord(path, float(age), gender, dataset=self.name, identity=person)


@register_backbone("three_convolutions")
def three_convolutions(crops, *, width: int = 16):
    """Three convolutions, each at half the resolution of the one before."""
    x = keras.layers.Rescaling(1 / 255)(crops)
    for factor in (1, 2, 4):
        x = keras.layers.Conv2D(factor * width, 3, strides=2, padding="same", activation="relu")(x)
    return x


RECIPE = TrainingRecipe(
    name="my-recipe",
    architecture="three_convolutions",
    network={"width": 8},
    faces=Faces(image_size=48, margin=0),
    age_loss=LabelDistribution(),
    gender_loss=GenderLoss(),
    optimizer=Optimizer(learning_rate=2e-3),
    epochs=2,
    batch_size=16,
    augmentation=None,
)
