"""Evaluations whose labels and estimates are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage.evaluation.result import Evaluation
from tests.evaluation.labeled_evaluation import labeled_evaluation

HISTORY = "epoch,seconds,loss,val_mae_a,val_gender_a,val_mae_b,val_gender_b,val_score\n"


@pytest.fixture(scope="session")
def picture(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "face.png"
    Image.fromarray(np.full((30, 20, 3), (200, 40, 40), dtype=np.uint8)).save(path)
    return path


@pytest.fixture(scope="session")
def mixed(picture) -> Evaluation:
    random = np.random.default_rng(5)
    count = 120
    ages = [float(age) for age in random.integers(1, 70, count)]
    return labeled_evaluation(
        picture, ages, [*random.choice(["female", "male"], count)], [*random.choice(["a", "b"], count)]
    )


@pytest.fixture(scope="session")
def history(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("run") / "history.csv"
    file.write_text(HISTORY + "1,10,4.5,12,0.6,11,0.7,11.5\n2,10,3.5,6,0.8,5,0.9,5.5\n3,10,3.1,7,0.9,6,0.9,6.5\n")
    return file
