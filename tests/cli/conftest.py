from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two pictures taken as one face each, and a file that is no picture."""
    for name, seed in (("a.png", 1), ("b.jpg", 2)):
        pixels = np.random.default_rng(seed).integers(0, 256, (120, 100, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path
