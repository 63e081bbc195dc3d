from __future__ import annotations

import re
from typing import Any

import pytest
from huggingface_hub import ModelCard

from asianage.models.card import is_generated, model_card
from asianage.models.config import DetectorConfig
from asianage.models.folder import CARD
from asianage.models.pretrained import open_detector
from tests.models.test_metrics_markdown import rows

CONFIG = DetectorConfig(
    name="mine",
    score_threshold=0.75,
    provenance={
        "recipe": {"name": "detector", "seed": 4, "pretrained": "yunet"},
        "pictures": {"train": {"face_mask_detection": 1369, "aaf": 100}, "val": {"aaf": 7}, "test": {}},
        "quantization": "int8",
    },
)

FIGURES: dict[str, Any] = {
    "photos": 110,
    "faces": 1234,
    "recall": 0.8955,
    "recall_by_group": {"masked": 0.87, "16 to 32 pixels": 0.85},
    "extra_per_100": 6.66,
    "face_free": 30,
    "face_free_boxes": 0,
    "landmark_faces": 484,
    "landmark_recall": 0.99,
    "landmark_error": 0.0614,
}


@pytest.mark.parametrize(
    "section",
    ["Usage", "Figures", "Training data", "Licenses", "Intended use", "Unacceptable use", "Limits", "Details"],
)
def test_every_section_is_there_once(section: str) -> None:
    assert len(re.findall(rf"^## {section}$", model_card(CONFIG, {"test": FIGURES}), re.MULTILINE)) == 1


def test_the_hub_reads_the_metadata() -> None:
    data = ModelCard(model_card(CONFIG, {})).data.to_dict()
    assert data["pipeline_tag"] == "object-detection"
    assert data["license_name"] == "research-data"
    assert data["datasets"] == ["aaf", "face_mask_detection"]


def test_figures_are_listed_with_what_they_are_measured_on() -> None:
    assert rows(model_card(CONFIG, {"test": FIGURES}), "## Figures")[2:] == [
        ["faces found", "89.5 %", "1,234 faces"],
        ["faces found, 16 to 32 pixels", "85.0 %", ""],
        ["faces found, masked", "87.0 %", ""],
        ["boxes without a labeled face, per 100 photos", "6.7", "110 photos"],
        ["boxes on face-free pictures", "0", "30 pictures"],
        ["error of the landmarks, share of the eye distance", "0.061", "484 faces"],
    ]


@pytest.mark.parametrize("metrics", [{}, {"test": {}}, {"test": None}, {"test": {"recall": None, "face_free": 0}}])
def test_without_figures_the_card_tells_so(metrics: dict[str, Any]) -> None:
    assert "Nothing has been measured yet." in model_card(CONFIG, metrics)


def test_pictures_and_terms_are_those_of_the_data() -> None:
    text = model_card(CONFIG, {})
    table = rows(text, "## Training data")
    assert table[0][:3] == ["data", "pictures, train", "pictures, val"]
    assert table[3][:4] == ["Face Mask Detection", "1,369", "-", "CC0 1.0"]
    assert "trained on pictures for research only: All-Age-Faces." in text
    assert "- YuNet (" in text


def test_a_detector_of_free_or_unknown_pictures_is_not_called_restricted() -> None:
    for name in ("face_mask_detection", "my photos"):
        config = DetectorConfig(name="m", score_threshold=0.5, provenance={"pictures": {"train": {name: 3}}})
        assert "license_name: see-model-card" in model_card(config, {})


def test_the_example_names_the_repository() -> None:
    assert 'AgeGenderEstimator(detector="owner/faces")' in model_card(CONFIG, {}, repo_id="owner/faces")
    assert 'AgeGenderEstimator(detector="path/of/this/folder/mine")' in model_card(CONFIG, {})


def test_the_card_of_the_bundled_detector_is_what_the_code_writes() -> None:
    model = open_detector("detector")
    card = (model.path / CARD).read_text("utf-8")
    assert is_generated(card)
    expected = ModelCard(model_card(model.config, model.metrics()))
    assert ModelCard(card).text.partition("<!--")[0] == expected.text.partition("<!--")[0]
