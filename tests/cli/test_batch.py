from __future__ import annotations

import sys
from typing import Any

import pytest

from asianage.apps import batch
from asianage.cli import main


@pytest.fixture
def given(monkeypatch) -> dict[str, Any]:
    """Replace the batch by one that notes what it is given."""
    noted: dict[str, Any] = {"errors": 0, "before": 0}

    def predict_batch(source: str, output: str, **options: Any) -> batch.BatchResult:
        noted.update(options, source=source, output=output)
        return batch.BatchResult(output, 2, noted["before"], 2000, 2500, noted["errors"], 10.0)

    monkeypatch.setattr(batch, "predict_batch", predict_batch)
    return noted


def test_a_batch_says_what_it_has_done(given, capsys):
    assert main(["batch", "photos", "out"]) == 0
    assert capsys.readouterr().err == (
        "asianage: 2 parts are written to out: 2,000 photos, 2,500 faces, 200.0 photos a second.\n"
    )
    assert (given["source"], given["output"]) == ("photos", "out")
    assert (given["model"], given["detector"], given["part_size"], given["num_threads"]) == ("compact", "auto", 1000, 1)
    assert given["workers"] is given["address"] is given["column"] is None
    assert not given["distribution"]


def test_every_option_is_handed_on(given):
    options = "--column image --model accurate --detector none --mirror --distribution --part-size 5 --workers 3"
    assert (
        main(["batch", "s3://a/b", "out", *options.split(), "--threads", "2", "--address", "auto", "--max-pixels", "9"])
        == 0
    )
    expected = {
        "column": "image",
        "model": "accurate",
        "detector": None,
        "mirror": True,
        "distribution": True,
        "part_size": 5,
        "workers": 3,
        "num_threads": 2,
        "max_pixels": 9,
        "progress": True,
        "address": "auto",
    }
    assert {name: given[name] for name in expected} == expected


def test_unreadable_photos_and_earlier_parts_are_told(given, capsys):
    given.update(errors=12, before=1500)
    assert main(["batch", "photos", "out"]) == 1
    told = capsys.readouterr().err
    assert "1,500 parts were there already" in told
    assert "12 photos could not be read" in told


def test_quiet_says_what_failed_only(given, capsys):
    assert main(["batch", "photos", "out", "-q"]) == 0
    assert not given["progress"]
    assert not capsys.readouterr().err
    given["errors"] = 1
    main(["batch", "photos", "out", "--quiet"])
    assert "1 photo could not be read" in capsys.readouterr().err


def test_errors_speak_of_options(tmp_path, capsys):
    for option in ("--part-size", "--workers", "--threads"):
        assert main(["batch", str(tmp_path), str(tmp_path / "out"), option, "0"]) == 2
        assert f"{option} must be 1 or more. Received: 0" in capsys.readouterr().err


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    assert main(["batch", str(tmp_path), str(tmp_path / "out")]) == 2
    assert 'pip install "asianage[ray]"' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
