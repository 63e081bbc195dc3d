from __future__ import annotations

from pathlib import Path

from asianage.cli import main
from asianage.errors import DownloadError
from asianage.models.hub import YUNET


def test_download_fetches_the_weights_of_the_detector(monkeypatch, capsys):
    monkeypatch.setattr("asianage.models.hub.fetch", lambda file: Path("cache", file.filename))
    assert main(["download"]) == 0
    assert YUNET.filename in capsys.readouterr().out


def test_a_download_that_fails_ends_with_two(monkeypatch, capsys):
    def fail(file):
        raise DownloadError("no network")

    monkeypatch.setattr("asianage.models.hub.fetch", fail)
    assert main(["download"]) == 2
    assert capsys.readouterr().err == "asianage: no network\n"
