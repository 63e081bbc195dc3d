from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage import AgeGenderEstimator
from asianage.models.folder import open_model_folder
from asianage.networks.restore import restore_network
from asianage.training import fine_tune, train
from asianage.training.fit.age_gender import fit_network
from asianage.training.run_folder import BEST_WEIGHTS, Run
from asianage.training.study.assemble import PARTS, assemble_study
from asianage.training.study.recipes import STUDY, STUDY_SIMPLE_CNN
from tests.training.study.tiny_study import tiny

RECIPE = tiny(STUDY_SIMPLE_CNN)


@pytest.fixture(scope="module")
def faces(tiny_records):
    splits = ["train"] * 40 + ["val"] * 50 + ["test"] * 20
    young = [replace(record, age=15.0 + record.age % 26) for record in tiny_records]
    return [replace(record, split=split) for record, split in zip(young, splits, strict=True)]


@pytest.fixture(scope="module")
def resumed(faces, tmp_path_factory):
    """The folder of a run that was stopped in its second part and went on, and when the first part was written."""
    folder = tmp_path_factory.mktemp("system")
    options = {"name": "mine", "detector": None, "quantization": "float32"}

    def stop_in_the_second_part(recipe, *arguments, **more):
        if recipe.faces.gender == "female":
            raise KeyboardInterrupt
        return fit_network(recipe, *arguments, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asianage.training.train_network.save_report", lambda evaluation, folder, **more: None)
        with patch.context() as stopping:
            stopping.setattr("asianage.training.train_network.fit_network", stop_in_the_second_part)
            with pytest.raises(KeyboardInterrupt):
                train(RECIPE, faces, folder, **options)
        written = (folder / "gender" / BEST_WEIGHTS).stat().st_mtime_ns
        train(RECIPE, faces, folder, **options)
    return folder, written


@pytest.fixture
def system(resumed):
    return resumed[0]


@pytest.fixture
def parts(system):
    return {part: open_model_folder(system / part / "model") for part in PARTS}


def test_the_system_predicts_the_gender_of_one_part_and_the_age_of_the_part_of_that_gender(system, parts, faces):
    estimator = AgeGenderEstimator(open_model_folder(system / "model"), detector=None)
    assert estimator.model.config.name == "mine"
    paths = [record.path for record in faces[40:56]]
    alone = {
        part: AgeGenderEstimator(model, detector=None).predict_crops(paths, align=False)
        for part, model in parts.items()
    }
    genders = [face.gender for face in alone["gender"]]
    together = estimator.predict_crops(paths, align=False)
    assert [face.gender for face in together] == genders
    most_likely = [face.age_distribution.argmax() for face in together]
    expected = [alone[f"age_{gender}"][i].age_distribution.argmax() for i, gender in enumerate(genders)]
    np.testing.assert_allclose(most_likely, expected, atol=1)


def test_the_system_is_described_by_its_parts(system, parts):
    model = open_model_folder(system / "model")
    assert model.config.provenance["parts"]["age_male"]["recipe"]["faces"]["gender"] == "male"
    parameters = sum(part.config.provenance["parameters"] for part in parts.values())
    assert restore_network(model).count_params() == parameters
    assert model.config.provenance["faces"] == {"train": {"tiny": 40}, "val": {"tiny": 50}}


@pytest.mark.parametrize(
    ("folder", "measured"), [("gender", ["gender_accuracy"]), ("age_male", ["mae"]), ("", ["mae", "gender_accuracy"])]
)
def test_only_what_a_network_learned_is_measured(folder, measured, system):
    overall = json.loads((system / folder / "model" / "metrics.json").read_text())["test"]["all"]["overall"]
    assert [key for key in ("mae", "gender_accuracy") if overall.get(key) is not None] == measured
    assert overall["faces"] == (10 if folder == "age_male" else 20)


@pytest.mark.slow
def test_the_system_with_vggface_is_trained_by_one_command(faces, tmp_path):
    estimator = train(tiny(STUDY), faces, tmp_path, detector=None, quantization="float32")
    assert estimator.model.config.network["age_architecture"] == "vggface"


def test_parts_that_do_not_fit_are_refused(parts, faces, tmp_path):
    run = Run(tmp_path, detector=None)
    with pytest.raises(ValueError, match="`gender` must be a model of the recipe simple-cnn-gender"):
        assemble_study({**parts, "gender": parts["age_male"]}, faces, run)
    with pytest.raises(ValueError, match="must have the same form"):
        assemble_study({**parts, "age_male": parts["gender"]}, faces, run)


def test_a_system_that_was_stopped_goes_on_with_the_part_it_was_at(resumed, faces):
    folder, written = resumed
    assert (folder / "gender" / BEST_WEIGHTS).stat().st_mtime_ns == written
    first, *others = RECIPE.stages
    changed = replace(first, recipe=replace(first.recipe, seed=1))
    with pytest.raises(ValueError, match="`seed` was 0 and is 1"):
        train(replace(RECIPE, stages=(changed, *others)), faces, folder, detector=None)


def test_the_whole_system_can_be_fine_tuned(system, faces, tmp_path):
    start = open_model_folder(system / "model")
    tuned = fine_tune(system / "model", faces, tmp_path, epochs=1, detector=None, quantization="float32")
    assert tuned.model.config.architecture == "gender_routing"
    assert tuned.model.config.network == start.config.network
