from __future__ import annotations

import pytest

from asianage.models import card_sources
from asianage.models.config import AnyConfig, DetectorConfig, ModelConfig
from tests.models.test_metrics_markdown import rows


def estimator(**provenance: object) -> ModelConfig:
    return ModelConfig(name="m", architecture="a", image_size=96, provenance=provenance)


def detector(**provenance: object) -> DetectorConfig:
    return DetectorConfig(name="m", score_threshold=0.5, provenance=provenance)


@pytest.mark.parametrize(
    "config",
    [
        estimator(faces={"train": {"b": 1, "a": 2}, "val": {"c": 1}}),
        detector(pictures={"train": {"c": 1, "b": 3, "a": 1}}),
    ],
)
def test_the_data_sets_of_both_kinds_are_named_in_order(config: AnyConfig) -> None:
    assert card_sources.trained_on(config) == ["a", "b", "c"]


@pytest.mark.parametrize("provenance", [{}, {"faces": None}, {"faces": []}, {"faces": {"train": 3}}, {"pictures": "x"}])
def test_a_provenance_without_data_says_so(provenance: dict[str, object]) -> None:
    assert card_sources.trained_on(estimator(**provenance)) == []
    assert "Not recorded." in card_sources.training_data(estimator(**provenance), "Caution.\n")


def test_the_data_and_terms_of_the_models_before_are_named_too() -> None:
    parts = {"age": {"faces": {"train": {"utkface": 5}}, "ancestors": {"0": {"faces": {"train": {"afad": 7}}}}}}
    before = {"1": {"faces": {"train": {"aaf": 9}}}}
    config = estimator(faces={"train": {"": 60}}, ancestors=before, parts=parts)
    assert card_sources.trained_on(config) == ["aaf", "afad", "utkface"]
    data = rows(card_sources.training_data(config, ""), "## Training data")[2:]
    assert data[0][:3] == ["faces without the name of a data set", "60", "ask the publisher of the model"]
    assert data[1][:3] == ["All-Age-Faces, of the models before", "-", "research only"]
    assert len(data) == 4
    assert "research only: All-Age-Faces, AFAD (Asian Face Age Dataset), UTKFace" in card_sources.licenses(config)


def test_a_split_without_pictures_has_no_column() -> None:
    config = detector(pictures={"train": {"mine": 1200}, "test": {}})
    text = card_sources.training_data(config, "Look at the labels.\n")
    assert rows(text, "## Training data")[0] == ["data", "pictures, train", "terms of the pictures", "source"]
    assert rows(text, "## Training data")[2] == ["mine", "1,200", "ask the publisher of the model", "-"]
    assert text.endswith("Look at the labels.\n")


def test_only_terms_for_research_restrict_the_weights() -> None:
    config = detector(pictures={"train": {"fairface": 1, "aaf": 1, "mine": 1}})
    assert card_sources.restricted(config) == ["All-Age-Faces"]
    assert "license_name: research-data" in card_sources.metadata(config, pipeline_tag="x", tags=["y"])
    assert "All-Age-Faces." in card_sources.licenses(config)
    free = detector(pictures={"train": {"fairface": 1}})
    assert "license_name: see-model-card" in card_sources.metadata(free, pipeline_tag="x", tags=[])


def test_details_leave_out_what_is_unknown() -> None:
    text = card_sources.details(detector(recipe={"seed": 7}), ("parameters", 1234567), ("networks", None))
    assert rows(text, "## Details")[2:] == [["parameters", "1,234,567"], ["seed", "7"]]


def test_a_card_says_what_published_figures_were_measured_on_and_that_they_flatter() -> None:
    given = {"split": "study", "published": "an MAE of 4.1 years", "published_on": "32,877 men, no women"}
    text = card_sources.protocol(estimator(protocol=given))
    assert "**the figures flatter**" in text
    assert "published an MAE of 4.1 years, measured on 32,877 men, no women. That figure flatters" in text
    safe = card_sources.protocol(estimator(protocol={"split": "identity"}))
    assert "Nobody is in two splits" in safe
    assert "flatter" not in safe


@pytest.mark.parametrize("protocol", [None, {}, {"split": "predefined"}, {"split": ["study"]}, "study"])
def test_an_unknown_protocol_is_not_spoken_of(protocol: object) -> None:
    assert card_sources.protocol(estimator(protocol=protocol)) == ""


def test_a_chain_without_end_and_teachers_of_nonsense_break_no_card() -> None:
    chain: dict[str, object] = {"faces": {"train": {"afad": 1}}}
    for _ in range(300):
        chain = {"faces": {"train": {"aaf": 1}}, "ancestors": {"0": chain}}
    assert card_sources.trained_on(estimator(**chain, teachers=5)) == ["aaf"]
    assert "## Training data" in card_sources.training_data(estimator(**chain, teachers=5), "")
