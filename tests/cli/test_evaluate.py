from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap

import pytest

from asianage import AgeGenderEstimator
from asianage.cli import main
from asianage.data.records import write_records


@pytest.fixture
def table(tiny_records, tmp_path):
    write_records(tiny_records, tmp_path / "faces.csv")
    return str(tmp_path / "faces.csv")


def test_the_tables_of_a_split_are_printed(table, capsys):
    assert main(["evaluate", table, "--split", "test", "--detector", "none"]) == 0
    plain = capsys.readouterr().out
    assert "MAE" in plain
    assert "| tiny | 20 " in plain
    assert "mirror image" not in plain
    assert main(["evaluate", table, "--split", "test", "--detector", "none", "--mirror"]) == 0
    assert "Each face was averaged with its mirror image." in capsys.readouterr().out


def test_the_figures_are_printed_as_json(table, capsys):
    assert main(["evaluate", table, "--split", "test", "--detector", "none", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["all"]["overall"]["faces"] == 20


def test_a_report_is_written(table, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="needs the extra train")
    saved = []
    monkeypatch.setattr(
        "asianage.evaluation.report.save_report",
        lambda result, folder, *, statement: saved.append((result, folder, statement)),
    )
    command = ["evaluate", table, "--split", "test", "--detector", "none", "--output", str(tmp_path / "report")]
    assert main(command) == 0
    assert main([*command, "--thresholds", "20", "--challenge", "20", "30"]) == 0
    (result, folder, statement), (checked, _, draft) = saved
    assert folder == tmp_path / "report"
    assert len(result.records) == 20
    assert (statement, draft) == (False, True)
    assert (checked.thresholds, checked.challenge_ages) == ([20], [20, 30])


def test_age_thresholds_are_printed(table, capsys):
    command = ["evaluate", table, "--split", "test", "--detector", "none", "--thresholds", "30"]
    assert main([*command, "--challenge", "30", "45"]) == 0
    printed = capsys.readouterr().out
    assert "\n| 30 | 45 | " in printed
    assert "### Threshold 30, challenge age 45\n" in printed
    assert main([*command, "--challenge", "25"]) == 2
    assert "--challenge must hold an age of at least 30" in capsys.readouterr().err


def test_a_report_does_not_replace_its_data(tiny_records, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="needs the extra train")
    data = tmp_path / "predictions.csv"
    write_records(tiny_records, data)
    before = data.read_bytes()
    assert main(["evaluate", str(data), "--detector", "none", "--output", str(tmp_path / ".")]) == 2
    assert f"must not replace {data}" in capsys.readouterr().err
    assert data.read_bytes() == before


def test_a_model_is_not_replaced_by_a_report_on_it(table, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="needs the extra train")
    model = AgeGenderEstimator().model.path
    copy = shutil.copytree(model, tmp_path / "copy")
    assert main(["evaluate", table, "--model", str(copy), "--detector", "none", "--output", str(copy)]) == 2
    assert f"{copy} holds metrics.json, which is not of a report" in capsys.readouterr().err
    assert (copy / "metrics.json").read_bytes() == (model / "metrics.json").read_bytes()


def test_a_split_without_rows_is_refused(table, capsys):
    assert main(["evaluate", table, "--split", "tset"]) == 2
    assert "has no rows of the split 'tset'" in capsys.readouterr().err


def test_a_report_that_cannot_be_drawn_is_refused_before_the_work(tmp_path):
    code = """
        import sys

        sys.modules["matplotlib"] = sys.modules["matplotlib.figure"] = None
        from asianage.cli import main

        sys.exit(main(["evaluate", "there_is_no_such.csv", "--output", "report"]))
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "matplotlib" in done.stderr
    assert 'pip install "asianage[train]"' in done.stderr
