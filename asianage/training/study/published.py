"""What the study published, row by row, and what each figure was measured on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """One figure of the study.

    Attributes:
        recipe: The recipe or baseline that reproduces it.
        title: What was measured, in a few words.
        figure: "mae" in years, or "gender_accuracy".
        part: Whose ages a baseline predicts: "overall", "female" or "male".
        text: The figure as the study writes it; "" if it gives none.
        value: The same as a number.
        measured_on: The faces of it.
        baseline: The row of the baseline beside it; "" for a baseline.
    """

    recipe: str
    title: str
    figure: str
    part: str = "overall"
    text: str
    value: float | None
    measured_on: str
    baseline: str = ""


_MEN, _WOMEN = "20,137 men, a fifth of every age", "12,725 women, a fifth of every age"

ROWS = (
    PublishedRow(
        recipe="gender-baseline",
        title="gender, guessed by frequency",
        figure="gender_accuracy",
        text="53 %",
        value=0.53,
        measured_on="all faces below 41 years",
    ),
    PublishedRow(
        recipe="simple-cnn-gender",
        title="gender",
        figure="gender_accuracy",
        text="93 %",
        value=0.93,
        measured_on="32,883 faces, none above 21 years",
        baseline="gender-baseline",
    ),
    PublishedRow(
        recipe="age-baseline",
        title="age, always the mean",
        figure="mae",
        text="5.2",
        value=5.224,
        measured_on="all 165,501 faces, up to 72 years",
    ),
    PublishedRow(
        recipe="simple-cnn-age",
        title="age",
        figure="mae",
        text="4.1",
        value=4.069,
        measured_on="32,877 men, no women",
        baseline="age-baseline",
    ),
    PublishedRow(
        recipe="age-baseline",
        title="age of men, always the mean",
        figure="mae",
        part="male",
        text="5.13",
        value=5.132,
        measured_on="all men below 41 years",
    ),
    PublishedRow(
        recipe="simple-cnn-age-male",
        title="age of men",
        figure="mae",
        part="male",
        text="4.01",
        value=4.01,
        measured_on=_MEN,
        baseline="age-baseline",
    ),
    PublishedRow(
        recipe="vggface-age-male",
        title="age of men, VGGFace",
        figure="mae",
        part="male",
        text="3.58",
        value=3.58,
        measured_on=_MEN,
        baseline="age-baseline",
    ),
    PublishedRow(
        recipe="age-baseline",
        title="age of women, always the mean",
        figure="mae",
        part="female",
        text="4.79",
        value=4.792,
        measured_on="all women below 41 years",
    ),
    PublishedRow(
        recipe="simple-cnn-age-female",
        title="age of women",
        figure="mae",
        part="female",
        text="3.880",
        value=3.880,
        measured_on=_WOMEN,
        baseline="age-baseline",
    ),
    PublishedRow(
        recipe="vggface-age-female",
        title="age of women, VGGFace",
        figure="mae",
        part="female",
        text="3.63",
        value=3.63,
        measured_on=_WOMEN,
        baseline="age-baseline",
    ),
    PublishedRow(
        recipe="study",
        title="the whole system, age",
        figure="mae",
        text="",
        value=None,
        measured_on="the study gives no figure of the whole",
    ),
    PublishedRow(
        recipe="study",
        title="the whole system, gender",
        figure="gender_accuracy",
        text="",
        value=None,
        measured_on="the study gives no figure of the whole",
    ),
)
"""The rows of the study's table, in its order."""


def protocol_of(recipe: str, split: str) -> dict[str, str]:
    """Return how the faces of a recipe were split, and the figure that the study published for it, for the card."""
    known = {"split": split}
    for row in ROWS:
        if row.recipe == recipe and row.text:
            unit = "a gender accuracy of {}" if row.figure == "gender_accuracy" else "an MAE of {} years"
            known |= {"published": unit.format(row.text), "published_on": row.measured_on}
    return known
