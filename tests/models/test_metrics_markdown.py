"""One renderer of metrics.json: the figures of a card and the report of an evaluation."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from asianage.models.folder import bundled_names
from asianage.models.metrics_markdown import (
    MAX_UNREADABLE_LINES,
    card_figures,
    known_failures,
    measured_parts,
    metrics_markdown,
)
from asianage.models.pretrained import open_model


def leaf(mae: float | None, accuracy: float | None) -> dict[str, Any]:
    """Return the figures of 1,500 faces."""
    return {
        "faces": 1500,
        "faces_with_age": 1499,
        "faces_with_gender": 1400,
        "mae": mae,
        "mae_interval": None if mae is None else [mae - 0.1, mae + 0.1],
        "bias": -0.25,
        "cs_at_5": 0.7,
        "gender_accuracy": accuracy,
        "gender_accuracy_interval": None if accuracy is None else [accuracy - 0.02, accuracy + 0.01],
        "interval_coverage": 0.9,
        "interval_coverage_interval": [0.88, 0.915],
        "interval_mean_width": 17.25,
        "gender_precision": {"female": 0.5, "male": None},
        "gender_confusion": {"female": {"female": 700, "male": 20}, "male": {"female": 30, "male": 650}},
        "detection_failures": 3,
        "unreadable": 2,
    }


def evaluation() -> dict[str, Any]:
    """Return the figures of a split with two data sets."""
    node = {
        "overall": leaf(4.25, 0.97),
        "coverage_by_promise": {"0.5": 0.495, "0.9": 0.9},
        "by_age_band": {"20-29": leaf(3.5, 0.98), "30-39": leaf(6.75, None)},
        "by_gender": {"female": leaf(4.0, 0.9), "male": leaf(4.5, 0.99)},
        "by_group": {"asian": leaf(4.25, 0.97)},
        "special": {"mae_to_40": 3.875, "faces_to_40": 1400, "gender_accuracy_from_15": 0.5, "mae_from_70": None},
    }
    other = {"overall": leaf(5.5, None), "by_age_band": {}, "by_gender": {}, "by_group": {}, "special": {}}
    return {
        "detector": "yunet",
        "mirror": False,
        "interval_target": 0.9,
        "datasets": {"afad": node, "my faces": other},
        "all": node,
    }


def rows(text: str, heading: str, number: int = 0) -> list[list[str]]:
    """Return the cells of a table after a heading."""
    tables = re.findall(r"(?:^\| .*\n)+", text.split(heading + "\n", 1)[1], re.MULTILINE)
    lines = tables[number].replace("\\|", "/").splitlines()
    return [[cell.strip() for cell in line.removeprefix("| ").removesuffix(" |").split(" | ")] for line in lines]


AFAD = "AFAD (Asian Face Age Dataset)"


def test_a_card_shows_the_main_figures_with_their_intervals() -> None:
    text = card_figures({"test": evaluation()})
    table = rows(text, "## Figures")
    assert table[0] == ["data set", "faces", "MAE", "CS@5", "bias", "gender accuracy", "coverage", "interval width"]
    assert table[2] == [
        AFAD, "1,500", "4.25 (4.15-4.35)", "70.0 %", "-0.25", "97.0 % (95.0-98.0)", "90.0 % (88.0-91.5)", "17.25"
    ]  # fmt: skip
    assert table[3][0] == "my faces"
    assert table[3][5] == "-"
    assert table[4][0] == "all together"
    assert "Split: **test**" in text
    assert "with a target of 90 %" in text


def test_figures_are_broken_down_by_age_gender_and_group_where_there_are_several() -> None:
    text = card_figures({"test": evaluation()})
    assert [row[0] for row in rows(text, f"### {AFAD} by age band")[2:]] == ["20-29", "30-39"]
    assert [row[0] for row in rows(text, f"### {AFAD} by gender")[2:]] == ["female", "male"]
    assert "by group" not in text
    assert "my faces by" not in text


def test_coverage_is_shown_for_every_interval() -> None:
    table = rows(card_figures({"test": evaluation()}), "### Coverage")
    assert table[0] == ["data set", "50 % interval", "90 % interval"]
    assert table[2:] == [[AFAD, "49.5 %", "90.0 %"], ["my faces", "-", "-"], ["all together", "49.5 %", "90.0 %"]]


def test_figures_of_a_data_set_of_its_own_are_listed() -> None:
    table = rows(card_figures({"test": evaluation()}), f"### {AFAD}, figures of its own")
    assert table[2:] == [
        ["MAE up to 40", "3.88"],
        ["faces up to 40", "1,400"],
        ["gender accuracy from 15", "50.0 %"],
    ]


def test_weighted_figures_say_what_their_weights_are() -> None:
    values = evaluation()
    values["datasets"]["afad"]["special"] = {"mae_natural_20_40": 3.5, "natural_share_covered": 0.99, "other_one": 0.1}
    assert rows(card_figures({"test": values}), f"### {AFAD}, figures of its own")[2:] == [
        ["MAE from 20 to 40, weighted to the ages of the full data set", "3.50"],
        ["share of the full data set whose ages occur here", "99.0 %"],
        ["other one", "10.0 %"],
    ]


def test_a_report_shows_every_figure_and_the_pictures() -> None:
    text = metrics_markdown(evaluation(), [("a.png", "Title", "Caption.")])
    age, gender = rows(text, "## Age"), rows(text, "## Gender")
    assert age[0][1:4] == ["faces", "MAE", "RMSE"]
    assert age[2][:5] == [AFAD, "1,499", "4.25 (4.15-4.35)", "-", "-0.25"]
    assert age[2][-2:] == ["3", "2"]
    assert gender[2][1:6] == ["1,400", "97.0 % (95.0-98.0)", "-", "50.0 %", "-"]
    assert len(rows(text, f"## {AFAD} by age band", 1)[0]) == len(gender[0])
    assert rows(text, f"## {AFAD}, confusion of genders")[2] == ["female", "700", "20"]
    assert "### Title\n\n![Title](a.png)\n\nCaption.\n" in text
    assert "Pictures evaluated: 1,500, unreadable: 2." in text
    assert "Faces were found by `yunet`. Pictures without a face: 3;" in text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"detector": None}, "without a face detector"),
        ({"mirror": True}, "averaged with its mirror image"),
        ({"all": {"overall": {"faces": 5}}}, "A face was found in every picture, by `yunet`."),
    ],
)
def test_the_text_says_how_faces_were_found(changes: dict[str, Any], text: str) -> None:
    assert text in metrics_markdown({**evaluation(), **changes})
    assert text in card_figures({"test": {**evaluation(), **changes}})


def test_a_single_data_set_is_not_repeated_as_all() -> None:
    values = evaluation()
    del values["datasets"]["my faces"]
    assert "all together" not in card_figures({"test": values})


def test_unreadable_files_are_listed_up_to_a_limit() -> None:
    assert "Unreadable files" not in metrics_markdown(evaluation())
    assert metrics_markdown(evaluation(), unreadable=[("a", "not an\nimage")]).endswith("\n\n- `a`: not an image\n")
    text = metrics_markdown(evaluation(), unreadable=[("a", "b")] * (MAX_UNREADABLE_LINES + 7))
    assert text.endswith("- `a`: b\n- and 7 more\n")


@pytest.mark.parametrize(
    "bad",
    [None, [], "text", 3, {"datasets": 3}, {"datasets": {"x": None}}, {"datasets": {"x": {"overall": []}}}],
)
def test_values_of_a_wrong_kind_are_left_out(bad: Any) -> None:
    assert card_figures({"test": bad}).startswith("## Figures\n")
    assert list(known_failures({"test": bad})) == []
    damaged = copy.deepcopy(evaluation())
    damaged["datasets"]["afad"]["overall"]["mae"] = bad
    damaged["datasets"]["afad"]["by_gender"] = damaged["all"] = damaged["interval_target"] = bad
    assert AFAD in card_figures({"test": damaged})


def test_without_figures_the_card_says_so() -> None:
    assert "Nothing has been measured yet." in card_figures({})


def test_known_failures_are_those_of_bands_with_enough_faces() -> None:
    good = {"faces": 60, "mae": 4.0, "interval_coverage": 0.9, "gender_accuracy": 0.97}
    bands = {
        "0-9": {**good, "gender_accuracy": 0.8},
        "20-29": good,
        "60-69": {**good, "mae": 8.25, "bias": -5.0},
        "70-79": {**good, "interval_coverage": 0.7},
        "80-89": {**good, "faces": 49, "mae": 20.0},
    }
    assert list(known_failures({"test": {"datasets": {"d": {"by_age_band": bands}}}})) == [
        "The gender accuracy is 80.0 % at 0-9 years in d (60 faces).",
        "The MAE is 8.2 years at 60-69 years in d (60 faces), with a bias of -5.0 years.",
        "The coverage is only 70.0 % at 70-79 years in d (60 faces).",
    ]


@pytest.mark.parametrize("name", bundled_names())
def test_the_figures_of_a_bundled_model_have_no_gaps(name: str) -> None:
    metrics = open_model(name).metrics()
    assert len(list(measured_parts(metrics))) == 5
    text = metrics_markdown(metrics["test"])
    for heading in ("## Age", "## Gender", "## Coverage"):
        # Of FairFace only groups of ages are known.
        for row in (row for row in rows(text, heading)[2:] if "FairFace" not in row[0]):
            assert "-" not in row
