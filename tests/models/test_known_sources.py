from __future__ import annotations

import pytest

from asianage.models.folder import bundled_names
from asianage.models.known_sources import KNOWN_DATA, KNOWN_WEIGHTS, full_name, known_data
from asianage.models.markdown import ABSENT
from asianage.models.pretrained import open_detector, open_model


def test_every_known_data_set_has_a_name_terms_and_a_source() -> None:
    for known in KNOWN_DATA.values():
        assert known.name
        assert known.is_free != ("only" in known.terms)
        assert "<https://" in known.source or known.source == ABSENT


@pytest.mark.parametrize("name", bundled_names())
def test_the_sources_of_the_bundled_models_are_known(name: str) -> None:
    provenance = open_model(name).config.provenance
    assert {dataset for faces in provenance["faces"].values() for dataset in faces} <= set(KNOWN_DATA)
    recipes = [run["recipe"] for run in (provenance, *provenance["ancestors"].values())]
    assert {recipe["pretrained"] for recipe in recipes if recipe.get("pretrained")} <= set(KNOWN_WEIGHTS)


def test_the_sources_of_the_bundled_detector_are_known() -> None:
    provenance = open_detector("detector").config.provenance
    assert {dataset for pictures in provenance["pictures"].values() for dataset in pictures} <= set(KNOWN_DATA)
    assert provenance["recipe"]["pretrained"] in KNOWN_WEIGHTS


def test_all_published_weights_are_known() -> None:
    pytest.importorskip("keras", reason="needs the extra train")
    from asianage.networks.pretrained import PRETRAINED

    assert set(PRETRAINED) <= set(KNOWN_WEIGHTS)


@pytest.mark.parametrize("name", ["AFAD", "afad", "AFAD-Lite", "UTKFace"])
def test_a_data_set_is_known_in_any_letters_and_by_the_beginning_of_its_name(name: str) -> None:
    known = known_data(name)
    assert known is not None
    assert not known.is_free
    assert known_data("mine") is None


def test_an_unknown_data_set_keeps_its_name_in_one_line() -> None:
    assert full_name("aaf") == "All-Age-Faces"
    assert full_name("all") == "all together"
    assert full_name("mine|\nyours") == "mine| yours"
