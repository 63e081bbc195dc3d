from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from asianage import AgeGenderEstimator
from asianage.training import STUDY_RECIPES, assemble_study, train
from asianage.training.fit import fitting

SIZE = {"filters": (4, 4), "units": (8, 4)}


def tiny(recipe):
    network = {**recipe.network, **SIZE}
    return recipe.changed(network=network, image_size=24, epochs=2, batch_size=8, learning_rate=1e-2, patience=0)


SYSTEM = STUDY_RECIPES["study-simple-cnn"]
RECIPE = SYSTEM.changed(**{part: tiny(recipe) for part, recipe in SYSTEM.parts.items()})


@pytest.fixture(scope="module")
def faces(tiny_records):
    splits = ["train"] * 48 + ["val"] * 62
    young = [replace(record, age=15.0 + record.age % 26) for record in tiny_records]
    return [replace(record, split=split) for record, split in zip(young, splits, strict=True)]


@pytest.fixture(scope="module")
def parts(faces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    for part, recipe in RECIPE.parts.items():
        train(recipe, faces, folder / part, detector=None, precision="float32")
    return {part: folder / part / "model" for part in RECIPE.parts}


def test_trained_models_become_one_that_says_what_they_say(parts, faces, tmp_path):
    model = assemble_study(
        *parts.values(), data=faces, output=tmp_path, name="mine", detector=None, precision="float32"
    )
    assert model.config.name == "mine"
    estimator = AgeGenderEstimator(model, detector=None)
    paths = [record.path for record in faces[48:64]]
    said = {part: AgeGenderEstimator.from_pretrained(path).predict_crops(paths) for part, path in parts.items()}
    genders = [face.gender for face in said["gender"]]
    together = estimator.predict_crops(paths)
    assert [face.gender for face in together] == genders
    most_likely = [face.age_distribution.argmax() for face in together]
    expected = [said[f"age_{gender}"][i].age_distribution.argmax() for i, gender in enumerate(genders)]
    np.testing.assert_allclose(most_likely, expected, atol=1)


def test_parts_that_do_not_fit_are_refused(parts, faces, tmp_path):
    with pytest.raises(ValueError, match="`gender` must be a model of a simple CNN"):
        assemble_study(parts["age_male"], parts["age_female"], parts["age_male"], faces, tmp_path, detector=None)
    with pytest.raises(ValueError, match="of the same form"):
        assemble_study(parts["gender"], parts["age_female"], "compact", faces, tmp_path, detector=None)


def test_a_system_that_was_stopped_goes_on_with_the_part_it_was_at(faces, tmp_path, monkeypatch):
    def stop_in_the_second_part(recipe, *arguments, **options):
        if recipe.only_gender == "female":
            raise KeyboardInterrupt
        return fit(recipe, *arguments, **options)

    fit = fitting.fit
    monkeypatch.setattr("asianage.training.train_network.fit", stop_in_the_second_part)
    with pytest.raises(KeyboardInterrupt):
        train(RECIPE, faces, tmp_path, detector=None, precision="float32")
    monkeypatch.undo()
    checkpoint = tmp_path / "gender" / fitting.checkpoint(RECIPE.gender.epochs)
    before = checkpoint.stat().st_mtime_ns
    estimator = train(RECIPE, faces, tmp_path, detector=None, precision="float32")
    assert checkpoint.stat().st_mtime_ns == before
    assert estimator.model.config.architecture == "gender_routing"
    with pytest.raises(ValueError, match="another recipe"):
        train(RECIPE.changed(gender=RECIPE.gender.changed(seed=1)), faces, tmp_path, detector=None)


def test_only_networks_trained_alone_begin_with_a_model(faces, tmp_path):
    with pytest.raises(ValueError, match="`initial`"):
        train(RECIPE, faces, tmp_path, initial="compact", detector=None)
