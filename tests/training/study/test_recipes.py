from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training import recipes
from asianage.training.fit.network import build_network
from asianage.training.study.recipes import (
    SCALED,
    SIMPLE_CNN_AGE_MALE,
    SIMPLE_CNN_GENDER,
    STUDY,
    STUDY_RECIPES,
    VGGFACE_AGE_MALE,
)


def test_names_are_not_those_of_other_recipes():
    assert not set(STUDY_RECIPES) & set(recipes.RECIPES)
    assert len(STUDY_RECIPES) == 16


def test_every_part_is_a_run_in_a_folder_of_its_own():
    runs = STUDY.runs(Path("out"))
    assert [run.part for run in runs] == ["gender", "age_female", "age_male"]
    assert [run.recipe.faces.gender for run in runs] == ["", "female", "male"]
    assert runs[1].folder == Path("out/age_female")
    assert runs[1].crops == Path("out/age_female/crops-224-0")
    assert all(run.measured for run in runs)


def test_networks_have_the_parameters_of_the_study():
    simple = {build_network(part).count_params() for part in (SIMPLE_CNN_GENDER, SIMPLE_CNN_AGE_MALE)}
    assert simple == {2_588_705}
    network = build_network(VGGFACE_AGE_MALE)
    assert network.count_params() == 15_371_329
    assert sum(int(np.prod(weight.shape)) for weight in network.non_trainable_weights) == 1_735_488


def test_settings_are_those_of_the_notebooks():
    settings = {
        name: (recipe.optimizer.learning_rate, recipe.epochs, recipe.patience, recipe.network["pixels"])
        for name, recipe in STUDY_RECIPES.items()
        if hasattr(recipe, "optimizer") and not name.endswith(SCALED)
    }
    assert settings == {
        "simple-cnn-gender": (1e-3, 50, 15, "study"),
        "simple-cnn-age": (3e-4, 50, 15, "study"),
        "simple-cnn-age-male": (1e-3, 40, 0, "study"),
        "simple-cnn-age-female": (1e-3, 50, 5, "study"),
        "vggface-age-male": (1e-3, 6, 5, "study"),
        "vggface-age-female": (1e-3, 10, 5, "study"),
    }


def test_our_own_choice_has_a_recipe_of_its_own():
    for name, recipe in STUDY_RECIPES.items():
        if hasattr(recipe, "optimizer") and not name.endswith(SCALED):
            ours = STUDY_RECIPES[name + SCALED]
            assert ours.network["pixels"] in ("unit", "vggface")
            assert ours.faces == recipe.faces
    assert STUDY_RECIPES["vggface-age-male-scaled"].optimizer.learning_rate == 3e-4
    assert STUDY_RECIPES["study-scaled"].stages[0].recipe.name == "simple-cnn-gender-scaled"
