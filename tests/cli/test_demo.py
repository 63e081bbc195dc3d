from __future__ import annotations

from typing import ClassVar

import pytest

from asianage.apps import demo
from asianage.cli import main


class FakeDemo:
    address = "http://127.0.0.1:7860/"
    made: ClassVar[list[tuple]] = []
    closed = 0

    def __init__(self, estimator, **options):
        self.made.append((estimator.model.config.name, options))

    def wait(self):
        raise KeyboardInterrupt

    def __enter__(self):
        return self

    def __exit__(self, *error):
        type(self).closed += 1


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {"host": "127.0.0.1", "port": None, "open_browser": True}),
        (
            ["--port", "8000", "--host", "0.0.0.0", "--no-browser"],
            {"host": "0.0.0.0", "port": 8000, "open_browser": False},
        ),
    ],
)
def test_the_page_is_served_until_ctrl_c(arguments, options, monkeypatch, capsys):
    monkeypatch.setattr(demo, "Demo", FakeDemo)
    monkeypatch.setattr(FakeDemo, "made", [])
    monkeypatch.setattr(FakeDemo, "closed", 0)
    assert main(["demo", *arguments]) == 0
    assert FakeDemo.made == [("compact", options)]
    assert FakeDemo.closed == 1
    assert "http://127.0.0.1:7860/" in capsys.readouterr().out
