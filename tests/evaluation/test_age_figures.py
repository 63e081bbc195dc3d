from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs the extra train")

from asianage.data.records import FaceRecord
from asianage.evaluation import age_figures
from tests.evaluation.labeled_evaluation import labeled_evaluation


def test_the_error_curve_is_interrupted_where_there_are_too_few_faces():
    years, (curve,) = age_figures._interrupted(np.array([20, 21, 24]), [np.array([1.0, 2.0, 3.0])])
    assert years.tolist() == [20, 21, 22, 23, 24]
    assert curve.tolist()[:2] == [1.0, 2.0]
    assert np.isnan(curve[2:4]).all()
    assert curve[4] == 3.0


def test_the_bars_behind_the_error_are_the_counted_images(mixed):
    counted = {"all": [FaceRecord(Path("x"), 30.0, "male")] * 7 + [FaceRecord(Path("x"), 31.9, None)] * 2}
    figure = age_figures.error_by_age({"all": mixed.faces}, counted, counted_name="training images")
    bars = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in figure.axes[1].patches}
    assert bars[30] == 7
    assert bars[31] == 2
    assert sum(bars.values()) == 9


def test_too_few_faces_for_a_curve_are_said_and_not_drawn(picture):
    few = labeled_evaluation(picture, [20.0, 40.0], ["female", "male"], ["a", "a"])
    figure = age_figures.error_by_age_and_gender({"a": few.faces})
    assert [text.get_text() for text in figure.axes[0].texts] == ["no age has 5 faces or more around it"]


def test_the_coverage_by_age_band_is_the_share_of_ages_inside(picture):
    faces = labeled_evaluation(picture, [21.0, 25.0, 29.0, 45.0, None], [None] * 5, ["a"] * 5).faces
    faces.age_interval[:] = [[20, 24], [20, 24], [20, 40], [40, 50], [0, 1]]
    above, below = age_figures.interval_coverage({"a": faces}, 0.9).axes
    assert above.containers[0].lines[0].get_ydata().tolist() == pytest.approx([2 / 3, 1.0])
    assert below.lines[0].get_ydata().tolist() == pytest.approx([(4 + 4 + 20) / 3, 10.0])
    assert [label.get_text() for label in below.get_xticklabels()] == ["20\N{EN DASH}29", "40\N{EN DASH}49"]


def test_measured_coverage_is_drawn_over_nominal_coverage():
    (panel,) = age_figures.nominal_coverage({"a": ({"0.5": 0.25, "0.9": 1.0}, 4)}).axes
    points = panel.containers[0].lines[0]
    assert points.get_xdata().tolist() == [0.5, 0.9]
    assert points.get_ydata().tolist() == [0.25, 1.0]
    assert panel.get_xlabel() == "nominal coverage"
