from __future__ import annotations

import argparse

import pytest

from asianage.cli import main, options

USAGE = "usage: asianage example [-h] [--detector DETECTOR] [--learning-rate RATE] [--mirror] [--split SPLIT] data"


@pytest.mark.parametrize(
    ("message", "spoken"),
    [
        ("`learning_rate` must be positive.", "--learning-rate must be positive."),
        ("Leave out `split`, or pass split='identity'.", "Leave out --split, or pass --split identity."),
        ('Use detector=None or detector="PATH.onnx".', "Use --detector none or --detector PATH.onnx."),
        ("It was measured with mirror=True.", "It was measured with --mirror."),
        (
            "`data`, `sigma` and max_split=3 stay.",
            "`data`, `sigma` and max_split=3 stay.",
        ),
    ],
)
def test_errors_speak_of_options(message, spoken):
    assert options.spoken_of(message, USAGE) == spoken


@pytest.mark.parametrize(
    ("given", "detector"), [([], "auto"), (["mtcnn"], "mtcnn"), (["none"], None), (["a/B.ONNX"], "a/B.ONNX")]
)
def test_the_detector_is_what_the_estimator_takes(given, detector):
    parser = argparse.ArgumentParser()
    options.add_estimator(parser)
    values = parser.parse_args(["--detector", *given] if given else [])
    assert vars(values) == {"model": "compact", "detector": detector, "mirror": False}


def test_an_unknown_detector_is_refused_with_the_names(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["predict", "photo.jpg", "--detector", "haar"])
    assert caught.value.code == 2
    assert "--detector: must be auto, yunet, mtcnn, none, the path of a .onnx file, or" in capsys.readouterr().err
