from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training.study_table import ProtocolResults, epochs_in_words, study_markdown, study_rows
from asianage.training.trained_row import TrainedRow


def trained(name, **figures):
    return TrainedRow(
        name=name,
        train_faces=1000,
        measured_faces=200,
        parameters=2_588_705,
        frozen=0,
        epochs=3,
        best_epoch=2,
        seconds=65.0,
        figures=figures,
    )


@pytest.fixture
def results():
    return {
        "study": ProtocolResults(
            folder=Path("out"),
            rows={"simple-cnn-age": trained("simple-cnn-age", mae=4.2, mae_interval=[4.0, 4.4])},
            baselines={"age-baseline": {"overall": {"mae": 5.08, "faces": 200}}},
            notes={"study": "only 3 faces that no part learned from"},
        )
    }


def test_a_row_has_what_was_published_and_what_was_measured(results):
    header, rows = study_rows(results)
    by_title = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    age = by_title["age"]
    assert (age["published"], age["on"]) == ("4.1", "32,877 men, no women")
    assert age["the study's protocol"] == "4.20 (4.00 to 4.40)"
    assert age["faces, the study's protocol"] == "1,000 / 200"
    assert age["time, the study's protocol"] == "65 s, 3 epochs"
    assert age["parameters"] == "2,588,705"
    assert by_title["age, always the mean"]["the study's protocol"] == "5.08"


def test_what_was_not_measured_is_said_or_left_empty(results):
    header, rows = study_rows(results)
    by_title = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert by_title["the whole system, age"]["the study's protocol"] == "only 3 faces that no part learned from"
    assert by_title["gender"]["the study's protocol"] == ""


def test_the_text_says_that_the_published_figures_flatter(results):
    text = study_markdown(results, ["A remark."])
    assert "They flatter" in text
    assert "- A remark." in text


def test_one_epoch_is_one():
    assert [epochs_in_words(number) for number in (1, 2, 1000)] == ["1 epoch", "2 epochs", "1,000 epochs"]
