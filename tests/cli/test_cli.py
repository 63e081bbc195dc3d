from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from asianage import AgeGenderEstimator, __version__
from asianage.cli import main
from asianage.cli.output import CSV_COLUMNS


@pytest.fixture
def folder(tmp_path):
    """Two pictures taken as one face each, and a file that is no picture."""
    for name, seed in (("a.png", 1), ("b.jpg", 2)):
        pixels = np.random.default_rng(seed).integers(0, 256, (120, 100, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


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


def test_mirror_averages_with_the_mirror_image(folder, capsys):
    photo = folder / "half.png"
    pixels = np.random.default_rng(3).integers(0, 256, (120, 100, 3), dtype=np.uint8)
    pixels[:, :50] //= 4
    Image.fromarray(pixels).save(photo)
    expected = {
        option: AgeGenderEstimator(detector=None, mirror=bool(option)).predict(photo)[0].age
        for option in ((), ("--mirror",))
    }
    assert abs(expected[()] - expected[("--mirror",)]) > 0.02
    for option, age in expected.items():
        assert main(["predict", str(photo), "--json", "--detector", "none", *option]) == 0
        assert json.loads(capsys.readouterr().out)["faces"][0]["age"] == pytest.approx(age, abs=0.006)


def test_csv_goes_to_a_file_or_to_standard_output(folder, capsys):
    target = folder / "out.csv"
    assert main(["predict", str(folder), "--csv", str(target), "--detector", "none"]) == 0
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["face"] for row in rows] == ["1", "1"]
    capsys.readouterr()
    assert main(["predict", str(folder), "--csv", "-", "--detector", "none"]) == 0
    assert list(csv.DictReader(io.StringIO(capsys.readouterr().out))) == rows


def test_failed_files_are_listed_at_the_end_and_the_rest_is_done(folder, capsys):
    bad = str(folder / "notes.txt")
    missing = str(folder / "missing.jpg")
    assert main(["predict", bad, str(folder / "a.png"), missing, "--json", "--detector", "none"]) == 1
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert ["error" in line for line in lines] == [True, False, True]
    assert "not an image" in captured.err
    assert missing in captured.err
    assert "2 of 3 inputs failed" in captured.err


def test_patterns_and_folders_without_images_are_explained(folder, capsys):
    empty = folder / "empty"
    empty.mkdir()
    assert main(["predict", str(empty), str(folder / "*.gif"), str(folder / "*.png"), "--detector", "none"]) == 1
    captured = capsys.readouterr()
    assert "holds no images" in captured.err
    assert "No file matches" in captured.err
    assert str(folder / "a.png") in captured.out
    assert "2 of 3 inputs failed" in captured.err


def test_standard_input_is_a_photo(folder, capsys, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO((folder / "a.png").read_bytes()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["predict", "-", "--detector", "none"]) == 0
    assert "standard input" in capsys.readouterr().out


def test_drawings_get_names_that_are_free(folder):
    target = folder / "drawn"
    for _ in range(2):
        main(["predict", str(folder / "a.png"), "--draw", str(target), "--detector", "none"])
    assert sorted(path.name for path in target.iterdir()) == ["a-2.jpg", "a.jpg"]
    assert Image.open(target / "a.jpg").size == (100, 120)


def test_a_wrong_model_or_detector_ends_with_two(folder, capsys):
    assert main(["predict", str(folder), "--model", str(folder)]) == 2
    assert "config.json" in capsys.readouterr().err
    assert main(["predict", str(folder), "--detector", "haar"]) == 2
    assert "yunet" in capsys.readouterr().err


def test_info_names_version_model_and_detectors(capsys):
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert __version__ in text
    assert "compact" in text
    assert "yunet" in text


def test_wrong_usage_ends_with_two(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["predict"])
    assert caught.value.code == 2


def test_a_photo_gives_its_faces_and_nothing_on_standard_error(shared_data, yunet_path):
    photo = shared_data / "photos" / "00005A02.jpg"
    command = [sys.executable, "-m", "asianage", "predict", str(photo), "--detector", str(yunet_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 2


def test_names_that_are_no_text_are_written(folder):
    strange = os.fsdecode(b"caf\xe9.png")
    try:
        (folder / "a.png").rename(folder / strange)
    except OSError:
        pytest.skip("this file system takes text only")
    command = [sys.executable, "-m", "asianage", "predict", str(folder), "--detector", "none"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    target = folder / "out.csv"
    for options in ([], ["--json"], ["--csv", "-"], ["--csv", str(target)]):
        done = subprocess.run([*command, *options], capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
    assert b"caf\xe9.png" in target.read_bytes()


def test_a_report_that_cannot_be_drawn_is_refused_before_the_work(folder):
    code = """
        import sys

        sys.modules["matplotlib"] = sys.modules["matplotlib.figure"] = None
        from asianage.cli import main

        sys.exit(main(["evaluate", "there_is_no_such.csv", "--output", "report"]))
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 2
    assert "matplotlib" in done.stderr
    assert "asianage[train]" in done.stderr
