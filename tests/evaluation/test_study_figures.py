from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs the extra train")

from asianage.evaluation.study_figures import (
    ResultLine,
    confusions,
    curves_of_networks,
    errors_of_genders,
    published_and_measured,
)

HISTORY = {
    "epoch": np.arange(1.0, 4.0),
    "loss": np.ones(3),
    "train_mae_a": np.array([5.0, 4.0, 3.0]),
    "val_mae_a": np.array([6.0, 5.0, 5.5]),
    "val_score": np.array([6.0, 5.0, 5.5]),
}


def words(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_published_figures_stand_beside_those_measured():
    line = ResultLine(title="age", published=4.1, measured={"here": (4.5, 4.4, 4.7)}, baseline={"here": 5.1})
    unknown = ResultLine(title="whole", published=None, measured={"here": (4.6, 4.4, 4.7)}, baseline={})
    figure = published_and_measured([line, unknown], [])
    [panel] = figure.axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["age", "whole"]
    assert words(figure) == ["published, flattered", "here", "baseline on the same faces"]
    drawn = {float(line.get_xdata()[0]) for line in panel.lines if len(line.get_xdata()) == 1}
    assert {4.1, 4.5, 4.6, 5.1} <= drawn


def test_every_network_has_training_beside_validation():
    figure = curves_of_networks({"men": HISTORY, "women": HISTORY})
    assert [panel.get_title(loc="left") or panel.get_title() for panel in figure.axes] == ["men", "women"]
    assert all(len(panel.lines) == 3 for panel in figure.axes)
    assert words(figure) == ["training faces", "validation faces", "best epoch"]


def test_confusions_have_counts_and_shares():
    figure = confusions({"study": np.array([[90, 10], [5, 95]])})
    assert [text.get_text() for text in figure.axes[0].texts][:2] == ["90", "90.0 %"]


def test_errors_of_women_and_men_have_their_training_faces_behind():
    ages = np.repeat(np.arange(20, 30), 6)
    measured = {"simple CNN": {"female": (ages, np.ones(60)), "male": (ages, np.full(60, 2.0))}}
    figure = errors_of_genders(measured, {"simple CNN": {"female": [20, 20, 29], "male": [25]}})
    panel, behind = figure.axes
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["female (1.00)", "male (2.00)"]
    assert sum(bar.get_height() for bar in behind.patches) == 4
