from __future__ import annotations

import math

import numpy as np
import pytest

from asianage.data.labels import parse_age, parse_age_label, parse_gender, parse_gender_labels


def test_ages_are_completed_years():
    written = ("0", " 25 ", "25.0", 25, np.int64(25), 25.9, "17.99", "120", "", None, math.nan, "nan", "NA")
    assert [parse_age(value) for value in written] == [0, 25, 25, 25, 25, 25, 17, 120, None, None, None, None, None]


@pytest.mark.parametrize("value", ["-1", "121", "old", "2_5", "inf", True])
def test_an_impossible_age_is_refused(value):
    with pytest.raises(ValueError, match="`age` must be a number of years"):
        parse_age(value)


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("25", (25, None, None)),
        ("25-32", (None, 25, 32)),
        (" 25 - 32 ", (None, 25, 32)),
        ("25\u201332", (None, 25, 32)),
        ("25 to 32", (None, 25, 32)),
        ("(25, 32)", (None, 25, 32)),
        ("[25, 32]", (None, 25, 32)),
        ("[25, 32)", (None, 25, 31)),
        ("(24, 32]", (None, 25, 32)),
        ("[0.0, 17.5)", (None, 0, 17)),
        ("60+", (None, 60, 120)),
        ("more than 70", (None, 70, 120)),
        (">=60", (None, 60, 120)),
        ("60 and over", (None, 60, 120)),
        ("", (None, None, None)),
    ],
)
def test_groups_of_ages(written, label):
    assert parse_age_label(written) == label


@pytest.mark.parametrize("written", ["32-25", "25-", "-32", "25-32-40", "60++", "100-200", "2,5", "[25, 25)"])
def test_an_impossible_group_is_refused(written):
    with pytest.raises(ValueError, match=r"group|number of years"):
        parse_age_label(written)


def test_genders_in_any_form():
    written = ("Female", " male", "F", "m", "Woman", "MAN", "", None, math.nan, "unknown")
    expected = ["female", "male", "female", "male", "female", "male", None, None, None, None]
    assert [parse_gender(value) for value in written] == expected


def test_numbers_are_genders_only_where_it_is_said_which():
    labels = parse_gender_labels("0=male, 1=female")
    assert [parse_gender(value, labels) for value in ("0", 1, 1.0, np.int64(0), "m", "")] == [
        *("male", "female", "female", "male", "male"),
        None,
    ]
    for value in ("0", 1, "2"):
        with pytest.raises(ValueError, match="Numbers mean different genders"):
            parse_gender(value)
    with pytest.raises(ValueError, match="say what it means"):
        parse_gender("lady")


@pytest.mark.parametrize("text", ["", "0", "0=boy", "0=male,0=female", "=male"])
def test_impossible_gender_labels_are_refused(text):
    with pytest.raises(ValueError, match="must have the form 0=male,1=female"):
        parse_gender_labels(text)
