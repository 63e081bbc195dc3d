from __future__ import annotations

import re
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from asianage.models.card import is_generated, model_card
from asianage.models.config import ModelConfig
from asianage.models.folder import CARD, bundled_names
from asianage.models.pretrained import open_model
from tests.models.test_metrics_markdown import evaluation, rows

CONFIG = ModelConfig(
    name="compact",
    architecture="residual",
    image_size=96,
    provenance={
        "recipe": {"name": "compact", "epochs": 36, "seed": 0},
        "quantization": "int8",
        "parameters": 3_406_102,
        "faces": {"train": {"afad": 7008, "aaf": 9324}, "val": {"afad": 750}},
        "commit": "a" * 40,
    },
    asianage_version="0.1.0",
)


def metrics() -> dict:
    return {"test": evaluation()}


def test_the_hub_reads_metadata_and_figures() -> None:
    card = ModelCard(model_card(CONFIG, metrics()))
    data = card.data.to_dict()
    assert data["library_name"] == "asianage"
    assert data["pipeline_tag"] == "image-classification"
    assert data["license"] == "other"
    assert data["license_name"] == "research-data"
    assert data["language"] == ["en"]
    assert data["datasets"] == ["aaf", "afad"]
    assert data["metrics"] == ["mae", "accuracy"]
    assert card.data.model_name == "compact"
    results = card.data.eval_results
    assert [(item.dataset_type, item.dataset_split, item.metric_type, item.metric_value) for item in results] == [
        ("afad", "test", "mae", 4.25),
        ("afad", "test", "accuracy", 0.97),
        ("my faces", "test", "mae", 5.5),
    ]
    assert {item.task_type for item in results} == {"image-classification"}


def test_without_figures_there_is_no_index_and_the_text_says_so() -> None:
    text = model_card(CONFIG, {})
    assert "model-index" not in text
    assert "Nothing has been measured yet." in text
    assert ModelCard(text).data.to_dict()["library_name"] == "asianage"


def test_training_data_are_counted_with_their_terms() -> None:
    table = rows(model_card(CONFIG, {}), "## Training data")
    assert table[0][:3] == ["data", "faces, train", "faces, val"]
    assert table[2][:4] == ["All-Age-Faces", "9,324", "-", "research only"]
    assert table[3][:4] == ["AFAD (Asian Face Age Dataset)", "7,008", "750", "academic research only"]


@pytest.mark.parametrize(
    "section",
    ["Usage", "Figures", "Training data", "Licenses", "Intended use", "Unacceptable use", "Limits", "Details"],
)
def test_every_section_is_there_once(section: str) -> None:
    assert len(re.findall(rf"^## {section}$", model_card(CONFIG, metrics()), re.MULTILINE)) == 1


@pytest.mark.parametrize(("task", "other"), [("age", "gender"), ("gender", "age")])
def test_a_card_never_speaks_of_what_its_model_did_not_learn(task: str, other: str) -> None:
    config = replace(CONFIG, network={"task": task})
    text = model_card(config, {})
    assert f"Estimates the {task} of each face" in text
    assert f"Research on {task} estimation" in text
    named = re.sub(r"AFAD \(Asian Face Age Dataset\)|All-Age-Faces\S*|asianage|AgeGenderEstimator", "", text)
    assert not re.search(rf"\b{other}s?\b|{other}_", named, re.IGNORECASE)


def test_licenses_of_code_weights_and_data_are_told_apart() -> None:
    text = model_card(CONFIG, {})
    for part in ("**Code** (`asianage`): Apache-2.0", "**Weights** (this model)", "**Data**"):
        assert part in text


def test_a_model_of_unknown_data_grants_nothing() -> None:
    text = model_card(ModelConfig(name="mine", architecture="residual", image_size=96), {})
    assert "license_name: see-model-card" in text
    assert "Silence grants nothing" in text


def test_the_example_names_the_repository() -> None:
    assert 'from_pretrained("owner/faces")' in model_card(CONFIG, {}, repo_id="owner/faces")
    assert 'from_pretrained("path/of/this/folder/compact")' in model_card(CONFIG, {})


@pytest.mark.parametrize(
    "change", [lambda text: text + "More.", lambda text: text.replace("AFAD", "ABCD", 1), lambda _: "# Mine"]
)
def test_an_edited_card_is_told_from_a_generated_one(change: object) -> None:
    text = model_card(CONFIG, metrics())
    assert is_generated(text)
    assert is_generated(text.replace("\n", "\r\n"))
    assert is_generated("")
    assert not is_generated(change(text))  # type: ignore[operator]


@pytest.mark.parametrize(
    "name",
    [
        *("a: b", 'quote " and \\ slash', "---\nlicense: mit", "| cell |", "<!-- hidden"),
        *("émoji 🙂", "\x00\x1b", "- x", "{}", "\ud800"),
    ],
)
def test_names_from_outside_break_neither_metadata_nor_tables(name: str) -> None:
    values = metrics()
    values["test"]["datasets"] = {name: values["test"]["datasets"]["afad"]}
    config = ModelConfig(name=name, architecture="residual", image_size=96, provenance={"faces": {"train": {name: 3}}})
    text = model_card(config, values, repo_id="owner/faces")
    card = ModelCard(text)
    assert card.data.license == "other"
    assert len(card.data.eval_results) == 2
    assert all(len(row) == 8 for row in rows(text, "## Figures"))
    assert is_generated(text)


def test_the_card_says_which_weights_and_models_it_comes_from():
    provenance = {
        "faces": {"train": {"afad": 3}},
        "recipe": {"name": "second", "pretrained": ""},
        "initial": "a1",
        "teachers": ["a1", "b2"],
        "ancestors": {
            "a1": {"recipe": {"name": "first", "pretrained": "dlib"}},
            "b2": {"recipe": {"name": "other", "pretrained": "faceres"}},
        },
    }
    card = model_card(ModelConfig(name="m", architecture="a", image_size=96, provenance=provenance), {})
    assert "dlib_face_recognition_resnet_model_v1" in card
    assert "HSE-FaceRes" in card
    assert "- initial weights: a model of the recipe `first`" in card
    assert "- teacher in distillation: a model of the recipe `other`" in card
    without = model_card(ModelConfig(name="m", architecture="a", image_size=96, provenance={"faces": {}}), {})
    assert "also come from" not in without


@pytest.mark.parametrize("name", bundled_names())
def test_the_card_of_a_bundled_model_is_what_the_code_writes(name: str) -> None:
    model = open_model(name)
    card = (model.path / CARD).read_text("utf-8")
    expected = model_card(model.config, model.metrics())
    assert is_generated(card)
    # The client may order the metadata differently from version to version, which changes the seal at the end too.
    assert ModelCard(card).data.to_dict() == ModelCard(expected).data.to_dict()
    assert ModelCard(card).text.partition("<!--")[0] == ModelCard(expected).text.partition("<!--")[0]
