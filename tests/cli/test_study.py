from __future__ import annotations

import importlib

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.cli import main


def test_the_study_is_run_as_the_options_say_and_its_table_printed(tmp_path, capsys, monkeypatch):
    asked = {}

    def run_study(data, output, **options):
        asked.update(data=data, output=output, **options)
        (tmp_path / "study.md").write_text("# The table\n")
        return tmp_path / "study.md"

    monkeypatch.setattr(importlib.import_module("asianage.training.run_study"), "run_study", run_study)
    command = ["study", "AFAD-Full", str(tmp_path), "--epochs", "2", "--max-faces", "50", "--random-vggface"]
    assert main([*command, "--protocol", "identity"]) == 0
    assert capsys.readouterr().out == "# The table\n"
    assert asked["protocols"] == ("identity",)
    # As the study did it, every picture is one face.
    assert asked["detector"] is None
    assert (asked["epochs"], asked["max_faces"], asked["random_vggface"]) == (2, 50, True)
