from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from asianage.data.afad import NATURAL_COUNTS
from asianage.data.records import FaceRecord
from asianage.data.study_split import STUDY_AGES, study_split, unseen_by_parts
from tests.data.people import people

# fmt: off
MEN = {
    15: 445, 16: 941, 17: 1135, 18: 2553, 19: 6379, 20: 6930, 21: 6960, 22: 7794, 23: 6191, 24: 8146, 25: 7398,
    26: 5174, 27: 4469, 28: 3543, 29: 3383, 30: 3415, 31: 3119, 32: 2833, 33: 2597, 34: 2519, 35: 2919,
    36: 2943, 37: 2653, 38: 2713, 39: 2585, 40: 1008,
}
# fmt: on
"""Age -> men in the list of the full AFAD; the others of `NATURAL_COUNTS` are women."""


@pytest.fixture(scope="module")
def full_list():
    """Faces of the ages and genders of the full AFAD, under names of our own."""
    return [
        FaceRecord(Path("AFAD", str(age), folder, f"{number:05d}-0.jpg"), float(age), gender, "afad")
        for age, total in NATURAL_COUNTS.items()
        for folder, gender, count in (
            ("111", "male", MEN.get(age, total)),
            ("112", "female", total - MEN.get(age, total)),
        )
        for number in range(count)
    ]


def counts(records):
    return tuple(Counter(record.split for record in records)[name] for name in ("train", "val"))


def test_faces_like_those_of_the_full_set_are_divided_into_the_numbers_of_the_study(full_list):
    everybody, genders = study_split(full_list), study_split(full_list, classes="gender")
    assert counts(everybody) == (131_541, 32_877)
    assert {record.gender for record in everybody if record.split == "val"} == {"male"}
    assert counts(genders) == (131_535, 32_883)
    measured = [record for record in genders if record.split == "val"]
    assert Counter(record.gender for record in measured) == {"male": 20_149, "female": 12_734}
    assert {record.age for record in measured} == set(range(15, 22))
    parts = [study_split([r for r in full_list if r.gender == gender]) for gender in ("male", "female")]
    assert [counts(part) for part in parts] == [(80_608, 20_137), (50_948, 12_725)]
    whole = unseen_by_parts(full_list, [genders, *parts])
    unseen = {record.path for record in whole if record.split == "val" and record.age <= STUDY_AGES[1]}
    assert len(unseen) == 7_618
    assert all(record.split == "val" for part in parts for record in part if record.path in unseen)


def test_the_published_list_is_divided_into_the_images_of_the_study(afad_list):
    men = Counter(int(r.age) for r in afad_list.records if r.gender == "male" and r.age <= 40)
    assert men == MEN
    split = study_split(afad_list.records)
    assert counts(split) == (131_541, 32_877)
    learned = {record.identity for record in split if record.split == "train"}
    measured = [record.identity for record in split if record.split == "val"]
    assert round(sum(identity in learned for identity in measured) / len(measured), 3) == 0.047


def test_the_first_fifth_by_name_is_measured_wherever_the_folder_lies():
    names = [f"{number}-0.jpg" for number in (9, 10, 100, 2, 30, 41, 5, 66, 7, 8)]
    faces = [FaceRecord(Path("some/where", name), 20.0, "male") for name in names]
    for shuffled in (faces, random.Random(1).sample(faces, 10)):
        split = study_split(shuffled)
        # Names are compared as text.
        assert {record.path.name for record in split if record.split == "val"} == {"10-0.jpg", "100-0.jpg"}
        assert [replace(record, split="") for record in split] == shuffled


def test_only_the_ages_of_the_study_are_split():
    ages = {record.age for record in study_split(people(300))}
    assert ages
    assert all(STUDY_AGES[0] <= age < STUDY_AGES[1] + 1 for age in ages)


def test_faces_without_labels_and_unknown_classes_are_refused():
    with pytest.raises(ValueError, match=r"gender of every face\. Received 1 without"):
        study_split([*people(), FaceRecord(Path("data/x.jpg"), 20.0, None, "mine")])
    with pytest.raises(ValueError, match="`classes` must be one of age, gender, both"):
        study_split(people(), classes="group")


def test_classes_of_both_are_those_of_women_and_men_together():
    records = [replace(record, age=15.0 + record.age % 26) for record in people(300)]
    together = {record.path: record.split for record in study_split(records, classes="both")}
    for gender in ("female", "male"):
        alone = study_split([record for record in records if record.gender == gender])
        assert all(together[record.path] == record.split for record in alone)
