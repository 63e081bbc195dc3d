from __future__ import annotations

import contextlib
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage.cli import main
from asianage.data.records import write_records


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two pictures taken as one face each, and a file that is no picture."""
    for name, seed in (("a.png", 1), ("b.jpg", 2)):
        pixels = np.random.default_rng(seed).integers(0, 256, (120, 100, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


@pytest.fixture(scope="session")
def trained(tiny_records, tmp_path_factory) -> tuple[Path, str]:
    """The folder of a run that `asianage train` has made of a tiny recipe, and what the command printed."""
    pytest.importorskip("keras", reason="needs the extra train")
    from asianage.training.recipes import RECIPES
    from tests.training.tiny_recipe import TINY

    folder = tmp_path_factory.mktemp("train")
    write_records([dataclasses.replace(record, split="") for record in tiny_records], folder / "faces.csv")
    command = ["train", "tiny", str(folder / "faces.csv"), str(folder / "run"), "--detector", "none"]
    options = ["--dataset", "tiny", "--split", "identity", "--fold", "3", "--epochs", "1", "--name", "small"]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.setitem(RECIPES, "tiny", TINY)
        assert main([*command, *options, "--quantization", "float32"]) == 0
    return folder / "run", printed.getvalue()
