"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage.data.afad import read_afad_list
from asianage.data.records import FaceRecord, RecordTable
from asianage.faces.images import load_image

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data sets, which lie beside the checkout on some machines."""
    folder = SHARED / "data"
    if not (folder / "labels.csv").is_file():
        pytest.skip("needs the data sets in ../shared/data, which this machine does not have")
    return folder


@pytest.fixture(scope="session")
def afad_list(shared_data) -> RecordTable:
    """The published list of all files of AFAD, which takes seconds to read."""
    return read_afad_list(shared_data / "AFAD-Full.txt")


@pytest.fixture(scope="session")
def yunet_path() -> Path:
    """YuNet's ONNX file, which lies beside the checkout on some machines."""
    pytest.importorskip("cv2", reason="needs the extra yunet")
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


def draw_face(age: float, gender: str, seed: int, side: int = 48) -> np.ndarray:
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side - 0.5
    disk = (x**2 + y**2 < 0.16)[..., None]
    color = np.array([1.0, 0.5, 0.5] if gender == "female" else [0.5, 0.5, 1.0])
    picture = np.where(disk, color * (40 + 2 * age), 30) + random.normal(0, 3, (side, side, 3))
    return picture.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def tiny_records(tmp_path_factory) -> list[FaceRecord]:
    """60 pictures for training, 30 for validation, 20 for testing."""
    folder = tmp_path_factory.mktemp("faces")
    random = np.random.default_rng(0)
    records = []
    for number in range(110):
        age, gender = int(random.integers(5, 90)), ("female", "male")[number % 2]
        path = folder / f"{number:03d}.png"
        Image.fromarray(draw_face(age, gender, number)).save(path)
        split = "train" if number < 60 else "val" if number < 90 else "test"
        records.append(FaceRecord(path, float(age), gender, dataset="tiny", split=split, identity=str(number)))
    return records


@pytest.fixture
def bars(monkeypatch) -> None:
    """Progress is shown as bars, as on a terminal."""
    monkeypatch.setattr("asianage.progress._is_watched", lambda: True)
