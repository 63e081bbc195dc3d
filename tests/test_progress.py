from __future__ import annotations

import sys

from asianage.progress import shown


def test_the_items_come_out_unchanged_and_nothing_is_shown_by_default(capsys):
    assert list(shown(range(3), False, description="measuring", unit="face")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_a_bar_names_what_is_done_and_how_many(capsys):
    assert list(shown(iter("abc"), True, description="measuring", unit="face", total=3)) == ["a", "b", "c"]
    text = capsys.readouterr().err
    assert "measuring" in text
    assert "3/3" in text
    assert "face" in text


def test_without_standard_error_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(shown(range(3), True, description="measuring", unit="face")) == [0, 1, 2]
