from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs the extra train")

from asianage.evaluation import training_curves
from asianage.evaluation.training_curves import read_history
from tests.evaluation.conftest import HISTORY


def test_the_best_epoch_is_that_of_the_lowest_score(history):
    assert training_curves._best_epoch(read_history(history)) == 2.0


def test_a_history_without_scores_or_data_sets_can_be_drawn(tmp_path):
    file = tmp_path / "history.csv"
    file.write_text("epoch,loss\n1,3.5\n2,\n")
    curves = read_history(file)
    assert np.isnan(curves["loss"][1])
    panels = training_curves.training_curves(curves).axes
    assert [text.get_text() for panel in panels[1:] for text in panel.texts] == ["not measured", "not measured"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have the columns `epoch` and `loss`"),
        (HISTORY, "at least one line of values"),
        ("epoch,val_score\n1,2\n", "must have the columns `epoch` and `loss`"),
        ("epoch,loss\n1,low\n", "must hold numbers only"),
        ("epoch,loss\n1,2,3\n", "must hold numbers only"),
        ("epoch,loss\n1\n", "must hold numbers only"),
    ],
)
def test_something_else_than_a_history_is_refused(text, message, tmp_path):
    file = tmp_path / "history.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_history(file)
