from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training.trained_row import finished_model, spoken_time, trained_row
from tests.training.tiny_recipe import TINY


def test_a_measured_run_is_finished_and_another_recipe_is_not(tiny_run, tmp_path):
    assert finished_model(tiny_run, TINY, "test") is not None
    assert finished_model(tiny_run, None, "test") is not None
    assert finished_model(tiny_run, TINY, "val") is None
    assert finished_model(tiny_run, replace(TINY, epochs=13), "test") is None
    assert finished_model(tmp_path, TINY, "test") is None


def test_a_row_says_what_the_folder_says(tiny_run):
    row = trained_row(finished_model(tiny_run, TINY, "test"), tiny_run, "test")
    metrics = json.loads((tiny_run / "model" / "metrics.json").read_text("utf-8"))["test"]["all"]["overall"]
    assert (row.name, row.train_faces, row.measured_faces, row.epochs, row.frozen) == ("tiny", 60, 20, 12, 0)
    assert row.figures["mae"] == metrics["mae"]
    assert 1 <= row.best_epoch <= 12


@pytest.mark.parametrize(("seconds", "words"), [(7.4, "7 s"), (600, "10 min"), (9000, "2.5 h")])
def test_times_are_spoken(seconds, words):
    assert spoken_time(seconds) == words
