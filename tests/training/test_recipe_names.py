from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training.recipe_names import check_needs, find_recipe, recipe_table
from asianage.training.recipes import RECIPES, Stage, StagedRecipe
from asianage.training.study.recipes import STUDY, STUDY_RECIPES
from tests.training.tiny_recipe import TINY


def test_recipes_are_found_by_name_by_file_and_as_they_are(tmp_path):
    assert find_recipe("study") is STUDY
    assert find_recipe(TINY) is TINY
    file = tmp_path / "mine.py"
    file.write_text("from tests.training.tiny_recipe import TINY as RECIPE")
    assert find_recipe(file) is find_recipe(str(file)) is TINY


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet", "residual-regression"),
        ("age-baseline", "run_baseline"),
        ("detector", "train_detector"),
        ("heads", "compare_heads"),
    ],
)
def test_unknown_names_and_those_of_other_trainings_are_explained(name, message):
    with pytest.raises(ValueError, match=message):
        find_recipe(name)


def test_every_recipe_is_listed_with_a_description():
    rows = dict(recipe_table())
    assert {*RECIPES, *STUDY_RECIPES, "heads", "detector", "age-baseline"} <= set(rows)
    assert rows["compact"].endswith("begins with a model of accurate; learns from teachers")
    assert rows["vggface-age-male"] == "age of men, vggface, 224 pixels, 6 epochs"
    assert all(rows.values())


def test_missing_models_are_refused_before_any_work():
    later = replace(TINY, name="later", begins_with="tiny")
    staged = StagedRecipe(name="both", stages=(Stage(recipe=TINY), Stage(recipe=later, initial="tiny")))
    with pytest.raises(ValueError, match=r"'later' begins with a model of the recipe 'tiny'.*--initial"):
        check_needs(later, None, [])
    with pytest.raises(ValueError, match="'compact' begins with a model of the recipe 'accurate'"):
        check_needs(find_recipe("compact"), None, ["accurate"])
    check_needs(later, Path("model"), [])
    check_needs(TINY, None, [])
    with pytest.raises(ValueError, match=r"needs `teachers`.*and 1 teachers"):
        check_needs(TINY, None, ["accurate"])
    with pytest.raises(ValueError, match="are for one network"):
        check_needs(staged, "compact", [])
