from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from asianage import AgeGenderEstimator
from asianage.data.splits import hold_out_split
from asianage.models.folder import WEIGHTS
from asianage.networks.restore import restore_network
from asianage.training import fine_tune, train
from asianage.training.fine_tune import FEWEST_FACES
from tests.training.tiny_recipe import TINY


@pytest.fixture(scope="module")
def start(tiny_records, tmp_path_factory):
    records = [record for record in tiny_records if record.split != "test"]
    return train(TINY.with_epochs(6), records, tmp_path_factory.mktemp("start"), detector=None).model


@pytest.fixture
def own_faces(tiny_records):
    """Faces that are all 15 years older than the model was told, without a split."""
    return [replace(record, age=record.age + 15, split="") for record in tiny_records]


def tune(start, faces, folder, **options):
    settings = {"epochs": 8, "learning_rate": 5e-3, "detector": None, "quantization": "float32"}
    return fine_tune(start.path, faces, folder, **{**settings, **options})


def test_the_new_model_is_better_on_held_out_faces_of_ones_own(start, own_faces, tmp_path):
    better = tune(start, own_faces, tmp_path)
    scores = better.model.config.provenance["held_out"]
    assert scores["after"]["val_score"] < scores["before"]["val_score"] - 2
    held_out = [record for record in hold_out_split(own_faces) if record.split == "val"]
    paths = [record.path for record in held_out]

    def error(estimator):
        return np.mean([abs(p.age - r.age) for p, r in zip(estimator.predict_crops(paths), held_out, strict=True)])

    assert error(better) < error(AgeGenderEstimator(start)) - 2
    provenance = better.model.config.provenance
    assert provenance["ancestors"][provenance["initial"]]["recipe"]["name"] == "tiny"
    assert better.model.config.calibration != start.config.calibration


def test_normalizations_keep_their_statistics(start, own_faces, tmp_path):
    better = tune(start, own_faces, tmp_path, epochs=1)
    networks = [restore_network(model) for model in (start, better.model)]
    before, after = (network.get_layer("stage1_down_norm").get_weights() for network in networks)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-3)


def test_a_model_that_gets_no_better_stays_as_it_was(start, tiny_records, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        same = tune(start, [replace(r, split="") for r in tiny_records], tmp_path, epochs=1, learning_rate=0.9)
    assert "no epoch was better" in caplog.text
    crops = [record.path for record in tiny_records[:5]]
    before = AgeGenderEstimator(start).predict_crops(crops)
    after = same.predict_crops(crops)
    # The network is the same; start was quantized, and the temperature is new.
    np.testing.assert_allclose([f.age for f in after], [f.age for f in before], atol=6)


def test_genders_alone_are_enough_and_keep_the_intervals(start, own_faces, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        better = tune(start, [replace(record, age=None) for record in own_faces], tmp_path, epochs=1)
    assert "that of the model before is kept" in caplog.text
    assert better.model.config.calibration == start.config.calibration


def test_faces_of_one_age_are_learned(start, own_faces, tmp_path):
    better = tune(start, [replace(record, age=50.0) for record in own_faces], tmp_path, epochs=3)
    assert np.mean([f.age for f in better.predict_crops([r.path for r in own_faces])]) == pytest.approx(50, abs=12)


def test_unreadable_pictures_are_left_out_and_listed(start, own_faces, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no picture")
    faces = [*own_faces, *(replace(own_faces[0], path=broken, identity=f"b{i}") for i in range(3))]
    tune(start, faces, tmp_path / "run", epochs=1)
    assert "broken.jpg" in (tmp_path / "run" / "left_out.csv").read_text()


def test_few_faces_warn_and_fewer_are_refused(start, own_faces, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        tune(start, own_faces[:12], tmp_path / "few", epochs=1)
    assert "only 3 faces are held out" in caplog.text
    with pytest.raises(ValueError, match=rf"needs {FEWEST_FACES} labeled faces or more.*Received: 3"):
        tune(start, own_faces[:3], tmp_path / "three")


def test_an_interrupted_call_goes_on_and_another_run_is_refused(start, own_faces, tmp_path):
    tune(start, own_faces, tmp_path, epochs=2)
    history = (tmp_path / "history.csv").read_text()
    tune(start, own_faces, tmp_path, epochs=2)
    assert (tmp_path / "history.csv").read_text() == history
    with pytest.raises(ValueError, match="other settings"):
        tune(start, own_faces, tmp_path, epochs=3)
    with pytest.raises(ValueError, match="other faces or another split"):
        tune(start, own_faces[:50], tmp_path, epochs=2)


def test_a_run_is_not_resumed_from_another_model(start, own_faces, tmp_path):
    other = tune(start, own_faces, tmp_path / "other", epochs=1)
    tune(start, own_faces, tmp_path / "run", epochs=1)
    with pytest.raises(ValueError, match="other settings"):
        tune(other.model, own_faces, tmp_path / "run", epochs=1)


def test_faces_of_one_gender_teach_ages_alone(start, own_faces, tmp_path, caplog):
    men = [replace(record, gender="male") for record in own_faces]
    with caplog.at_level(logging.WARNING):
        better = tune(start, men, tmp_path / "men", epochs=1)
    assert "all faces to learn from are labeled male" in caplog.text
    ages_alone = tune(start, [replace(record, gender=None) for record in men], tmp_path / "ages", epochs=1)
    crops = [record.path for record in own_faces[:10]]
    said = [[(face.gender, face.gender_probability) for face in e.predict_crops(crops)] for e in (better, ages_alone)]
    assert [gender for gender, _ in said[0]] == [gender for gender, _ in said[1]]
    np.testing.assert_allclose(*([probability for _, probability in faces] for faces in said), atol=1e-3)


def test_few_held_out_genders_keep_the_temperature_of_the_gender(start, own_faces, tmp_path):
    folder = tmp_path / "start"
    shutil.copytree(start.path, folder)
    config = json.loads((folder / "config.json").read_text())
    config["calibration"]["gender_temperature"] = 2.5
    (folder / "config.json").write_text(json.dumps(config))
    faces = [replace(record, gender=None) for record in own_faces]
    tuned = fine_tune(folder, faces, tmp_path / "run", epochs=1, detector=None, quantization="float32")
    assert tuned.model.config.calibration.gender_temperature == 2.5
    assert tuned.model.config.calibration.interval_mass != start.config.calibration.interval_mass


def test_pictures_that_are_left_out_do_not_count(start, own_faces, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no picture")
    faces = [*own_faces[:4], *(replace(own_faces[0], path=broken, identity=f"b{i}") for i in range(20))]
    faces = [replace(face, split="val" if number < 2 else "train") for number, face in enumerate(faces)]
    with pytest.raises(ValueError, match=r"Received: 4\. Pictures that are unreadable.*left_out\.csv"):
        tune(start, faces, tmp_path / "run", epochs=1)


def test_contradictory_pictures_are_neither_learned_from_nor_held_out(start, own_faces, tmp_path):
    copy = tmp_path / "copy.png"
    shutil.copy(own_faces[0].path, copy)
    faces = [*own_faces, replace(own_faces[0], path=copy, identity="other", age=own_faces[0].age - 30)]
    tune(start, faces, tmp_path / "run", epochs=1)
    split = (tmp_path / "run" / "split.csv").read_text()
    assert "copy.png" not in split
    assert own_faces[0].path.name not in split
    assert len((tmp_path / "run" / "left_out.csv").read_text().splitlines()) == 3


def test_the_folder_of_another_run_stays_as_it_is(start, own_faces, tmp_path):
    tune(start, own_faces, tmp_path, epochs=1)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(ValueError, match="other settings"):
        tune(start, own_faces, tmp_path, epochs=2)
    with pytest.raises(ValueError, match="other settings: `detector` was"):
        tune(start, own_faces, tmp_path, epochs=1, detector="mtcnn")
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_what_cannot_be_done_is_refused_before_any_work(start, own_faces, tmp_path):
    for options, message in (
        ({"epochs": 0}, "`epochs` must be 1 or more"),
        ({"learning_rate": 0.0}, "`learning_rate` must be above 0"),
        ({"quantization": "int4"}, "`quantization` must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            tune(start, own_faces, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_held_out_faces_of_few_ages_warn(start, own_faces, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        tune(start, [replace(face, age=50.0 + n % 9) for n, face in enumerate(own_faces)], tmp_path, epochs=1)
    assert "held-out faces are all 50 to 58 years old" in caplog.text


def test_a_model_without_weights_is_refused(start, own_faces, tmp_path):
    from asianage.errors import ModelFormatError

    folder = tmp_path / "bare"
    shutil.copytree(start.path, folder)
    (folder / WEIGHTS).unlink()
    with pytest.raises((ModelFormatError, FileNotFoundError), match=WEIGHTS):
        fine_tune(folder, own_faces, tmp_path / "run", detector=None)


def test_nobody_is_in_both_parts_and_both_have_all_ages(tiny_records):
    people = [replace(record, identity=str(number // 3)) for number, record in enumerate(tiny_records)]
    split = hold_out_split(people)
    parts = {part: {r.identity for r in split if r.split == part} for part in ("train", "val")}
    assert not parts["train"] & parts["val"]
    singles = hold_out_split([replace(record, identity="") for record in tiny_records])
    held_out = [record.age for record in singles if record.split == "val"]
    assert len(held_out) == len(tiny_records) // 4 + (len(tiny_records) % 4 > 1)
    assert abs(np.mean(held_out) - np.mean([record.age for record in tiny_records])) < 3
    assert hold_out_split(list(reversed(singles))) == list(reversed(singles))
