"""The study's recipes: 'Detect Gender and Age of Asian Individuals with Deep Learning' (yenholaivy).

Networks, optimizer and ages are the study's. What it leaves open is chosen so: faces as `cut_crops` cuts them, and the
best epoch by the figure on val. Expected are its own figures, to the digit that it gives, on the full AFAD and a split
as `--split study` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from asianage.data.splits import STUDY_AGES
from asianage.training.recipes.recipe import (
    Faces,
    GenderLoss,
    Optimizer,
    PlannedRun,
    Recipe,
    Regression,
    TrainingRecipe,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecipe:
    """Three networks that are trained apart and become one: the likelier gender selects the age network.

    Attributes:
        name: Name of the recipe.
        gender: Recipe of the network for the gender.
        age_female: Recipe of the network for the ages of women.
        age_male: Recipe of the network for the ages of men.
    """

    name: str
    gender: TrainingRecipe
    age_female: TrainingRecipe
    age_male: TrainingRecipe

    @property
    def parts(self) -> dict[str, TrainingRecipe]:
        """The recipes by the name of the part, in the order of training."""
        return {"gender": self.gender, "age_female": self.age_female, "age_male": self.age_male}

    def runs(self, output: Path) -> list[PlannedRun]:
        """Return a run for each part, in a folder of its own."""
        return [
            PlannedRun(recipe=recipe, folder=output / part, crops=output / part / "crops", part=part)
            for part, recipe in self.parts.items()
        ]


# Age by the simple CNN, one network for everybody: 2,588,705 parameters.
# Hardware and time: two CPU cores, 7 seconds per 1,000 faces and epoch (measured beside another training).
# Expected: MAE 4.1 years.
# Command: asianage train simple-cnn-age AFAD-Full run --split study
SIMPLE_CNN_AGE = TrainingRecipe(
    name="simple-cnn-age",
    architecture="simple_cnn",
    network={"task": "age"},
    faces=Faces(image_size=100, margin=0, ages=STUDY_AGES),
    age_loss=Regression(),
    gender_loss=None,
    optimizer=Optimizer(learning_rate=3e-4, schedule="constant", warmup_epochs=0.0, weight_decay=0.0, ema_momentum=0.0),
    epochs=50,
    batch_size=32,
    augmentation=None,
)

# Gender by the simple CNN: 2,588,705 parameters.
# Hardware and time: as simple-cnn-age.
# Expected: accuracy 93 %; precision male 96 %, female 89 %.
# Command: asianage train simple-cnn-gender AFAD-Full run --split study
SIMPLE_CNN_GENDER = replace(
    SIMPLE_CNN_AGE,
    name="simple-cnn-gender",
    network={"task": "gender"},
    age_loss=None,
    gender_loss=GenderLoss(smoothing=0.0),
    optimizer=replace(SIMPLE_CNN_AGE.optimizer, learning_rate=1e-3),
    patience=15,
)

# The network for ages, one per gender.
# Hardware and time: as simple-cnn-age, for the share of the faces that are of that gender.
# Expected: MAE 4.0 years for men; the study gives none for women.
# Command: asianage train simple-cnn-age-male AFAD-Full run --split study
#          asianage train simple-cnn-age-female AFAD-Full run --split study
SIMPLE_CNN_AGE_MALE = replace(
    SIMPLE_CNN_AGE,
    name="simple-cnn-age-male",
    faces=replace(SIMPLE_CNN_AGE.faces, gender="male"),
    epochs=40,
    patience=5,
)
SIMPLE_CNN_AGE_FEMALE = replace(
    SIMPLE_CNN_AGE_MALE, name="simple-cnn-age-female", faces=replace(SIMPLE_CNN_AGE.faces, gender="female")
)

# Age by transfer from VGGFace, one network per gender: 15,371,329 parameters, of which the 1,735,488 of blocks 1 to 3
# are frozen. The weights of VGGFace are fetched once, or given with --pretrained. The rate is that of the simple CNN.
# Hardware and time: a GPU, time not measured; on two CPU cores beside another training, one step of 32 faces and the
#   validation of 200 took 100 seconds together.
# Expected: MAE 3.6 years for men (3.58) and for women (3.63).
# Command: asianage train vggface-age-male AFAD-Full run --split study
#          asianage train vggface-age-female AFAD-Full run --split study
VGGFACE_AGE_MALE = replace(
    SIMPLE_CNN_AGE,
    name="vggface-age-male",
    architecture="vggface",
    pretrained="vggface",
    faces=Faces(image_size=224, margin=0, gender="male", ages=STUDY_AGES),
    epochs=6,
    dtype_policy="auto",
)
VGGFACE_AGE_FEMALE = replace(
    VGGFACE_AGE_MALE,
    name="vggface-age-female",
    faces=replace(VGGFACE_AGE_MALE.faces, gender="female"),
    epochs=10,
)

# The system of the study: the gender network, then the age network of that gender, as one model; and the same with the
# simple CNN for the ages. All parts share one split, so that no part learns from a face that measures another.
# Hardware and time: the sum of the parts.
# Expected: accuracy 93 %; the study gives no MAE of the whole.
# Command: asianage train study AFAD-Full run --split study
#          asianage train study-simple-cnn AFAD-Full run --split study
STUDY = StudyRecipe(name="study", gender=SIMPLE_CNN_GENDER, age_female=VGGFACE_AGE_FEMALE, age_male=VGGFACE_AGE_MALE)
STUDY_SIMPLE_CNN = StudyRecipe(
    name="study-simple-cnn", gender=SIMPLE_CNN_GENDER, age_female=SIMPLE_CNN_AGE_FEMALE, age_male=SIMPLE_CNN_AGE_MALE
)

_RECIPES: tuple[Recipe, ...] = (
    *STUDY.parts.values(),
    *STUDY_SIMPLE_CNN.parts.values(),
    SIMPLE_CNN_AGE,
    STUDY,
    STUDY_SIMPLE_CNN,
)

STUDY_RECIPES = {recipe.name: recipe for recipe in _RECIPES}
"""The study's recipes by name."""
