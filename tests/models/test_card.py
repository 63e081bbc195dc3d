from __future__ import annotations

import copy
import re

import pytest
from huggingface_hub import ModelCard

from asianage.models.card import is_generated, model_card
from asianage.models.config import ModelConfig

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


def leaf(mae: float | None, accuracy: float | None) -> dict:
    return {
        "faces": 1500,
        "mae": mae,
        "mae_interval": None if mae is None else [mae - 0.1, mae + 0.1],
        "bias": -0.25,
        "cs_at_5": 0.7,
        "gender_accuracy": accuracy,
        "gender_accuracy_interval": None if accuracy is None else [accuracy - 0.02, accuracy + 0.01],
        "interval_coverage": 0.9,
        "interval_coverage_interval": [0.88, 0.915],
        "interval_mean_width": 17.25,
    }


def metrics() -> dict:
    node = {
        "overall": leaf(4.25, 0.97),
        "coverage_by_promise": {"0.5": 0.495, "0.9": 0.9},
        "by_age_band": {"20-29": leaf(3.5, 0.98), "30-39": leaf(6.75, None)},
        "by_gender": {"female": leaf(4.0, 0.9), "male": leaf(4.5, 0.99)},
        "by_group": {"asian": leaf(4.25, 0.97)},
        "special": {"mae_to_40": 3.875, "faces_to_40": 1400, "mae_from_70": 8.125, "faces_from_70": 17},
    }
    without_gender = {"overall": leaf(5.5, None), "by_age_band": {}, "by_gender": {}, "by_group": {}, "special": {}}
    return {
        "test": {
            "format_version": 1,
            "detector": "yunet",
            "interval_target": 0.9,
            "datasets": {"afad": node, "my faces": without_gender},
            "all": node,
        }
    }


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


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table after a heading."""
    table = text.split(heading, 1)[1].split("\n| ", 1)[1].split("\n\n", 1)[0]
    lines = (line.removeprefix("| ").removesuffix(" |") for line in table.splitlines())
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def test_tables_show_the_figures_by_data_set_age_and_gender() -> None:
    text = model_card(CONFIG, metrics())
    overall = rows(text, "Part: **test**")
    assert overall[2] == [
        "AFAD (Asian Face Age Dataset)", "1,500", "4.25 (4.15-4.35)", "70.0 %", "-0.25", "97.0 % (95.0-98.0)",
        "90.0 % (88.0-91.5)", "17.2"
    ]  # fmt: skip
    assert rows(text, "### Ages in intervals of other promises")[0] == ["data", "promise 0.5"]
    assert rows(text, "### Ages in intervals of other promises")[2] == ["AFAD (Asian Face Age Dataset)", "49.5 %"]
    assert overall[3][0] == "my faces"
    assert overall[3][5] == "–"  # noqa: RUF001
    assert [row[0] for row in rows(text, "### AFAD (Asian Face Age Dataset) by age")[2:]] == ["20-29", "30-39"]
    assert [row[0] for row in rows(text, "### AFAD (Asian Face Age Dataset) by gender")[2:]] == ["female", "male"]
    assert "### my faces by" not in text
    assert ["MAE to 40 years", "3.88"] in rows(text, "figures of its own")
    assert ["MAE from 70 years (17 faces)", "8.12"] in rows(text, "figures of its own")
    assert "The age is 6.8 years off on average at 30-39 years" in text


def test_training_data_are_counted_with_their_terms() -> None:
    table = rows(model_card(CONFIG, {}), "## Training data")
    assert table[0][:3] == ["data", "faces, train", "faces, val"]
    assert table[2][:4] == ["All-Age-Faces", "9,324", "–", "research only"]  # noqa: RUF001
    assert table[3][:4] == ["AFAD (Asian Face Age Dataset)", "7,008", "750", "academic research only"]


@pytest.mark.parametrize(
    "section",
    ["Usage", "Figures", "Training data", "Licenses", "Intended use", "Unacceptable use", "Limits", "Details"],
)
def test_every_section_is_there_once(section: str) -> None:
    assert len(re.findall(rf"^## {section}$", model_card(CONFIG, metrics()), re.MULTILINE)) == 1


def test_licenses_of_code_weights_and_data_are_told_apart() -> None:
    text = model_card(CONFIG, {})
    for part in ("**Code** (`asianage`): Apache-2.0", "**Weights** (this model)", "**Data**"):
        assert part in text


def test_a_model_of_unknown_data_promises_no_license() -> None:
    text = model_card(ModelConfig(name="mine", architecture="residual", image_size=96), {})
    assert "license_name: see-model-card" in text
    assert "Nothing is granted by silence" in text


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
    assert all(len(row) == 8 for row in rows(text.replace("\\|", "/"), "Part: **test**"))
    assert is_generated(text)


@pytest.mark.parametrize(
    "bad",
    [None, [], "text", 3, {"datasets": 3}, {"datasets": {"x": None}}, {"datasets": {"x": {"overall": []}}}],
)
def test_figures_that_are_not_figures_are_left_out(bad: object) -> None:
    card = ModelCard(model_card(CONFIG, {"test": bad}))
    assert not card.data.eval_results
    damaged = copy.deepcopy(metrics())
    damaged["test"]["datasets"]["afad"]["overall"]["mae"] = bad
    assert ModelCard(model_card(CONFIG, damaged)).data.library_name == "asianage"


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
    assert "- a model of the recipe `first`" in card
    assert "- the estimates of a model of the recipe `other`" in card
    without = model_card(ModelConfig(name="m", architecture="a", image_size=96, provenance={"faces": {}}), {})
    assert "also come from" not in without


def test_parts_that_are_alone_have_no_table() -> None:
    card = model_card(ModelConfig(name="m", architecture="a", image_size=96), metrics())
    assert "by gender" in card
    assert "by group" not in card


def test_known_failures_are_those_of_bands_with_enough_faces():
    good = {"faces": 60, "mae": 4.0, "interval_coverage": 0.9, "gender_accuracy": 0.97}
    bands = {
        "0-9": {**good, "gender_accuracy": 0.8},
        "20-29": good,
        "60-69": {**good, "mae": 8.25, "bias": -5.0},
        "70-79": {**good, "interval_coverage": 0.7},
        "80-89": {**good, "faces": 49, "mae": 20.0},
    }
    card = model_card(
        ModelConfig(name="m", architecture="a", image_size=96), {"test": {"datasets": {"d": {"by_age_band": bands}}}}
    )
    limits = card[card.index("## Limits") :]
    assert "The age is 8.2 years off on average at 60-69 years in d (60 faces), and 5.0 too low in the mean." in limits
    assert "The interval holds only 70.0 % of the ages at 70-79 years" in limits
    assert "Gender is right for 80.0 % at 0-9 years" in limits
    assert limits.count("(60 faces)") == 3
    assert "80-89" not in limits
