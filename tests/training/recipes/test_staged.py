from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training import train
from asianage.training.recipes import Distillation, Stage, StagedRecipe
from tests.training.tiny_recipe import TINY

FIRST = replace(TINY, name="first", epochs=1, batch_size=8)
SECOND = replace(FIRST, name="second", seed=1, distillation=Distillation(weight=0.5))
THIRD = replace(FIRST, name="third", faces=replace(TINY.faces, image_size=40))
RECIPE = StagedRecipe(
    name="staged",
    stages=(
        Stage(recipe=FIRST),
        Stage(recipe=SECOND, teachers=("first",)),
        Stage(recipe=THIRD, initial="second"),
    ),
)


def test_runs_build_on_the_models_of_earlier_ones():
    first, second, third = RECIPE.runs(Path("out"))
    assert [run.folder for run in (first, second, third)] == [Path("out/first"), Path("out/second"), Path("out")]
    assert second.teachers == (Path("out/first/model"),)
    assert third.initial == Path("out/second/model")
    assert first.crops == second.crops == Path("out/crops-32-4")
    assert third.crops == Path("out/crops-40-4")
    # Only the last is measured: the split test is for what is published.
    assert [run.measured for run in (first, second, third)] == [False, False, True]


def test_each_stage_is_trained_from_those_before(tiny_records, tmp_path, monkeypatch):
    last = replace(SECOND, faces=THIRD.faces)
    recipe = StagedRecipe(
        name="two", stages=(Stage(recipe=FIRST), Stage(recipe=last, initial="first", teachers=("first",)))
    )
    options = {"detector": None, "quantization": "float32"}
    reports = []
    save = "asianage.training.train_network.save_report"
    monkeypatch.setattr(save, lambda evaluation, folder, **more: reports.append(folder))
    estimator = train(recipe, tiny_records, tmp_path, **options)
    assert (estimator.model.path, estimator.model.config.name) == (tmp_path / "model", "two")
    provenance = estimator.model.config.provenance
    assert provenance["recipe"]["name"] == "second"
    assert [provenance["initial"]] == provenance["teachers"] == list(provenance["ancestors"])
    assert provenance["ancestors"][provenance["initial"]]["recipe"]["name"] == "first"
    assert {path.name for path in tmp_path.glob("crops-*")} == {"crops-32-4", "crops-40-4"}
    assert list(tmp_path.rglob("model/metrics.json")) == [tmp_path / "model" / "metrics.json"]
    assert reports == [tmp_path / "report"]
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / "first"))):
        train(recipe, tiny_records, tmp_path, epochs=2, **options)
    # Given again, nothing is trained and no teacher predicts.
    monkeypatch.setattr("asianage.training.train_network.run_teachers", None)
    files = [tmp_path / name for name in ("first/best.weights.h5", "best.weights.h5")]
    before = [file.stat().st_mtime_ns for file in files]
    weights = (tmp_path / "model" / "model.weights.h5").read_bytes()
    train(recipe, tiny_records, tmp_path, **options)
    assert [file.stat().st_mtime_ns for file in files] == before
    assert (tmp_path / "model" / "model.weights.h5").read_bytes() == weights


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (Stage(recipe=FIRST), "name of its own"),
        (Stage(recipe=THIRD, initial="nobody"), "must build on earlier ones. Received: nobody"),
        (Stage(recipe=SECOND), "must have teachers if"),
        (Stage(recipe=THIRD, teachers=("first",)), "must have teachers if"),
        (Stage(recipe=replace(THIRD, faces=replace(THIRD.faces, gender="male"))), "the same genders"),
    ],
)
def test_stages_that_would_fail_later_are_refused(second, problem):
    with pytest.raises(ValueError, match=problem):
        StagedRecipe(name="broken", stages=(Stage(recipe=FIRST), second))
    with pytest.raises(ValueError, match="must have a stage"):
        StagedRecipe(name="empty", stages=())


def test_a_model_to_begin_with_is_for_a_single_network(tiny_records, tmp_path):
    for options in ({"initial": "compact"}, {"teachers": ["compact"]}):
        with pytest.raises(ValueError, match="`initial` and `teachers` are for one network"):
            train(RECIPE, tiny_records, tmp_path / "run", detector=None, **options)
    assert not (tmp_path / "run").exists()
