from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from asianage.cli import main
from asianage.models.folder import BUNDLED


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(BUNDLED / "compact", tmp_path / "copy")


@pytest.mark.parametrize("name", ["compact", "detector"])
def test_a_whole_model_of_either_kind_is_listed_with_its_hashes(name, capsys):
    assert main(["verify", name]) == 0
    text = capsys.readouterr().out
    for file in (BUNDLED / name).iterdir():
        assert f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" in text
    assert "README.md (not listed)" in text
    assert "The model runs" in text


@pytest.mark.parametrize("file", ["model.tflite", "metrics.json", "config.json"])
def test_every_changed_or_missing_file_is_found(copy, file, capsys):
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    for change in (lambda: (copy / file).write_bytes(content), (copy / file).unlink):
        change()
        pinned = hashlib.sha256((BUNDLED / "compact" / "config.json").read_bytes()).hexdigest()
        assert main(["verify", str(copy), "--sha256", pinned]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert file in captured.err


def test_a_network_that_fits_its_hash_but_does_not_run_is_found(copy, capsys):
    (copy / "model.tflite").write_bytes((BUNDLED / "detector" / "detector.tflite").read_bytes())
    config = json.loads((copy / "config.json").read_text())
    config["files"]["model.tflite"] = hashlib.sha256((copy / "model.tflite").read_bytes()).hexdigest()
    (copy / "config.json").write_text(json.dumps(config))
    assert main(["verify", str(copy)]) == 2
    assert "model.tflite" in capsys.readouterr().err
