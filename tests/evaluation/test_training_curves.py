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
    assert [
        panel.get_title(loc="left") or panel.get_title() for panel in training_curves.training_curves(curves).axes
    ] == ["Loss"]


def test_training_and_validation_stand_side_by_side_on_every_figure(tmp_path):
    file = tmp_path / "history.csv"
    file.write_text(
        "epoch,loss,val_loss,train_mae_a,val_mae_a,train_gender_a,val_gender_a,val_score\n"
        "1,3,4,5,6,0.7,0.6,6\n2,2,3,4,5,0.8,0.7,5\n"
    )
    figure = training_curves.training_curves(read_history(file))
    assert len(figure.axes) == 3
    for panel in figure.axes:
        assert sorted(line.get_linestyle() for line in panel.lines) == ["-", "--", ":"]
        assert panel.get_legend() is None
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["training faces", "validation faces", "best epoch 2"]


def test_several_trainings_are_compared_in_one_figure(tmp_path):
    history = {"epoch": np.array([1.0, 2.0]), "val_mae_a": np.array([5.0, 4.0])}
    figure = training_curves.compared_curves({"one": history, "two": history})
    assert len(figure.axes) == 1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


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
