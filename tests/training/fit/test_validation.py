from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.models.ages import AgeAxis, expected_age, softmax
from asianage.networks.registry import build_network
from asianage.training.fit.validation import predict_logits, validate

VAL = np.arange(60, 90)


@pytest.fixture(scope="module")
def network():
    return build_network("residual", image_size=32, num_ages=101, widths=(4,), blocks=(0,))


def test_a_wrong_gender_in_a_hundred_counts_as_a_tenth_of_a_year(network, cache):
    scores = validate(network, cache, VAL, AgeAxis())
    age_logits, gender_logits = predict_logits(network, cache, VAL)
    records = [cache.records[index] for index in VAL]
    errors = expected_age(AgeAxis(), softmax(age_logits)) - [record.age for record in records]
    right = (gender_logits > 0) == [record.gender == "male" for record in records]
    assert scores["val_mae_tiny"] == pytest.approx(np.abs(errors).mean(), abs=1e-4)
    assert scores["val_gender_tiny"] == pytest.approx(right.mean())
    assert scores["val_score"] == pytest.approx(np.abs(errors).mean() + 10 * (1 - right.mean()), abs=1e-4)


def test_data_sets_count_the_same_whatever_their_size(network, cache):
    records = [replace(record, dataset="small" if index < 65 else "tiny") for index, record in enumerate(cache.records)]
    scores = validate(network, replace(cache, records=records), VAL, AgeAxis())
    maes = [scores["val_mae_small"], scores["val_mae_tiny"]]
    genders = [scores["val_gender_small"], scores["val_gender_tiny"]]
    assert scores["val_score"] == pytest.approx(np.mean(maes) + 10 * (1 - np.mean(genders)))


def test_what_is_not_learned_is_not_measured(cache):
    network = build_network("simple_cnn", image_size=32, num_ages=101, task="gender", filters=(4, 4), units=(4, 4))
    scores = validate(network, cache, VAL, AgeAxis())
    assert "val_mae_tiny" not in scores
    assert scores["val_score"] == pytest.approx(10 * (1 - scores["val_gender_tiny"]))
    unlabeled = replace(cache, records=[replace(record, gender=None) for record in cache.records])
    with pytest.raises(ValueError, match="no label of what is learned: gender"):
        validate(network, unlabeled, VAL, AgeAxis())
