"""Ages and genders as people write them -> labels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from numbers import Real
from typing import Any, TypeAlias

from asianage.models.config import GENDERS

MAX_AGE = 120

GenderLabels: TypeAlias = Mapping[str, str]
"""What tables write for a gender -> "female" or "male", for instance ``{"0": "male", "1": "female"}``."""

AgeLabel: TypeAlias = tuple[float | None, float | None, float | None]
"""Exact age, first and last year of an age group: completed years, None where unknown."""

UNKNOWN = frozenset({"", "nan", "none", "null", "na", "n/a", "unknown", "<na>"})
"""What tables write for a label that nobody knows, in small letters."""

_GENDERS = dict.fromkeys(("female", "f", "woman", "w", "girl"), GENDERS[0])
_GENDERS |= dict.fromkeys(("male", "m", "man", "boy"), GENDERS[1])

_NUMBER = r"(\d+(?:\.\d+)?)"
_WHOLE = re.compile(r"\d+\.0")
_GROUP = re.compile(rf"{_NUMBER}\s*(?:-|\u2013|\u2014|to)\s*{_NUMBER}", re.IGNORECASE)
_BRACKETED = re.compile(rf"([(\[])\s*{_NUMBER}\s*(?:-|\u2013|\u2014|,|to)\s*{_NUMBER}\s*([)\]])", re.IGNORECASE)
_OPEN = re.compile(
    rf"{_NUMBER}\s*\+|(?:>=|\u2265|more than|from)\s*{_NUMBER}|{_NUMBER}\s*and (?:over|older)", re.IGNORECASE
)


def parse_age(value: Any) -> float | None:
    """Return an age in completed years, None if it is unknown; refuse what is not a number in [0, 120].

    17.99 years are 17: nobody is 18 before the birthday.
    """
    text = _text(value)
    if text in UNKNOWN:
        return None
    try:
        # Python takes 2_5 for 25.
        age = math.nan if "_" in text else float(text)
    except ValueError:
        age = math.nan
    if not 0 <= age <= MAX_AGE:
        raise ValueError(
            f"`age` must be a number of years in [0, {MAX_AGE}], or a group of ages such as 25-32 or 60+. "
            f"Received: {value!r}. Correct or empty it."
        )
    return float(math.floor(age))


def parse_age_label(value: Any) -> AgeLabel:
    """Return an age, or a group of ages: ``25-32``, ``25 to 32``, ``(25, 32)``, ``60+``, ``more than 70``.

    The last year of a group belongs to it, unless the brackets differ: ``[25, 32)`` and ``(24, 31]``, as pandas writes
    intervals, are 25 to 31 years. A group without an end goes to 120 years.
    """
    text = _text(value)
    if (group := _GROUP.fullmatch(text)) is not None:
        return None, *_first_and_last(value, *group.groups())
    if (group := _BRACKETED.fullmatch(text)) is not None:
        begin, low, high, end = group.groups()
        if (begin, end) == ("(", "]"):
            low = str(math.floor(float(low)) + 1)
        if (begin, end) == ("[", ")"):
            high = str(math.ceil(float(high)) - 1)
        return None, *_first_and_last(value, low, high)
    if (group := _OPEN.fullmatch(text)) is not None:
        return None, parse_age(next(filter(None, group.groups()))), float(MAX_AGE)
    return parse_age(text), None, None


def _first_and_last(value: Any, low: str, high: str) -> tuple[float | None, float | None]:
    first, last = parse_age(low), parse_age(high)
    if first is not None and last is not None and first > last:
        raise ValueError(f"A group of ages must begin with its first year. Received: {value!r}. Correct it.")
    return first, last


def parse_gender(value: Any, labels: GenderLabels | None = None) -> str | None:
    """Return "female" or "male", whatever the letter case, None if it is unknown; refuse other words.

    Args:
        value: female, male, f, m, woman or man; with `labels` what is there.
        labels: What the table writes for each gender, if it writes something else.
    """
    text = _text(value)
    if text in UNKNOWN and text not in (labels or {}):
        return None
    known = {**_GENDERS, **{_text(written): gender for written, gender in (labels or {}).items()}}
    if text not in known:
        remedy = (
            "Numbers mean different genders in different tables: say which with `gender_labels`, for instance "
            "0=male,1=female."
            if text.lstrip("-").isdigit()
            else "Correct or empty it, or say what it means with `gender_labels`."
        )
        raise ValueError(f"`gender` must be {' or '.join(GENDERS)}, f or m, or empty. Received: {value!r}. {remedy}")
    return known[text]


def parse_gender_labels(text: str) -> dict[str, str]:
    """Return the labels in text such as ``0=male,1=female``.

    Raises:
        ValueError: The text has another form, or names another gender.
    """
    pairs = [part.partition("=") for part in text.split(",")]
    labels = {written.strip(): gender.strip().lower() for written, _, gender in pairs}
    if not all(labels) or not set(labels.values()) <= set(GENDERS) or len(labels) != len(pairs):
        raise ValueError(f"`gender_labels` must have the form 0=male,1=female. Received: {text!r}.")
    return labels


def parse_name(value: Any) -> str:
    """Return the name of a person, a group, a data set or a split, "" if it is unknown.

    Numbers are whole: 7.0 is 7, as pandas writes it in a column with empty cells.
    """
    text = _written(value)
    if text.lower() in UNKNOWN:
        return ""
    return text.removesuffix(".0") if _WHOLE.fullmatch(text) else text


def _text(value: Any) -> str:
    """Return a value of a table as text in small letters; 1.0 is 1, as in a column with empty cells."""
    return _written(value).lower()


def _written(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value if value is not None else "").strip()
    number = float(value)
    return str(int(number)) if number.is_integer() else str(number)
