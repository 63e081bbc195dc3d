from __future__ import annotations

import pytest

from asianage.cli.messages import masked, say, spoken_of

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
        ("`data`, `sigma` and max_split=3 stay.", "`data`, `sigma` and max_split=3 stay."),
    ],
)
def test_errors_speak_of_options(message, spoken):
    assert spoken_of(message, USAGE) == spoken


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("There is no folder https:/me:pass@host/x.", "There is no folder https:/...@host/x."),
        ("GET https://me:pa%40ss@host:8080/x failed", "GET https://...@host:8080/x failed"),
        ("https://host/x?token=abc&n=1 cannot be read", "https://host/x?... cannot be read"),
        ("s3://KEY:SECRET@bucket/a.jpg", "s3://...@bucket/a.jpg"),
        ("data:image/png;base64,iVBORw0KGgo= is none", "data:image/png;base64,... is none"),
        ("the token hf_abcdefghijklmnop is old", "the token hf_... is old"),
        ("x" * 5000 + ".jpg: no", "x" * 60 + "... no"),
        (
            "write me@example.org, see https://host/docs or a/b@main",
            "write me@example.org, see https://host/docs or a/b@main",
        ),
        ("C:/photos/a@2x.jpg and cam:/1.png stay", "C:/photos/a@2x.jpg and cam:/1.png stay"),
    ],
)
def test_a_message_holds_no_secret(text, shown, capsys):
    assert masked(text) == shown
    say(text)
    assert capsys.readouterr().err == f"asianage: {shown}\n"


@pytest.mark.parametrize(
    "text", ["write me@example.org, see https://host/docs or a/b@main", "C:/photos/a@2x.jpg and cam:/1.png stay"]
)
def test_what_only_looks_like_a_secret_stays(text):
    assert masked(text) == text
