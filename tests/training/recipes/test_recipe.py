from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training.recipes.recipe import (
    CrossEntropy,
    Distillation,
    Optimizer,
    Ordinal,
    PlannedRun,
    Regression,
)
from tests.training.tiny_recipe import TINY


def test_a_recipe_is_plain_json_and_names_its_loss():
    values = TINY.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert set(values) == {field.name for field in fields(TINY)}
    assert values["age_loss"] == {"kind": "LabelDistribution", "sigma": 2.0, "expectation_weight": 0.15}
    assert values["faces"]["image_size"] == 32
    ordinal = replace(TINY, network={"head": "ordinal"}, age_loss=Ordinal())
    assert ordinal.to_dict()["age_loss"] == {"kind": "Ordinal"}


def test_a_recipe_is_one_run_in_its_folder():
    [run] = TINY.runs(Path("out"))
    assert run == PlannedRun(recipe=TINY, folder=Path("out"), crops=Path("out/crops"))


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_learning_rate_must_be_above_0(value):
    with pytest.raises(ValueError, match="`learning_rate` must be above 0"):
        Optimizer(learning_rate=value)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Optimizer(learning_rate=1.0, schedule="linear"), "cosine, constant. Received: 'linear'"),
        (lambda: Distillation(weight=0.0), "weight=0.0, feature_weight=0.0"),
        (lambda: Distillation(weight=0.5, feature_weight=-1.0), "other values 0 or more"),
        (lambda: Distillation(weight=0.5, label_spread=-1.0), "label_spread=-1.0"),
        (lambda: replace(TINY, epochs=0), "`epochs` must be 1 or more"),
        (lambda: replace(TINY, batch_size=0), "`batch_size` must be 1 or more"),
        (lambda: replace(TINY, architecture="resnet"), "no architecture 'resnet'"),
        (lambda: replace(TINY, network={"depth": 3}), "'residual' has no option depth"),
        (lambda: replace(TINY, age_loss=Ordinal()), "Ordinal needs a network with the head 'ordinal'"),
        (lambda: replace(TINY, age_loss=None), "learns age and gender. Received losses for: gender"),
        (lambda: replace(TINY, age_loss=None, gender_loss=None), "Received losses for: nothing"),
        (lambda: replace(TINY, architecture="simple_cnn", network={"task": "age"}), "learns age. Received losses for"),
        (
            lambda: replace(TINY, age_loss=CrossEntropy(), distillation=Distillation(weight=0.5)),
            "needs a LabelDistribution",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_cannot_be_made(make, problem):
    with pytest.raises(ValueError, match=problem):
        make()


def test_tasks_and_axis_follow_from_the_settings():
    assert TINY.tasks == {"age", "gender"}
    recipe = replace(
        TINY, architecture="simple_cnn", network={}, age_loss=Regression(), gender_loss=None, min_age=15, max_age=40
    )
    assert recipe.tasks == {"age"}
    assert recipe.axis.num_ages == 26
