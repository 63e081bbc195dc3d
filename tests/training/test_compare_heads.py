from __future__ import annotations

import csv
import importlib
from dataclasses import replace

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training import compare_heads, recipes
from asianage.training.recipes.age_heads import AGE_HEADS
from tests.training.tiny_recipe import TINY

module = importlib.import_module("asianage.training.compare_heads")

SMALL = tuple(
    replace(
        TINY,
        name=recipe.name,
        network={**TINY.network, **recipe.network},
        age_loss=recipe.age_loss,
        epochs=1,
    )
    for recipe in AGE_HEADS
)
WAYS = ["regression", "cross-entropy", "label-distribution", "ordinal", "mean-variance"]


@pytest.fixture(scope="module")
def compared(tiny_records, tmp_path_factory):
    """The rows of a comparison of two ways, its folder, and the rows of a second call that trains nothing."""
    folder = tmp_path_factory.mktemp("heads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asianage.training.train_network.save_report", lambda evaluation, folder, **more: None)
        patch.setattr(module, "AGE_HEADS", [SMALL[1], SMALL[4]])
        rows = compare_heads(tiny_records, folder, seed=1, learning_rate=2e-2, detector=None)
        patch.setattr(module, "train_network", lambda *arguments, **options: pytest.fail("trained again"))
        again = compare_heads(tiny_records, folder, seed=1, learning_rate=2e-2, detector=None)
    return rows, folder, again


def test_five_ways_are_compared_and_differ_in_nothing_else():
    assert [recipe.name.removeprefix("residual-") for recipe in AGE_HEADS] == WAYS
    assert isinstance(AGE_HEADS[4].age_loss, recipes.MeanVariance)
    same = {"name": "", "network": "", "age_loss": ""}
    assert len({str({**recipe.to_dict(), **same}) for recipe in AGE_HEADS}) == 1


def test_every_way_has_a_row_a_folder_and_the_same_faces(compared):
    rows, folder, _ = compared
    assert [row.name for row in rows] == ["residual-cross-entropy", "residual-mean-variance"]
    assert {(row.train_faces, row.measured_faces, row.epochs) for row in rows} == {(60, 20, 1)}
    assert (folder / "mean-variance" / "model" / "model.tflite").is_file()
    assert sorted(path.name for path in folder.glob("*crops*")) == ["crops"]


def test_the_table_has_the_measured_figures(compared):
    rows, folder, _ = compared
    text = (folder / "heads.md").read_text("utf-8")
    assert all(f"| {row.name.removeprefix('residual-')} | {row.figures['mae']:.2f} |" in text for row in rows)
    with (folder / "heads.csv").open(newline="") as file:
        assert [float(row["mae"]) for row in csv.DictReader(file)] == [row.figures["mae"] for row in rows]
    assert (folder / "heads.png").stat().st_size > 5_000


def test_what_is_finished_is_not_trained_again(compared):
    rows, _, again = compared
    assert again == rows
