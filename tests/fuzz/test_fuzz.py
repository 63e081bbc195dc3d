"""The fuzzers with few cases. ``python -m tests.fuzz`` runs many."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fuzz import run
from tests.fuzz.run import run_kind

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits the time of a case by a signal")


@pytest.mark.parametrize(
    ("kind", "count", "ends"),
    [
        ("images", 60, ("read", "ImageError")),
        ("tables", 60, ("read", "ValueError", "results continued", "results refused")),
        ("commands", 40, ("exit 0", "exit 1", "exit 2")),
    ],
)
def test_no_case_crashes_hangs_or_loses_anything(kind, count, ends):
    pytest.importorskip("hypothesis")
    outcome = run_kind(kind, count, seed=1)
    assert outcome.faults == []
    assert outcome.ends.total() == count
    # Cases of every kind, so that neither everything is refused nor everything taken.
    assert set(ends) <= set(outcome.ends)


def test_a_crash_a_hang_and_a_wrong_error_are_found(tmp_path, monkeypatch):
    folder = tmp_path / "tests" / "fuzz"
    folder.mkdir(parents=True)
    source = Path(run.__file__).read_text("utf-8")
    (folder / "run.py").write_text(source.replace("LONGEST_SECONDS = 10.0", "LONGEST_SECONDS = 0.1"))
    (folder / "images.py").write_text(FAULTY)
    monkeypatch.setattr("tests.fuzz.run.ROOT", tmp_path)
    outcome = run_kind("images", 5, seed=0)
    assert outcome.ends == {"fine": 2, "fault": 1, "ended the process": 2}
    crash, wrong, hang = outcome.faults
    assert crash.startswith("case 1: the process ended with -6")
    assert wrong == "case 2: KeyError: 'wrong'"
    assert hang.startswith("case 3: the process ended with -27")


FAULTY = """
import os

def prepare(work, seed, count):
    def attempt(number):
        if number == 1:
            os.abort()
        if number == 2:
            raise KeyError("wrong")
        while number == 3:
            pass
        return "fine"
    return attempt
"""
