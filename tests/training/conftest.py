"""Small synthetic faces: disks whose brightness tells the age and whose color tells the gender."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from asianage.training.data.records import FaceRecord


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
