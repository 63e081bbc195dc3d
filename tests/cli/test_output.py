from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys

import pytest

from asianage.cli import main
from asianage.cli.output import CSV_COLUMNS, csv_text


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


def test_the_suffix_or_an_option_gives_the_format(folder):
    photo = str(folder / "a.png")
    for name, options, begin in (
        ("o.csv", [], "file,face,"),
        ("o.JSONL", [], '{"file": '),
        ("o.json", [], '{"file": '),
        ("o.txt", ["--format", "csv"], "file,face,"),
        ("p.csv", ["--json"], '{"file": '),
    ):
        assert main(["predict", photo, "--detector", "none", "-o", str(folder / name), *options]) == 0
        assert (folder / name).read_text().startswith(begin)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--csv", "{folder}/b.jpg"], "Received the photo {folder}/b.jpg, which is left as it is"),
        (["--csv", "new.heic"], "Received the photo new.heic"),
        (
            ["-o", "{folder}/a.png", "--format", "csv"],
            "--output needs the name of the file to write. Received the photo",
        ),
        (["-o", "{folder}/link.csv"], "Received the photo {folder}/link.csv"),
        (["-o", "{folder}/hard.csv"], "Received the photo {folder}/hard.csv"),
        (["--csv", "{folder}/notes.txt"], "{folder}/notes.txt exists and is no table"),
        (["--csv", "{folder}"], "Received the folder {folder}"),
        (["-o", "{folder}/o.txt"], "needs a name that ends in .csv, .json, .jsonl, .ndjson, or --format"),
        (["-o", "{folder}/o.txt", "--format", "table"], "--format csv or json. Received: {folder}/o.txt"),
        (["--csv", "o.csv", "--json"], "--csv writes CSV. Received also: --format json"),
        (["--resume"], "--resume needs the file of an interrupted run. Add --output FILE"),
        (["--resume", "--csv", "-"], "--resume needs the file"),
        (["--csv", "{folder}/no/o.csv"], "There is no folder {folder}/no"),
        (["--draw", "{folder}/b.jpg"], "--draw needs the name of a folder. Received the file {folder}/b.jpg"),
    ],
)
def test_nothing_is_replaced_by_mistake(folder, capsys, options, text):
    (folder / "link.csv").symlink_to("a.png")
    os.link(folder / "a.png", folder / "hard.csv")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    options = [option.format(folder=folder) for option in options]
    assert main(["predict", str(folder / "a.png"), "--detector", "none", *options]) == 2
    captured = capsys.readouterr()
    assert text.format(folder=folder) in captured.err
    assert captured.out == ""
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["o.csv", "o.jsonl"])
def test_an_interrupted_run_is_resumed(folder, capsys, name):
    target = folder / name
    command = ["predict", str(folder), str(folder / "no.jpg"), str(folder / "notes.txt"), "--detector", "none"]
    command += ["-o", str(target)]
    assert main(command) == 1
    whole = target.read_bytes()
    messages = capsys.readouterr().err.splitlines()[1:]
    for size in (0, len(whole) // 3, len(whole) // 2, len(whole) - 1, len(whole)):
        target.write_bytes(whole[:size])
        assert main([*command, "--resume"]) == 1
        assert target.read_bytes() == whole
        lines = capsys.readouterr().err.splitlines()
        assert f"{folder}: left out " in lines[0]
        assert f"{target} has the results of " in lines[1]
        assert sorted(lines[2:]) == sorted(messages)
    target.unlink()
    assert main([*command, "--resume"]) == 1
    assert target.read_bytes() == whole


def test_a_carriage_return_in_a_name_is_read_back(folder):
    try:
        (folder / "a.png").rename(folder / "a\r.png")
    except OSError:
        pytest.skip("this file system takes no such names")
    command = ["predict", str(folder), "--detector", "none", "-o", str(folder / "o.csv")]
    assert main(command) == 0
    whole = (folder / "o.csv").read_bytes()
    for size in range(len(whole) // 2, len(whole), 7):
        (folder / "o.csv").write_bytes(whole[:size])
        assert main([*command, "--resume"]) == 0
        assert (folder / "o.csv").read_bytes() == whole


def test_a_lone_carriage_return_stands_in_quotes():
    assert csv_text([["a\rb.jpg", "1"], ["c.jpg", "2"]]) == '"a\rb.jpg",1\nc.jpg,2\n'


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("options", [["--json"], ["--csv", "/dev/full"], []])
def test_a_full_disk_is_an_error_without_a_traceback(folder, options):
    command = [sys.executable, "-m", "asianage", "predict", str(folder / "a.png"), "--detector", "none", *options]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="needs names with line breaks")
def test_a_name_with_a_line_break_does_not_break_the_table(folder, capsys):
    (folder / "a.png").rename(folder / "a\nb.png")
    (folder / "b.jpg").write_text("no photo")
    (folder / "b.jpg").rename(folder / "c\td.jpg")
    assert main(["predict", str(folder), "--detector", "none"]) == 1
    output, errors = capsys.readouterr()
    assert [line.split()[0] for line in output.splitlines()[1:]] == [rf"{folder}/a\nb.png", rf"{folder}/c\td.jpg"]
    assert r"c\td.jpg: The content" in errors
