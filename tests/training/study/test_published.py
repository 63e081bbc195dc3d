from __future__ import annotations

import pytest

from asianage.training.study.baselines import BASELINES
from asianage.training.study.published import ROWS, protocol_of


def test_every_row_has_a_recipe_and_says_what_it_was_measured_on():
    pytest.importorskip("keras", reason="needs the extra train")
    from asianage.training.study.recipes import STUDY_RECIPES

    assert {row.recipe for row in ROWS} <= {*STUDY_RECIPES, *BASELINES}
    assert {row.baseline for row in ROWS} <= {"", *BASELINES}
    assert all(row.measured_on and row.figure in ("mae", "gender_accuracy") for row in ROWS)


def test_figures_are_those_of_the_notebooks():
    texts = {row.title: row.text for row in ROWS}
    assert (texts["gender"], texts["age"], texts["age of men"], texts["age of women"]) == (
        "93 %",
        "4.1",
        "4.01",
        "3.880",
    )
    for row in ROWS:
        if row.value is not None and row.figure == "mae":
            assert row.value == pytest.approx(float(row.text), abs=0.05)


def test_the_card_learns_what_was_published_and_on_what():
    assert protocol_of("simple-cnn-age", "study") == {
        "split": "study",
        "published": "an MAE of 4.1 years",
        "published_on": "32,877 men, no women",
    }
    assert protocol_of("simple-cnn-gender", "identity")["published"] == "a gender accuracy of 93 %"
    assert protocol_of("residual-ordinal", "random") == {"split": "random"}
