from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from asianage.cli import main
from asianage.cli.output import CSV_COLUMNS


def test_the_table_has_a_line_per_face(folder, capsys):
    assert main(["predict", str(folder), "--detector", "none"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "face", "age", "interval", "gender", "sure", "box"]
    assert [line.split()[0] for line in lines[1:]] == [str(folder / "a.png"), str(folder / "b.jpg")]


def test_json_has_a_line_per_photo(folder, capsys):
    assert main(["predict", str(folder / "a.png"), str(folder / "b.jpg"), "--json", "--detector", "none"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [str(folder / "a.png"), str(folder / "b.jpg")]
    assert sum(lines[0]["faces"][0]["age_distribution"]) == pytest.approx(1.0, abs=1e-3)


def test_csv_goes_to_a_file_or_to_standard_output(folder, capsys):
    target = folder / "out.csv"
    arguments = ["predict", str(folder), str(folder / "notes.txt"), "--detector", "none", "--csv"]
    assert main([*arguments, str(target)]) == 1
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["face"] for row in rows] == ["1", "1", ""]
    assert ["not an image" in row["error"] for row in rows] == [False, False, True]
    capsys.readouterr()
    assert main([*arguments, "-"]) == 1
    assert list(csv.DictReader(io.StringIO(capsys.readouterr().out))) == rows


def test_drawings_get_names_that_are_free(folder):
    target = folder / "drawn"
    for _ in range(2):
        main(["predict", str(folder / "a.png"), "--draw", str(target), "--detector", "none"])
    assert sorted(path.name for path in target.iterdir()) == ["a-2.jpg", "a.jpg"]
    assert Image.open(target / "a.jpg").size == (100, 120)


def test_names_that_are_no_text_are_written(folder):
    strange = os.fsdecode(b"caf\xe9.png")
    try:
        (folder / "a.png").rename(folder / strange)
    except OSError:
        pytest.skip("this file system takes text only")
    target = folder / "out.csv"
    code = f"""
from asianage.cli import main
for options in ([], ["--json"], ["--csv", "-"], ["--csv", {str(target)!r}]):
    assert main(["predict", {str(folder)!r}, "--detector", "none", *options]) == 0
"""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert b"caf\xe9.png" in target.read_bytes()
