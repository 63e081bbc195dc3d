from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from asianage.cli import main, options
from asianage.faces.images import MAX_PIXELS
from asianage.prediction import estimator


@pytest.mark.parametrize(
    ("given", "detector"), [([], "auto"), (["mtcnn"], "mtcnn"), (["none"], None), (["a/B.ONNX"], "a/B.ONNX")]
)
def test_the_detector_is_what_the_estimator_takes(given, detector):
    parser = argparse.ArgumentParser()
    options.add_estimator(parser)
    values = parser.parse_args(["--detector", *given] if given else [])
    assert values.detector == detector


def test_the_estimator_is_what_the_options_say(monkeypatch):
    made = []
    monkeypatch.setattr(estimator, "AgeGenderEstimator", lambda *model, **given: made.append((model, given)))
    parser = argparse.ArgumentParser()
    options.add_estimator(parser)
    faces = "--score-threshold 0.5 --min-face-size 20 --max-faces 2"
    for line in ("", f"--model accurate --detector none --mirror --threads 3 --max-pixels 1000 -q {faces}"):
        options.make_estimator(parser.parse_args(line.split()))
    defaults = {"detector": "auto", "mirror": False, "num_threads": None, "max_pixels": MAX_PIXELS}
    changed = {"detector": None, "mirror": True, "num_threads": 3, "max_pixels": 1000}
    changed |= {"score_threshold": 0.5, "min_face_size": 20.0, "max_faces": 2}
    assert made == [(("compact",), defaults), (("accurate",), changed)]


def test_keras_starts_without_a_word():
    pytest.importorskip("keras", reason="needs the extra train")
    code = "from asianage.cli.options import start_keras; import asianage.networks; start_keras()"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr == ""


def test_an_unknown_detector_is_refused_with_the_names(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["predict", "photo.jpg", "--detector", "haar"])
    assert caught.value.code == 2
    assert "--detector: must be auto, yunet, mtcnn, none, the path of a .onnx file, or" in capsys.readouterr().err


def test_tables_may_write_genders_in_their_own_way(tmp_path):
    parser = argparse.ArgumentParser()
    options.add_faces(parser)
    table = tmp_path / "faces.csv"
    table.write_text("file,gender\na.jpg,0\nb.jpg,1\n")
    plain = parser.parse_args([str(table)])
    assert options.labeled_faces(plain, plain.data) == table
    given = parser.parse_args([str(table), "--gender-labels", "0=male,1=female"])
    assert [record.gender for record in options.labeled_faces(given, given.data)] == ["male", "female"]
