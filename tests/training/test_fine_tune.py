from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage import AgeGenderEstimator
from asianage.data.splits import hold_out_split
from asianage.errors import ModelFormatError
from asianage.models.folder import NETWORK, WEIGHTS, open_model_folder
from asianage.models.pretrained import save_model
from asianage.networks.restore import restore_network
from asianage.training import fine_tune, recipes
from asianage.training.fine_tune import FEWEST_FACES, _prepare, _recipe
from asianage.training.run_folder import Run
from tests.training.tiny_recipe import TINY

SETTINGS = {"epochs": 8, "learning_rate": 5e-3, "detector": None, "quantization": "float32"}


@pytest.fixture(scope="module")
def start(tiny_run):
    return open_model_folder(tiny_run / "model")


@pytest.fixture(scope="module")
def own_faces(tiny_records):
    """Faces that are all 15 years older than the labels of the first training, without a split."""
    return [replace(record, age=record.age + 15, split="") for record in tiny_records]


@pytest.fixture(scope="module")
def better(start, own_faces, tmp_path_factory):
    return fine_tune(start.path, own_faces, tmp_path_factory.mktemp("better"), **SETTINGS)


def check_refused(start, faces, folder, problem, **options):
    with pytest.raises(ValueError, match=problem):
        fine_tune(start.path, faces, folder, **{**SETTINGS, **options})


def prepared(faces, folder, *, validation=None, tasks=("age", "gender")):
    return _prepare(faces, validation, Run(folder, detector=None), tasks)


def test_the_new_model_is_better_on_held_out_faces_of_ones_own(start, better, own_faces):
    scores = better.model.config.provenance["held_out"]
    assert scores["after"]["val_score"] < scores["before"]["val_score"] - 2
    held_out = [record for record in hold_out_split(own_faces) if record.split == "val"]
    paths = [record.path for record in held_out]

    def error(estimator):
        return np.mean(
            [abs(p.age - r.age) for p, r in zip(estimator.predict_crops(paths, align=False), held_out, strict=True)]
        )

    assert error(better) < error(AgeGenderEstimator(start)) - 2
    provenance = better.model.config.provenance
    assert provenance["ancestors"][provenance["initial"]]["recipe"]["name"] == "tiny"
    assert better.model.config.calibration != start.config.calibration
    assert provenance["labels"]["train"]["genders"] == {"female": 42, "male": 40}
    card = (better.model.path / "README.md").read_text("utf-8")
    assert "Fine-tuned on 82 training faces" in card
    assert "MAE of tiny" in card
    assert better.model.config.name == "tiny-fine-tuned"


def test_normalizations_keep_their_statistics(start, better):
    networks = [restore_network(model) for model in (start, better.model)]
    before, after = (network.get_layer("stage1_down_norm").get_weights() for network in networks)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-3)


def test_a_finished_call_changes_nothing_and_another_is_refused(start, better, own_faces, tmp_path):
    folder = better.model.path.parent
    history = (folder / "history.csv").read_bytes()
    fine_tune(start.path, own_faces, folder, **SETTINGS)
    assert (folder / "history.csv").read_bytes() == history
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    check_refused(start, own_faces, folder, "`epochs` was 8 and is 9", epochs=9)
    check_refused(start, own_faces, folder, "`detector`", detector="mtcnn")
    check_refused(start, own_faces[:50], folder, "other faces or another split")
    other = save_model(better.model, tmp_path / "other")
    check_refused(other, own_faces, folder, "`name`")
    check_refused(better.model, own_faces, folder, "must not replace what it reads")
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_a_model_that_gets_no_better_stays_as_it_was(start, tiny_records, tmp_path, caplog):
    faces = [replace(record, split="") for record in tiny_records]
    with caplog.at_level(logging.INFO):
        same = fine_tune(
            start.path, faces, tmp_path, **{**SETTINGS, "epochs": 1, "learning_rate": 0.9, "quantization": "int8"}
        )
    assert "No epoch was better" in caplog.text
    assert same.model.config.calibration == start.config.calibration
    assert same.model.read(NETWORK) == start.read(NETWORK)
    for old, new in zip(*(restore_network(model).get_weights() for model in (start, same.model)), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-3)


def test_a_frozen_backbone_learns_genders_alone_and_keeps_the_intervals(start, own_faces, tmp_path):
    faces = [replace(face, age=None) for face in own_faces]
    options = {"freeze": "backbone", "batch_size": 5, "augmentation": None, "epochs": 1}
    tuned = fine_tune(start.path, faces[30:], tmp_path, validation=faces[:30], **{**SETTINGS, **options})
    assert tuned.model.config.calibration == start.config.calibration
    recipe = json.loads((tmp_path / "recipe.json").read_text("utf-8"))
    assert (recipe["freeze"], recipe["batch_size"], recipe["augmentation"]) == (["backbone"], 5, None)
    assert tuned.model.config.provenance["faces"] == {"train": {"tiny": 80}, "val": {"tiny": 30}}
    trained = open_model_folder(tmp_path / "model")
    networks = [restore_network(model) for model in (start, trained)]
    for layer in networks[0].layers:
        for old, new in zip(layer.get_weights(), networks[1].get_layer(layer.name).get_weights(), strict=True):
            if layer.name not in ("age_logits", "gender_logit"):
                np.testing.assert_allclose(new, old, atol=1e-3)


def test_unreadable_and_contradictory_pictures_are_left_out_and_listed(own_faces, tmp_path):
    broken, copy = tmp_path / "broken.jpg", tmp_path / "copy.png"
    broken.write_text("no picture")
    shutil.copy(own_faces[0].path, copy)
    faces = [
        *own_faces,
        replace(own_faces[0], path=broken, identity="broken"),
        replace(own_faces[0], path=copy, identity="other", age=own_faces[0].age - 30),
    ]
    records = prepared(faces, tmp_path / "run")
    assert {record.path for record in records} == {record.path for record in own_faces[1:]}
    left_out = (tmp_path / "run" / "left_out.csv").read_text("utf-8")
    assert all(name in left_out for name in ("broken.jpg", "copy.png", own_faces[0].path.name))
    assert "copy.png" not in (tmp_path / "run" / "split.csv").read_text("utf-8")


def test_faults_of_validation_faces_are_left_out_too_and_no_picture_is_on_both_sides(own_faces, tmp_path):
    split = hold_out_split(own_faces)
    held_out = next(record for record in split if record.split == "val")
    contradicting, gone = tmp_path / "copy.png", replace(held_out, path=tmp_path / "gone.png")
    shutil.copy(held_out.path, contradicting)
    faulty = [*split, replace(held_out, path=contradicting, age=held_out.age + 20), gone]
    kept = {record.path for record in prepared(faulty, tmp_path / "run")}
    assert not kept & {held_out.path, contradicting, gone.path}
    listed = (tmp_path / "run" / "left_out.csv").read_text("utf-8")
    assert all(path.name in listed for path in (held_out.path, contradicting, gone.path))
    with pytest.raises(ValueError, match="must not share pictures"):
        prepared(own_faces, tmp_path / "shared", validation=own_faces[:5])
    with pytest.raises(ValueError, match="no face of the split val"):
        prepared([record for record in split if record.split == "train"], tmp_path / "none")


def test_few_faces_warn_and_fewer_are_refused(own_faces, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        prepared(own_faces[:12], tmp_path / "few")
    assert "only 3 faces are held out" in caplog.text
    with pytest.raises(ValueError, match=rf"needs {FEWEST_FACES} labeled faces or more.*Received: 3"):
        prepared(own_faces[:3], tmp_path / "three")
    assert not (tmp_path / "three").exists()


def test_pictures_that_are_left_out_do_not_count(own_faces, tmp_path):
    faces = [replace(face, split="val" if number < 2 else "train") for number, face in enumerate(own_faces[:8])]
    copies = [
        replace(faces[-1], path=shutil.copy(faces[-1].path, tmp_path / f"{i}.png"), identity=f"copy{i}")
        for i in range(9)
    ]
    with pytest.raises(ValueError, match=r"Received: 7\. Unreadable pictures.*left_out\.csv"):
        prepared([*faces[:-1], *(replace(copy, age=float(i)) for i, copy in enumerate(copies))], tmp_path / "run")


def test_a_folder_of_mostly_broken_pictures_is_refused(own_faces, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no picture")
    with pytest.raises(ValueError, match="0 of 24 pictures are missing and 4 unreadable"):
        prepared([*own_faces[:20], *(replace(own_faces[0], path=broken, identity=f"b{i}") for i in range(4))], tmp_path)


@pytest.mark.parametrize("women", [0, 1, 4])
def test_genders_that_are_nearly_all_the_same_are_not_learned(women, own_faces, tmp_path, caplog):
    split = [replace(record, split="val" if number < 30 else "train") for number, record in enumerate(own_faces)]
    faces = [
        replace(record, gender="female" if number >= 110 - women else "male") for number, record in enumerate(split)
    ]
    with caplog.at_level(logging.WARNING):
        records = prepared(faces, tmp_path)
    assert f"only {women} training faces are labeled female, and 5 are needed" in caplog.text
    assert {record.gender for record in records} == {None}


def test_genders_that_are_all_the_same_are_no_task_without_ages(own_faces, tmp_path):
    faces = [replace(record, age=None, gender="female") for record in own_faces]
    with pytest.raises(
        ValueError, match=r"5 training faces of each gender are needed. Received: \d+ female and 0 male"
    ):
        prepared(faces, tmp_path)


def test_few_faces_of_a_gender_are_learned(own_faces, tmp_path):
    split = [replace(record, split="val" if number < 30 else "train") for number, record in enumerate(own_faces)]
    faces = [replace(record, gender="female" if number >= 105 else "male") for number, record in enumerate(split)]
    assert {record.gender for record in prepared(faces, tmp_path)} == {"female", "male"}


def test_faces_for_validation_are_held_out_and_the_others_train(own_faces, tmp_path):
    faces = [replace(face, split="test" if number < 5 else "") for number, face in enumerate(own_faces[:60])]
    records = prepared(faces, tmp_path, validation=own_faces[60:])
    assert [record.split for record in records] == ["test"] * 5 + ["train"] * 55 + ["val"] * 50
    same_person = replace(own_faces[60], identity=own_faces[0].identity)
    with pytest.raises(ValueError, match="1 identities are in more than one split"):
        prepared(own_faces[:60], tmp_path / "shared", validation=[same_person, *own_faces[61:]])
    held_out = [replace(own_faces[0], split="val"), *own_faces[1:60]]
    with pytest.raises(ValueError, match="must not have faces of the split val"):
        prepared(held_out, tmp_path / "both", validation=own_faces[60:])


def test_only_labels_of_what_the_model_learned_are_needed(own_faces, tmp_path):
    faces = [*(replace(face, gender=None) for face in own_faces[:30]), *own_faces[30:]]
    assert {record.path for record in prepared(faces, tmp_path, tasks={"gender"})} == {f.path for f in faces[30:]}


def test_faces_of_one_age_are_learned_and_few_held_out_genders_keep_their_temperature(start, own_faces, tmp_path):
    folder = tmp_path / "start"
    shutil.copytree(start.path, folder)
    config = json.loads((folder / "config.json").read_text())
    config["calibration"]["gender_temperature"] = 2.5
    (folder / "config.json").write_text(json.dumps(config))
    faces = [replace(record, age=50.0, gender=None) for record in own_faces]
    tuned = fine_tune(folder, faces, tmp_path / "run", **{**SETTINGS, "epochs": 3})
    ages = [face.age for face in tuned.predict_crops([record.path for record in own_faces], align=False)]
    assert np.mean(ages) == pytest.approx(50, abs=12)
    assert tuned.model.config.calibration.gender_temperature == 2.5
    assert tuned.model.config.calibration.interval_mass != start.config.calibration.interval_mass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "`epochs` must be 1 or more"),
        ({"batch_size": 0}, "`batch_size` must be 1 or more"),
        ({"learning_rate": 0.0}, "`learning_rate` must be above 0"),
        ({"quantization": "int4"}, "`quantization` must be one of"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(options, message, start, own_faces, tmp_path):
    check_refused(start, own_faces, tmp_path / "run", message, **options)
    assert not (tmp_path / "run").exists()


def test_the_recipe_is_that_of_the_models_own_network(start):
    recipe = _recipe(start)
    assert (recipe.architecture, recipe.network, recipe.axis) == ("residual", dict(start.config.network), TINY.axis)
    assert start.sha256(WEIGHTS).startswith(recipe.name.removeprefix("fine-tune "))
    # The age that the model says is the one that chooses the epoch.
    calibration = replace(start.config.calibration, age_estimate="median")
    assert _recipe(replace(start, config=replace(start.config, calibration=calibration))).age_estimate == "median"
    config = replace(start.config, architecture="gender_routing", network={})
    whole = _recipe(replace(start, config=config))
    assert (whole.tasks, whole.age_loss) == ({"age", "gender"}, recipes.LabelDistribution())
    config = replace(start.config, architecture="simple_cnn", network={"task": "age"})
    assert _recipe(replace(start, config=config)).tasks == {"age"}


def test_a_model_without_weights_is_refused(start, own_faces, tmp_path):
    folder = tmp_path / "bare"
    shutil.copytree(start.path, folder)
    (folder / WEIGHTS).unlink()
    with pytest.raises((ModelFormatError, FileNotFoundError), match=WEIGHTS):
        fine_tune(folder, own_faces, tmp_path / "run", detector=None)
