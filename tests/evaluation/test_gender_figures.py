from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="needs the extra train")

from asianage.data.records import FaceRecord
from asianage.evaluation import gender_figures


def test_the_drawn_confusion_matrix_holds_the_counts(mixed):
    figure = gender_figures.gender_confusion({"all": mixed.faces})
    drawn = {text.get_text() for text in figure.axes[0].texts}
    predicted = ["male" if p > 0.5 else "female" for p in mixed.male_probability]
    for true in ("female", "male"):
        for guess in ("female", "male"):
            count = sum(r.gender == true and p == guess for r, p in zip(mixed.records, predicted, strict=True))
            assert str(count) in drawn


def test_images_are_counted_by_age_and_gender():
    records = [
        FaceRecord(Path("x"), *labels) for labels in ((30.0, "male"), (30.5, "female"), (31.0, None), (None, "male"))
    ]
    (panel,) = gender_figures.images_by_age_and_gender({"a": records}).axes
    assert {bars.get_label(): bars[30].get_height() for bars in panel.containers[:2]} == {
        "female (1)": 1,
        "male (1)": 1,
    }
    assert panel.containers[2].get_label() == "unknown (1)"
    assert panel.containers[2][31].get_height() == 1


def test_the_reliability_is_the_share_of_right_genders_by_confidence(mixed):
    faces = mixed.faces.take(slice(0, 4))
    faces.is_male[:] = [1, 1, 0, 0]
    faces.male_probability[:] = [0.93, 0.93, 0.93, 0.07]
    panel, below = gender_figures.gender_reliability(faces).axes
    female, male = (bars.lines[0] for bars in panel.containers)
    assert (female.get_xdata().tolist(), female.get_ydata().tolist()) == ([pytest.approx(0.93)], [1.0])
    assert (male.get_xdata().tolist(), male.get_ydata().tolist()) == ([pytest.approx(0.93)], [pytest.approx(2 / 3)])
    assert sum(bar.get_height() for bar in below.patches) == 4
