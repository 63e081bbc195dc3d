from __future__ import annotations

import csv
import importlib

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("keras", reason="needs the extra train")

from asianage.data.records import FaceRecord
from asianage.networks import vggface
from asianage.training import run_study
from asianage.training.study.recipes import NETWORKS, SCALED, STUDY
from tests.conftest import draw_face
from tests.training.study.tiny_study import tiny

module = importlib.import_module("asianage.training.run_study")

FEW = [NETWORKS[0], *NETWORKS[4:]]
"""The networks of the system. The others are trained by the same code."""


@pytest.fixture(scope="module")
def young(tmp_path_factory):
    """540 faces of few ages, so that every part of the study's split has enough of them."""
    folder = tmp_path_factory.mktemp("young")
    records = []
    for number in range(540):
        age, gender = 15 + number // 2 % 3, ("female", "male")[number % 2]
        path = folder / f"{number:03d}.png"
        if number < 90:
            Image.fromarray(draw_face(age, gender, number, side=32)).save(path)
        else:
            path.symlink_to(folder / f"{number % 90:03d}.png")
        records.append(FaceRecord(path, float(age), gender, dataset="afad", identity=str(number)))
    return records


@pytest.fixture(scope="module")
def studied(young, tmp_path_factory):
    """The folder of a study with tiny networks, and what a second call trained."""
    folder = tmp_path_factory.mktemp("study")
    options = {
        "random_vggface": True,
        "quantization": "float32",
        "epochs": 1,
        "protocols": ["study"],
        "show_faces": True,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STUDY_NETWORKS", {"": [tiny(recipe) for recipe in FEW]})
        patch.setattr(vggface, "_BLOCKS", ((4, 2), (8, 2), (8, 3), (8, 3), (8, 3)))
        run_study(young, folder, **options)
        trained = []
        patch.setattr(module, "train_network", lambda *arguments, **more: trained.append(arguments))
        patch.setattr(module, "assemble_study", lambda *arguments, **more: trained.append(arguments))
        table = run_study(young, folder, **options)
    return folder, table, trained


def rows_of(folder):
    with (folder / "study.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_row_is_trained_measured_and_assembled(studied):
    folder, table, _ = studied
    assert table == folder / "study.md"
    done = {path.parent.parent.name for path in (folder / "study").glob("*/model/metrics.json")}
    assert done == {*(recipe.name for recipe in FEW), "study"}
    rows = {row[""]: row["the study's protocol"] for row in rows_of(folder)}
    assert len(rows) == 12
    assert {title for title, figure in rows.items() if not figure} == {"age", "age of men", "age of women"}


def test_the_table_names_faces_and_parameters(studied):
    rows = {row[""]: row for row in rows_of(studied[0])}
    learned, measured = rows["age of men, VGGFace"]["faces, the study's protocol"].split(" / ")
    assert (int(learned), int(measured)) == (216, 54)
    assert "frozen" in rows["age of men, VGGFace"]["parameters"]
    # 18 of the 90 women, and of the men, of 15 years are the first fifth of an age and of a gender.
    assert rows["the whole system, age"]["faces, the study's protocol"].endswith(" / 36")
    text = studied[1].read_text("utf-8")
    assert "VGGFace began with random weights" in text
    assert "They flatter" in text


def test_the_figures_are_there_and_the_crops_are_not(studied):
    folder = studied[0]
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "published_and_measured.png",
        "images_by_age_and_gender.png",
        "gender_confusion.png",
        "training_curves_study.png",
        "error_by_age_study.png",
        "sample_faces.png",
    }
    assert not list(folder.rglob("crops.npy"))


def test_what_is_finished_is_not_done_again(studied):
    assert studied[2] == []


def test_weights_that_are_not_there_are_asked_for_before_any_work(young, tmp_path, monkeypatch):
    def missing(name, path=None):
        raise FileNotFoundError(f"The pretrained weights {name!r} are not there.")

    monkeypatch.setattr(module, "find_pretrained", missing)
    with pytest.raises(FileNotFoundError, match="'vggface'"):
        run_study(young, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_trial_takes_some_faces_and_says_so(young):
    some = module._study_faces(young, None, 40)
    assert len(some) == 40
    assert some == module._study_faces(young, None, 40)
    remark, system = module._remarks(1, 40, 100, False, False, ("identity", "study"))
    assert remark == (
        "A trial with 1 epoch for every network, at most 40 faces, VGGFace on 100 pixels: the figures do not compare."
    )
    assert system.startswith("With the study's protocol")
    assert module._remarks(1, 40, 100, False, False, ("identity",)) == [remark]


def test_settings_reach_the_networks_that_they_are_for():
    by_name = {recipe.name: module._changed(recipe, 2, 5, 100, True) for recipe in NETWORKS}
    assert all((recipe.epochs, recipe.seed) == (2, 5) for recipe in by_name.values())
    assert by_name["vggface-age-male"].faces.image_size == 100
    assert by_name["vggface-age-male"].pretrained == ""
    assert by_name["simple-cnn-age"].faces.image_size == 100
    ours = module._changed(module.STUDY_NETWORKS[SCALED][0], None, None, None, False)
    assert ours.name == "simple-cnn-gender"
    assert {stage.recipe.name for stage in STUDY.stages} <= set(by_name)
    assert np.isclose(ours.optimizer.learning_rate, 1e-3)
