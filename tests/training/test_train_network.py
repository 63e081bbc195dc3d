from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.faces.images import load_image
from asianage.models.pretrained import open_model
from asianage.networks.restore import restore_network
from asianage.training.recipes.recipe import Distillation
from asianage.training.run_folder import Run
from asianage.training.train_network import _warn_of_ages_outside, measure, train_network
from tests.training.tiny_recipe import TINY


def in_split(records, split):
    return [record for record in records if record.split == split]


def check_refused(recipe, records, folder, problem, **options):
    with pytest.raises(ValueError, match=problem):
        train_network(recipe, records, Run(folder, detector=None), name="tiny", **options)
    assert not (folder / "history.csv").exists()


def test_too_few_faces_to_calibrate_are_refused_before_any_work(tiny_records, tmp_path):
    few = [*in_split(tiny_records, "train"), *in_split(tiny_records, "val")[:5]]
    check_refused(TINY, few, tmp_path, "val needs 20 readable faces with an age")
    assert not (tmp_path / "crops").exists()


def test_unreadable_faces_do_not_count_for_the_calibration(tiny_records, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    held_out = in_split(tiny_records, "val")[:20]
    faces = [*in_split(tiny_records, "train"), *held_out[1:], replace(held_out[0], path=broken)]
    check_refused(TINY, faces, tmp_path / "run", "Received: 19. Move some")


def test_one_gender_alone_is_not_learned(tiny_records, tmp_path):
    men = [record for record in tiny_records if record.gender == "male"]
    check_refused(TINY, men, tmp_path, "Received: male only")


def test_teachers_are_for_a_distillation(tiny_records, tmp_path):
    distilled = replace(TINY, distillation=Distillation(weight=0.5))
    check_refused(distilled, tiny_records, tmp_path, "needs `teachers`")
    check_refused(TINY, tiny_records, tmp_path, "needs `teachers`", teachers=[open_model("compact")])


def test_layers_that_do_not_exist_cannot_be_frozen(tiny_records, tmp_path):
    check_refused(replace(TINY, freeze=("stem",)), tiny_records, tmp_path, "Received: 'stem'")
    assert not (tmp_path / "crops").exists()


def test_too_few_held_out_faces_for_a_first_calibration_are_refused(tiny_records, tmp_path):
    held_out = [replace(record, age=None if record.split == "val" else record.age) for record in tiny_records]
    check_refused(TINY, held_out, tmp_path, "needs 20 readable faces with an age.*Received: 0")


def test_ages_outside_the_range_of_the_model_are_said(tiny_records, tmp_path, caplog):
    young = replace(TINY, min_age=15, max_age=40)
    faces = [
        replace(record, age=age) for record, age in zip(tiny_records, (14.0, 15.0, 40.0, 41.0, 90.0), strict=False)
    ]
    with caplog.at_level(logging.WARNING):
        _warn_of_ages_outside([*faces, replace(faces[0], split="test")], young)
    assert "3 of 5 faces are younger than 15 or older than 40 years" in caplog.text
    caplog.clear()
    _warn_of_ages_outside(faces, TINY)
    assert not caplog.records


def test_a_model_is_measured_on_the_split_that_is_asked_for(tiny_records, tmp_path, monkeypatch):
    measured = []
    monkeypatch.setattr("asianage.training.train_network.save_report", lambda evaluation, *rest, **more: None)
    monkeypatch.setattr(
        "asianage.training.train_network.add_metrics", lambda model, metrics: measured.append(metrics) or model
    )
    model, run = open_model("compact"), Run(tmp_path, detector=None)
    measure(model, tiny_records, run, "test")
    assert measured[0]["test"]["all"]["overall"]["faces"] == 20
    measured.clear()
    assert measure(model, tiny_records, run, None).model is model
    assert not measured


def test_a_narrower_network_begins_with_what_a_wider_one_computes(tiny_records, tmp_path, monkeypatch):
    for module in ("asianage.networks.mobilenet", "asianage.training.fit.narrowing"):
        monkeypatch.setattr(f"{module}.BLOCKS", ((16, 1), (32, 2)))
    run = Run(tmp_path / "wide", detector=None, quantization="float32")
    recipe = replace(TINY, architecture="mobilenet", network={"dropout": 0.0}, epochs=1)
    wide = train_network(recipe, tiny_records, run, name="wide", measured_on=None)
    still = replace(recipe.optimizer, learning_rate=1e-12)
    thin = replace(recipe, network={"dropout": 0.0, "alpha": 0.5}, optimizer=still)
    run = replace(run, output=tmp_path / "thin")
    narrowed = train_network(thin, tiny_records, run, name="thin", initial=wide.model, measured_on=None)
    crops = [load_image(record.path) for record in in_split(tiny_records, "val")]
    ages = [[face.age for face in estimator.predict_crops(crops, align=False)] for estimator in (wide, narrowed)]
    assert np.corrcoef(ages)[0, 1] > 0.9


def test_a_share_of_the_weights_to_begin_with_stays(tiny_records, tmp_path):
    start = train_network(
        replace(TINY, epochs=1), tiny_records, Run(tmp_path / "start", None, "float32"), name="start", measured_on=None
    ).model
    weights = []
    for share in (0.0, 0.75):
        run = Run(tmp_path / f"{share}", None, "float32")
        recipe = replace(TINY, epochs=2, initial_share=share)
        trained = train_network(recipe, tiny_records, run, name="tiny", initial=start, measured_on=None)
        weights.append(restore_network(trained.model).get_weights())
    # The model folders have float16.
    for first, plain, averaged in zip(restore_network(start).get_weights(), *weights, strict=True):
        np.testing.assert_allclose(averaged, 0.25 * plain + 0.75 * first, atol=2e-3)
    assert not np.allclose(weights[0][0], weights[1][0], atol=5e-3)
    check_refused(recipe, tiny_records, tmp_path / "none", "needs a model to begin with")
