"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asianage.images import load_image

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data sets, which lie beside the checkout on some machines."""
    folder = SHARED / "data"
    if not (folder / "labels.csv").is_file():
        pytest.skip("needs the data sets in ../shared/data, which this machine does not have")
    return folder


@pytest.fixture(scope="session")
def yunet_path() -> Path:
    """YuNet's ONNX file, which lies beside the checkout on some machines."""
    path = SHARED / "models" / "face_detection_yunet_2023mar.onnx"
    if not path.is_file():
        pytest.skip("needs YuNet's weights in ../shared/models, which this machine does not have")
    return path


@pytest.fixture(scope="session")
def hopper() -> np.ndarray:
    """A photo of one face that comes with matplotlib: uint8 (600, 512, 3), RGB."""
    cbook = pytest.importorskip("matplotlib.cbook", reason="needs matplotlib's sample photo")
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        image = load_image(file)
    image.flags.writeable = False
    return image
