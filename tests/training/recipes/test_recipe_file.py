from __future__ import annotations

import json

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training import recipes
from asianage.training.recipes.recipe_file import is_recipe_file, read_recipe, recipe_from_dict, run_file
from asianage.training.study.recipes import STUDY_RECIPES
from tests.training.tiny_recipe import TINY

ALL = [
    recipe
    for recipe in (*recipes.RECIPES.values(), *STUDY_RECIPES.values(), TINY)
    if isinstance(recipe, recipes.TrainingRecipe)
]


@pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)
def test_a_recipe_is_read_back_from_what_a_run_writes(recipe, tmp_path):
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(recipe.to_dict()), "utf-8")
    found = read_recipe(file)
    assert found.to_dict() == recipe.to_dict()
    assert (found.optimizer, found.faces, found.age_loss) == (recipe.optimizer, recipe.faces, recipe.age_loss)


def test_a_python_file_defines_a_recipe_and_is_run_once(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from tests.training.tiny_recipe import TINY\nRECIPE = TINY\n")
    assert is_recipe_file(file)
    assert read_recipe(file) is TINY
    assert run_file(file) is run_file(file)


def test_a_failing_file_shows_its_own_error_and_can_be_run_again(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("1 / 0")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            read_recipe(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": 3}, "unknown are epoch"),
        ({"age_loss": {"kind": "Squared"}}, "no kind 'Squared'"),
        ({"optimizer": {}}, "of the settings of `optimizer`, missing are learning_rate"),
        ({"faces": 3}, "`faces` must be an object"),
    ],
)
def test_settings_that_are_unknown_or_missing_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        recipe_from_dict({**TINY.to_dict(), **change})


def test_files_without_a_recipe_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no recipe at"):
        read_recipe(tmp_path / "none.json")
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(ValueError, match=r"no `recipe\.json` that this version reads"):
        read_recipe(tmp_path / "a.json")
    (tmp_path / "a.py").write_text("RECIPE = 3")
    with pytest.raises(ValueError, match="must define `RECIPE`"):
        read_recipe(tmp_path / "a.py")
