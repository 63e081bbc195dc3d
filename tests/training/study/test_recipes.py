from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training import recipes
from asianage.training.fit.network import build_network
from asianage.training.study.recipes import (
    SIMPLE_CNN_AGE_MALE,
    SIMPLE_CNN_GENDER,
    STUDY,
    STUDY_RECIPES,
    VGGFACE_AGE_MALE,
)


def test_names_are_not_those_of_other_recipes():
    assert not set(STUDY_RECIPES) & set(recipes.RECIPES)
    assert len(STUDY_RECIPES) == 8


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
