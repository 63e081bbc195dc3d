"""`asianage/cli/__init__.py` and `asianage/__main__.py`."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
import warnings

import pytest

from asianage import __version__, cli
from asianage.cli import _parser, main

COMMANDS = (
    "predict",
    "train",
    "fine-tune",
    "evaluate",
    "export",
    "info",
    "verify",
    "download",
    "build-table",
    "publish",
)


def test_wrong_usage_ends_with_two():
    with pytest.raises(SystemExit) as caught:
        main(["predict", "--no-such-option"])
    assert caught.value.code == 2
    assert main(["predict"]) == 2


@pytest.mark.parametrize(("module", "option"), [("asianage", "--version"), ("asianage.cli", "-V")])
def test_the_package_can_be_run(module, option):
    done = subprocess.run([sys.executable, "-m", module, option], capture_output=True, text=True, check=True)
    assert done.stdout == f"asianage {__version__}\n"


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"^    {command}\s", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ValueError("`model` is old."), 2, "asianage: --model is old.\n"),
        (OSError("no space"), 2, "asianage: no space\n"),
        (KeyboardInterrupt(), 130, "asianage: interrupted\n"),
    ],
)
def test_an_error_is_a_line_and_an_exit_code(monkeypatch, capsys, error, code, text):
    def fail(given):
        raise error

    monkeypatch.setattr(cli.predict, "run", fail)
    assert main(["predict", "photo.jpg"]) == code
    assert capsys.readouterr().err == text


def test_wrong_usage_does_not_repeat_a_password(capsys):
    with pytest.raises(SystemExit):
        main(["info", "https://me:secret@example.org/x"])
    assert "https://...@example.org/x" in capsys.readouterr().err


def test_odd_metadata_of_a_photo_are_no_news(monkeypatch):
    def warn(given):
        warnings.warn_explicit("Corrupt EXIF data", UserWarning, "TiffImagePlugin.py", 982, "PIL.TiffImagePlugin")
        warnings.warn_explicit("an own warning", UserWarning, "hub.py", 1, "asianage.models.hub")
        return 0

    monkeypatch.setattr(cli.predict, "run", warn)
    with pytest.warns(UserWarning, match="an own warning") as seen:
        assert main(["predict", "photo.jpg"]) == 0
    assert len(seen) == 1


def test_a_fault_of_the_program_is_not_hidden(monkeypatch):
    def fail(given: argparse.Namespace):
        raise KeyError("a bug")

    monkeypatch.setattr(cli.predict, "run", fail)
    with pytest.raises(KeyError):
        main(["predict", "photo.jpg"])


def test_a_signal_to_end_closes_files(monkeypatch, capsys):
    closed = []

    def work(given):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            closed.append(given)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli.predict, "run", work)
    assert main(["predict", "photo.jpg"]) == 143
    assert closed
    assert capsys.readouterr().err == "asianage: terminated\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_files_may_stand_between_options():
    given = _parser().parse_args(["predict", "a.jpg", "--json", "b.jpg", "--mirror", "c.jpg"])
    assert given.paths == ["a.jpg", "b.jpg", "c.jpg"]
    assert given.mirror
    assert _parser().parse_args(["predict", "--", "-a.jpg"]).paths == ["-a.jpg"]
    assert _parser().parse_args(["predict", "--json", "a.jpg", "--", "-b.jpg"]).paths == ["a.jpg", "-b.jpg"]
