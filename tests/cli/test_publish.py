from __future__ import annotations

import pytest

from asianage.cli import main
from asianage.errors import UploadError
from asianage.models.publish import PushedModel


def test_options_reach_the_upload_and_lines_that_load_are_printed(monkeypatch, capsys):
    asked = {}

    def push(namespace, **options):
        asked.update(options, namespace=namespace)
        yield PushedModel("me/asianage-compact", "c" * 40, "d" * 64, "https://hub/commit")
        yield PushedModel("me/asianage-detector", "e" * 40, "f" * 64, "https://hub/2", "https://hub/pr", "detector")

    monkeypatch.setattr("asianage.models.publish.push_bundled", push)
    assert main(["publish", "--namespace", "me", "--private", "--create-pr", "--overwrite-card"]) == 0
    assert asked == {
        "namespace": "me",
        "private": True,
        "revision": None,
        "create_pr": True,
        "overwrite_card": True,
    }
    first, line, second, _ = capsys.readouterr().out.splitlines()
    assert first == "me/asianage-compact: https://hub/commit"
    assert line.strip().startswith('AgeGenderEstimator.from_pretrained("me/asianage-compact"')
    assert second == "me/asianage-detector: https://hub/pr"


def test_a_failed_upload_ends_with_two_after_what_was_uploaded_before(monkeypatch, capsys):
    def push(*_, **__):
        yield PushedModel("me/asianage-compact", "c" * 40, "d" * 64, "https://hub/commit")
        raise UploadError("refused")

    monkeypatch.setattr("asianage.models.publish.push_bundled", push)
    assert main(["publish", "--namespace", "me"]) == 2
    said = capsys.readouterr()
    assert "me/asianage-compact" in said.out
    assert said.err == "asianage: refused\n"


def test_a_namespace_is_required():
    with pytest.raises(SystemExit, match="2"):
        main(["publish"])
