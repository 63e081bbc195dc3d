from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs the extra train")

from asianage.evaluation import threshold_figures
from asianage.evaluation.thresholds import challenge_pairs
from tests.evaluation.labeled_evaluation import labeled_evaluation


def test_each_threshold_has_two_panels_with_what_was_measured(mixed):
    figure = threshold_figures.thresholds(mixed.faces, challenge_pairs([18, 30], [30]))
    figure.draw_without_rendering()
    titles = [panel.get_title(loc="left") or panel.get_title() for panel in figure.axes]
    cost = "What a challenge age costs"
    assert titles == ["Threshold 18: who passes", cost, "Threshold 30: who passes", cost]
    minors, adults = figure.axes[1].lines[:2]
    people = mixed.faces
    near = (people.true_age >= 13) & (people.true_age < 18)
    passed = people.detected & (people.age >= 20)
    assert minors.get_xdata()[2] == 20
    assert minors.get_ydata()[2] == pytest.approx(np.mean(passed[near]))
    assert adults.get_ydata()[2] == pytest.approx(np.mean(~passed[people.true_age >= 18]))


def test_without_ages_near_a_threshold_there_is_nothing_to_draw_but_a_figure(picture):
    few = labeled_evaluation(picture, [None, None], ["male", "female"], ["a", "a"])
    figure = threshold_figures.thresholds(few.faces, challenge_pairs([18], None))
    figure.draw_without_rendering()
    assert figure.axes[1].texts[0].get_text() == "no image has an age"


def test_the_reliability_diagram_shows_each_threshold(mixed):
    limits = [18, 21, 25, 30, 40]
    figure = threshold_figures.age_reliability_diagram(mixed.faces, mixed.age_axis, mixed.age_distribution, limits)
    figure.draw_without_rendering()
    panel, below = figure.axes
    labels = panel.get_legend_handles_labels()[1]
    assert labels == ["calibrated", *(f"{age} or older (120)" for age in limits[:4])]
    assert "mean over 10 to 30 years" in panel.get_title()
    assert len(below.patches) == 4 * threshold_figures.BINS


def test_parts_are_drawn_beside_each_other(mixed):
    measured = [node for node in mixed.at_thresholds() if node["challenge_age"] in (18, 25)]
    figure = threshold_figures.thresholds_by_part(measured)
    figure.draw_without_rendering()
    passing, challenged = figure.axes
    assert [label.get_text() for label in passing.get_yticklabels()] == ["a", "b", "female", "male"]
    assert challenged.get_legend_handles_labels()[1] == ["challenge age 18", "challenge age 25"]
    first = challenged.containers[0].lines[0]
    leaf = measured[0]["by_dataset"]["a"]
    assert first.get_xdata()[0] == pytest.approx(leaf["challenge_rate"])


def test_without_parts_there_is_no_such_figure(picture):
    one = labeled_evaluation(picture, [15.0, 40.0], ["male", "male"], ["a", "a"])
    assert threshold_figures.thresholds_by_part(one.at_thresholds()) is None
