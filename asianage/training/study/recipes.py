"""The study's recipes: 'Detect Gender and Age of Asian Individuals with Deep Learning' (yenholaivy).

Networks, pixels, optimizers, epochs and patience are those of its notebooks. Expected are its own figures on the full
AFAD with ``--split study --detector none``, measured on the faces that the best epoch was chosen by:

=====================  ============  =================================  ===========================================
recipe                 parameters    expected                           measured on
=====================  ============  =================================  ===========================================
simple-cnn-gender      2,588,705     accuracy 93 %; precision male      32,883 faces of 15 to 21 years
                                     96 %, female 89 %
simple-cnn-age         2,588,705     MAE 4.1 years                      32,877 men, no women
simple-cnn-age-male    2,588,705     MAE 4.01 years                     20,137 men
simple-cnn-age-female  2,588,705     MAE 3.880 years                    12,725 women
vggface-age-male       15,371,329    MAE 3.58 years                     20,137 men
vggface-age-female     15,371,329    MAE 3.63 years                     12,725 women
study                  the three     the study gives no figure of the whole
=====================  ============  =================================  ===========================================

1,735,488 parameters of the VGGFace networks are frozen. What the notebooks leave open is chosen so: the network for men
has the learning rate of that for women, and the best epoch is that of the best figure on val.

The study gave its networks pixels in [-1/255, 1/255], VGGFace too, which expects other ones. The recipes whose names
end in ``-scaled`` are our choice instead: pixels as the network expects them, and 3e-4 as learning rate of VGGFace.

Hardware and time: two CPU cores take 7 seconds per 1,000 faces and epoch of a simple CNN (measured beside another
training). VGGFace needs a GPU: one step of 32 faces and the validation of 200 took such cores 100 seconds.
Command: asianage study AFAD-Full out (all of them, and a table), or asianage train simple-cnn-age AFAD-Full run --split
study --detector none (one). The weights of VGGFace are fetched once, or given with --pretrained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from asianage.data.study_split import STUDY_AGES
from asianage.training.recipes.recipe import Faces, GenderLoss, Optimizer, Regression, TrainingRecipe
from asianage.training.recipes.staged import Recipe, Stage, StagedRecipe

SCALED = "-scaled"
"""End of the names of recipes with pixels as the networks expect them."""

SIMPLE_CNN_AGE = TrainingRecipe(
    name="simple-cnn-age",
    architecture="simple_cnn",
    network={"task": "age", "pixels": "study"},
    faces=Faces(image_size=100, margin=0, ages=STUDY_AGES),
    age_loss=Regression(),
    gender_loss=None,
    optimizer=Optimizer(learning_rate=3e-4, schedule="constant", warmup_epochs=0.0, weight_decay=0.0, ema_momentum=0.0),
    epochs=50,
    batch_size=32,
    patience=15,
    augmentation=None,
)
SIMPLE_CNN_GENDER = replace(
    SIMPLE_CNN_AGE,
    name="simple-cnn-gender",
    network={"task": "gender", "pixels": "study"},
    age_loss=None,
    gender_loss=GenderLoss(smoothing=0.0),
    optimizer=replace(SIMPLE_CNN_AGE.optimizer, learning_rate=1e-3),
)
SIMPLE_CNN_AGE_FEMALE = replace(
    SIMPLE_CNN_AGE,
    name="simple-cnn-age-female",
    faces=replace(SIMPLE_CNN_AGE.faces, gender="female"),
    optimizer=replace(SIMPLE_CNN_AGE.optimizer, learning_rate=1e-3),
    patience=5,
)
# Its notebook trained for 20 epochs, and then for 20 more.
SIMPLE_CNN_AGE_MALE = replace(
    SIMPLE_CNN_AGE_FEMALE,
    name="simple-cnn-age-male",
    faces=replace(SIMPLE_CNN_AGE.faces, gender="male"),
    epochs=40,
    patience=0,
)
VGGFACE_AGE_MALE = replace(
    SIMPLE_CNN_AGE_FEMALE,
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

NETWORKS = (
    SIMPLE_CNN_GENDER,
    SIMPLE_CNN_AGE,
    SIMPLE_CNN_AGE_MALE,
    SIMPLE_CNN_AGE_FEMALE,
    VGGFACE_AGE_MALE,
    VGGFACE_AGE_FEMALE,
)
"""The study's networks, in the order of its results."""


def _scaled(recipe: TrainingRecipe) -> TrainingRecipe:
    """Return the recipe with pixels as the network expects them."""
    is_vggface = recipe.architecture == "vggface"
    rate = 3e-4 if is_vggface else recipe.optimizer.learning_rate
    return replace(
        recipe,
        name=recipe.name + SCALED,
        network={**recipe.network, "pixels": "vggface" if is_vggface else "unit"},
        optimizer=replace(recipe.optimizer, learning_rate=rate),
    )


def _system(name: str, gender: TrainingRecipe, female: TrainingRecipe, male: TrainingRecipe) -> StagedRecipe:
    """Return the recipe of three networks as one: the likelier gender selects the network for the age."""
    return StagedRecipe(
        name=name,
        stages=(
            Stage(recipe=gender, part="gender"),
            Stage(recipe=female, part="age_female"),
            Stage(recipe=male, part="age_male"),
        ),
    )


def _systems(networks: Sequence[TrainingRecipe], ending: str = "") -> tuple[StagedRecipe, StagedRecipe]:
    """Return the study's system, with ages by VGGFace, and the same with ages by the simple CNN."""
    gender, _, simple_male, simple_female, vggface_male, vggface_female = networks
    return (
        _system(f"study{ending}", gender, vggface_female, vggface_male),
        _system(f"study-simple-cnn{ending}", gender, simple_female, simple_male),
    )


STUDY, STUDY_SIMPLE_CNN = _systems(NETWORKS)

_SCALED_NETWORKS = tuple(_scaled(recipe) for recipe in NETWORKS)
STUDY_NETWORKS = {"": NETWORKS, SCALED: _SCALED_NETWORKS}
"""End of the names -> the six networks, in the order of the study's results."""

_RECIPES: tuple[Recipe, ...] = (
    *NETWORKS,
    *(STUDY, STUDY_SIMPLE_CNN),
    *_SCALED_NETWORKS,
    *_systems(_SCALED_NETWORKS, SCALED),
)

STUDY_RECIPES = {recipe.name: recipe for recipe in _RECIPES}
"""The study's recipes by name."""
