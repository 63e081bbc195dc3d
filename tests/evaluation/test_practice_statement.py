from __future__ import annotations

import dataclasses

import asianage
from asianage.evaluation.practice_statement import practice_statement
from tests.evaluation.labeled_evaluation import labeled_evaluation


def test_the_draft_holds_what_was_measured(mixed):
    checked = dataclasses.replace(mixed, thresholds=(18,), challenge_ages=(25,), model="mine")
    text = practice_statement(checked)
    figures = checked.to_dict()
    leaf = figures["thresholds"][0]["overall"]
    assert f"asianage {asianage.__version__}, model `mine`, face detector `yunet`" in text
    assert "on 120 photos: a (" in text
    assert f"| 18 | 25 | {leaf['minors']} | {leaf['false_positives']}: " in text
    assert f"of {leaf['near_minors']} people of 13 to 17 years, {leaf['near_false_positives']} passed, " in text
    assert f"Mean absolute error: {figures['all']['overall']['mae']:.2f} years." in text
    for kind in ("Functional", "Performance", "Privacy", "Security", "Acceptability"):
        assert f"## {kind} characteristics\n" in text


def test_without_minors_the_draft_says_so(picture):
    adults = labeled_evaluation(picture, [40.0, 50.0], ["male", "female"], ["a", "a"])
    assert "No minors close to a threshold were measured." in practice_statement(adults)
    unknown = labeled_evaluation(picture, [None, None], ["male", "female"], ["a", "a"])
    text = practice_statement(unknown)
    assert "Mean absolute error: - years." in text
    assert "model `[name]`" in text
