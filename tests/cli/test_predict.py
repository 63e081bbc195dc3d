from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from asianage import AgeGenderEstimator
from asianage.cli import main


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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_drawn(folder):
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    content = (folder / "a.png").read_bytes()
    writing = threading.Thread(target=lambda: pipe.write_bytes(content))
    writing.start()
    assert main(["predict", str(pipe), str(folder / "b.jpg"), "--draw", str(folder / "d"), "--detector", "none"]) == 0
    writing.join()
    assert sorted(path.name for path in (folder / "d").iterdir()) == ["b.jpg", "pipe.jpg"]


def test_a_folder_that_is_no_model_ends_with_two(folder, capsys):
    assert main(["predict", str(folder), "--model", str(folder)]) == 2
    assert "config.json" in capsys.readouterr().err


def test_a_photo_gives_its_faces_and_nothing_on_standard_error(shared_data, yunet_path):
    photo = shared_data / "photos" / "00005A02.jpg"
    command = [sys.executable, "-m", "asianage", "predict", str(photo), "--detector", str(yunet_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 2


def test_an_error_names_the_option_that_helps_and_quiet_leaves_out_the_rest(folder, capsys):
    command = ["predict", str(folder), "--detector", "none", "--threads", "1", "--max-pixels", "1000", "--json"]
    assert main(command) == 1
    loud = capsys.readouterr()
    assert "more than --max-pixels 1000. Shrink it, or raise --max-pixels." in loud.err
    assert "left out .txt files (1)" in loud.err
    assert main([*command, "--quiet"]) == 1
    quiet = capsys.readouterr()
    assert quiet.out == loud.out
    assert [line for line in loud.err.splitlines() if "left out" not in line] == quiet.err.splitlines()
    assert main(["predict", str(folder), "--threads", "0"]) == 2
    assert "asianage: --threads must be" in capsys.readouterr().err
