from __future__ import annotations

import pytest

pytest.importorskip("matplotlib", reason="needs the extra train")

from asianage.evaluation import contact_sheet
from tests.evaluation.labeled_evaluation import labeled_evaluation


def test_the_sheets_show_the_worst_predictions_first(picture, monkeypatch):
    three = labeled_evaluation(picture, [20.0, 30.0, 40.0, None], ["male", "male", "female", None], ["a"] * 4)
    three.age[:] = [25, 10, 41, 70]
    three.male_probability[:] = [0.4, 0.02, 0.3, 0.9]
    sheets = {}
    monkeypatch.setattr(contact_sheet, "contact_sheet", lambda title, entries: sheets.setdefault(title, entries))
    contact_sheet.worst_ages(three)
    contact_sheet.worst_genders(three)
    assert [entry.lines[0] for entry in sheets["Largest errors of age"]] == [
        "label 30, estimate 10",
        "label 20, estimate 25",
        "label 40, estimate 41",
    ]
    assert [entry.lines[0] for entry in sheets["Surest wrong genders"]] == ["female 98.0 %", "female 60.0 %"]


def test_a_sheet_shows_the_picture_in_its_colors_and_proportions(picture):
    square = contact_sheet._square(picture)
    assert square.shape == (contact_sheet.PICTURE_SIDE, contact_sheet.PICTURE_SIDE, 3)
    assert square[128, 128].tolist() == [200, 40, 40]
    assert square[128, 5].tolist() == square[128, -5].tolist() != [200, 40, 40]
    assert square[1, 128].tolist() == [200, 40, 40]


def test_long_file_names_keep_their_beginning_and_end():
    short = contact_sheet._short("a_very_long_name_of_a_picture_123456.jpg")
    assert len(short) == contact_sheet._MAX_NAME
    assert short.startswith("a_very")
    assert short.endswith("123456.jpg")
    assert contact_sheet._short("short.jpg") == "short.jpg"
