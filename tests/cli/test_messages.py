from __future__ import annotations

import pytest

from asianage.cli.messages import printable, say, spoken_of

USAGE = (
    "usage: asianage example [-h] [--detector DETECTOR] [--learning-rate RATE] [--mirror] [--split SPLIT] "
    "[--threads N] [--max-pixels N] data"
)


@pytest.mark.parametrize(
    ("message", "spoken"),
    [
        ("`learning_rate` must be positive.", "--learning-rate must be positive."),
        ("Leave out `split`, or pass split='identity'.", "Leave out --split, or pass --split identity."),
        ('Use detector=None or detector="PATH.onnx".', "Use --detector none or --detector PATH.onnx."),
        ("Pass it as `detector=`.", "Pass it as --detector."),
        ("It was measured with mirror=True.", "It was measured with --mirror."),
        ("`num_threads` must be 1 or more.", "--threads must be 1 or more."),
        ("more than max_pixels=100. Raise `max_pixels`.", "more than --max-pixels 100. Raise --max-pixels."),
        ("`image` must be a file.", "PATH must be a file."),
        ("log in with `hf auth login` or pass `token=`.", "log in with `hf auth login` or set HF_TOKEN."),
        ("choose another cache with `cache_dir=` or HF_HOME.", "choose another cache with HF_HOME."),
        ("min detector='a b', max_pixels=1,000.", "min --detector a b, --max-pixels 1,000."),
        ("There is no file detector=bad.jpg.", "There is no file detector=bad.jpg."),
        ("There is no file a/threads=3.jpg, mirror=True.jpg", "There is no file a/threads=3.jpg, mirror=True.jpg"),
        ("There is no file /max_pixels=3/split=1.5.png.", "There is no file /max_pixels=3/split=1.5.png."),
        ("`data`, `sigma` and max_split=3 stay.", "`data`, `sigma` and max_split=3 stay."),
    ],
)
def test_errors_speak_of_options(message, spoken):
    assert spoken_of(message, USAGE) == spoken


def test_a_line_says_whose_it_is_and_holds_no_secret(capsys):
    say("GET https://me:pass@host/x failed")
    assert capsys.readouterr().err == "asianage: GET https://...@host/x failed\n"


def test_a_name_stays_on_its_line():
    assert printable("a\nb\r\t\x1b[1m.jpg") == r"a\nb\r\t\x1b[1m.jpg"
    assert printable("a\u2028b\x85.jpg") == r"a\u2028b\x85.jpg"
    for name in ("a b.jpg", "\u5f20.jpg", "\udcff.jpg", r"a\b.jpg"):
        assert printable(name) == name
