from __future__ import annotations

import io
import sys

import pytest

from asianage import progress
from asianage.progress import say, shown


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that every look puts forward by ten seconds."""
    seconds = iter(range(1000, 100_000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)


def test_the_items_come_out_unchanged_and_nothing_is_shown_by_default(capsys, clock):
    assert list(shown(range(99), False, description="measuring", unit="face")) == list(range(99))
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal_names_what_is_done_and_how_many(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(shown(iter("abc"), True, description="measuring", unit="face", total=3)) == ["a", "b", "c"]
    text = terminal.getvalue()
    assert "measuring" in text
    assert "3/3" in text
    assert "face" in text


def test_elsewhere_a_line_a_minute_tells_the_time_left(capsys, clock):
    assert list(shown(list(range(3000)), True, description="cutting", unit="crop"))[-1] == 2999
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3000 // 6
    # The sixth item is asked for after a minute, five are done.
    assert lines[0] == "cutting: 5 of 3,000 crops in 1 min, 9 h 59 min left"
    assert lines[-1] == "cutting: 2,999 of 3,000 crops in 8 h 20 min, less than a minute left"


def test_without_a_known_number_no_time_left_is_told(capsys, clock):
    list(shown(iter(range(7)), True, description="training", unit="batch"))
    assert capsys.readouterr().err == "training: 5 batches in 1 min\n"


def test_what_is_done_within_a_minute_is_not_told(capsys):
    list(shown(range(1000), True, description="cutting", unit="crop"))
    assert capsys.readouterr().err == ""


def test_without_standard_error_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(shown(range(3), True, description="measuring", unit="face")) == [0, 1, 2]


def test_a_line_is_written_above_the_bar_or_alone(monkeypatch, capsys, clock):
    say("epoch=1")
    assert capsys.readouterr().err == "epoch=1\n"
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    say("epoch=2")
    assert terminal.getvalue().endswith("epoch=2\n")
