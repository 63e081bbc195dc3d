"""The study's recipes: 'Detect Gender and Age of Asian Individuals with Deep Learning' (yenholaivy).

Networks, optimizer and ages are the study's. What it leaves open is chosen so: faces as `cut_crops` cuts them, and the
best epoch by the figure on val. Expected are its own figures, to the digit that it gives, on the full AFAD:

===================  =============  =====================================================================
recipe               parameters     expected
===================  =============  =====================================================================
simple-cnn-gender    2,588,705      accuracy 93 %; precision male 96 %, female 89 %
simple-cnn-age       2,588,705      MAE 4.1 years
simple-cnn-age-male  2,588,705      MAE 4.0 years; the study gives none for women
vggface-age-*        15,371,329     MAE 3.58 years for men, 3.63 for women; 1,735,488 parameters are frozen
study                the three      accuracy 93 %; the study gives no MAE of the whole
===================  =============  =====================================================================

Hardware and time: two CPU cores take 7 seconds per 1,000 faces and epoch of a simple CNN (measured beside another
training). VGGFace needs a GPU: one step of 32 faces and the validation of 200 took such cores 100 seconds.
Command: asianage train study AFAD-Full run --split study (likewise every other recipe). The weights of VGGFace are
fetched once, or given with --pretrained.
"""

from __future__ import annotations

from dataclasses import replace

from asianage.data.splits import STUDY_AGES
from asianage.training.recipes.recipe import Faces, GenderLoss, Optimizer, Regression, TrainingRecipe
from asianage.training.recipes.staged import Recipe, Stage, StagedRecipe

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
SIMPLE_CNN_GENDER = replace(
    SIMPLE_CNN_AGE,
    name="simple-cnn-gender",
    network={"task": "gender"},
    age_loss=None,
    gender_loss=GenderLoss(smoothing=0.0),
    optimizer=replace(SIMPLE_CNN_AGE.optimizer, learning_rate=1e-3),
    patience=15,
)
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
# The study gives no learning rate of VGGFace: it is that of the simple CNN.
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

# The parts share one split, so that no part learns from a face that measures another. The likelier gender selects the
# age network.
STUDY = StagedRecipe(
    name="study",
    stages=(
        Stage(recipe=SIMPLE_CNN_GENDER, part="gender"),
        Stage(recipe=VGGFACE_AGE_FEMALE, part="age_female"),
        Stage(recipe=VGGFACE_AGE_MALE, part="age_male"),
    ),
)
STUDY_SIMPLE_CNN = StagedRecipe(
    name="study-simple-cnn",
    stages=(
        Stage(recipe=SIMPLE_CNN_GENDER, part="gender"),
        Stage(recipe=SIMPLE_CNN_AGE_FEMALE, part="age_female"),
        Stage(recipe=SIMPLE_CNN_AGE_MALE, part="age_male"),
    ),
)

_RECIPES: tuple[Recipe, ...] = (
    *(stage.recipe for system in (STUDY, STUDY_SIMPLE_CNN) for stage in system.stages),
    SIMPLE_CNN_AGE,
    STUDY,
    STUDY_SIMPLE_CNN,
)

STUDY_RECIPES = {recipe.name: recipe for recipe in _RECIPES}
"""The study's recipes by name."""
