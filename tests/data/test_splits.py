from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from asianage.data.records import FaceRecord
from asianage.data.split_file import keep_split
from asianage.data.splits import (
    PROTOCOLS,
    hold_out_split,
    identity_split,
    measured_split,
    predefined_split,
    random_split,
    shared_identities,
    split_records,
)
from asianage.data.study_split import study_split
from tests.data.people import people


def splits(records):
    return {record.path.name: record.split for record in records}


def test_identity_split_keeps_people_together_at_60_20_20():
    records = people(500)
    for fold in range(5):
        result = identity_split(records, fold=fold)
        assert [replace(record, split="") for record in result] == records
        assert shared_identities(result) == []
        counts = Counter(record.split for record in result)
        assert counts["train"] / len(result) == pytest.approx(0.6, abs=0.01)
        assert counts["val"] / len(result) == pytest.approx(0.2, abs=0.01)
        assert counts["test"] / len(result) == pytest.approx(0.2, abs=0.01)


def test_every_face_is_tested_in_one_fold_and_validated_in_another():
    results = [identity_split(people(), fold=fold) for fold in range(5)]
    for faces in zip(*results, strict=True):
        assert Counter(face.split for face in faces) == {"train": 3, "val": 1, "test": 1}


def test_identity_split_depends_on_names_and_seed_only():
    records = people()
    shuffled = random.Random(0).sample(people(root="elsewhere/deeper"), len(records))
    relabeled = [replace(record, age=1.0, gender="male", split="test") for record in records]
    expected = splits(identity_split(records))
    assert splits(identity_split(shuffled)) == expected
    assert splits(identity_split(relabeled)) == expected
    assert splits(identity_split(records, seed=1)) != expected


def test_identity_split_of_a_seed_never_changes():
    result = identity_split(people(20, pictures=lambda person: 1))
    # The second letters of train, val and test. A published split could not be made again if these changed.
    assert "".join(record.split[1] for record in result) == "rrrreeraaeerrrarrrra"


def test_unknown_identities_are_split_by_file_wherever_the_folder_lies():
    def faces(root):
        return [FaceRecord(Path(root, str(i % 3), f"{i // 3}.jpg"), 20.0, None) for i in range(60)]

    here, there = identity_split(faces("data")), identity_split(faces("far/away"))
    assert [record.split for record in here] == [record.split for record in there]
    assert Counter(record.split for record in here) == {"train": 36, "val": 12, "test": 12}


def test_whole_and_relative_names_may_stand_together(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faces = people(40)
    mixed = [replace(face, path=tmp_path / face.path if number % 2 else face.path) for number, face in enumerate(faces)]
    assert [face.split for face in random_split(mixed)] == [face.split for face in random_split(faces)]
    table = tmp_path / "split.csv"
    keep_split(random_split(mixed), table, fixed=False)
    keep_split(random_split(faces), table, fixed=True)


def test_same_identity_in_two_data_sets_is_two_people_and_each_set_is_split_in_itself():
    records = people(50, dataset="a") + people(50, dataset="b")
    result = identity_split(records)
    assert splits(result[: len(records) // 2]) != splits(result[len(records) // 2 :])
    for dataset in ("a", "b"):
        found = [record.split for record in result if record.dataset == dataset]
        assert found.count("test") / len(found) == pytest.approx(0.2, abs=0.04)


def test_too_few_identities_and_unknown_folds_are_refused():
    with pytest.raises(ValueError, match=r"At least 5 identities.*Received: 4"):
        identity_split(people(4))
    for fold in (-1, 5):
        with pytest.raises(ValueError, match="`fold` must be"):
            identity_split(people(), fold=fold)


def test_random_split_measures_a_fifth_and_depends_on_names_and_seed_only():
    records = people(300)
    result = random_split(records)
    assert [replace(record, split="") for record in result] == records
    assert Counter(splits(result).values())["val"] == int(0.2 * len(records))
    shuffled = random.Random(0).sample(people(300, root="elsewhere"), len(records))
    assert splits(random_split(shuffled)) == splits(result)
    assert splits(random_split(records, seed=1)) != splits(result)


def test_predefined_split_is_taken_as_it_is():
    records = identity_split(people())
    assert predefined_split(records) == records


def test_predefined_split_with_gaps_or_leaks_is_refused():
    records = identity_split(people())
    with pytest.raises(ValueError, match="Received 1 without"):
        predefined_split([*records, replace(records[0], split="")])
    with pytest.raises(ValueError, match="No face has the split train"):
        predefined_split([replace(record, split="val") for record in records])
    person = replace(records[0], split="train"), replace(records[0], split="test")
    with pytest.raises(ValueError, match="1 identities are in more than one split, for instance '0' of mine"):
        predefined_split(person)


def test_protocols_are_named():
    assert {name: len(function(identity_split(people()))) > 0 for name, function in PROTOCOLS.items()} == {
        "identity": True,
        "random": True,
        "study": True,
        "predefined": True,
    }


def test_a_protocol_is_chosen_by_its_name():
    records = people(20)
    assert split_records(records, "random") == random_split(records)
    assert [measured_split(name) for name in PROTOCOLS] == ["test", "val", "val", "test"]
    assert split_records(records, "identity", fold=2) == identity_split(records, fold=2)
    assert split_records(records, "study", classes="age") == study_split(records, classes="age")
    for options, message in (
        ({"protocol": "chance"}, "identity, random, study, predefined"),
        ({"protocol": "study", "fold": 1}, "fold=1"),
    ):
        with pytest.raises(ValueError, match=message):
            split_records(records, **options)


def test_one_person_cannot_be_divided():
    faces = [replace(face, identity="me", dataset="") for face in people(3)]
    with pytest.raises(ValueError, match="two people or more"):
        hold_out_split(faces)


def test_held_out_people_are_of_all_ages_and_train_nowhere(tiny_records):
    together = [replace(record, identity=str(number // 3)) for number, record in enumerate(tiny_records)]
    split = hold_out_split(together)
    parts = {part: {r.identity for r in split if r.split == part} for part in ("train", "val")}
    assert not parts["train"] & parts["val"]
    singles = hold_out_split([replace(record, identity="") for record in tiny_records])
    held_out = [record.age for record in singles if record.split == "val"]
    assert len(held_out) == len(tiny_records) // 4 + (len(tiny_records) % 4 > 1)
    ages = [record.age for record in tiny_records]
    assert abs(sum(held_out) / len(held_out) - sum(ages) / len(ages)) < 3
    assert hold_out_split(list(reversed(singles))) == list(reversed(singles))


def test_a_person_with_many_faces_is_not_held_out_instead_of_a_quarter():
    face = people(1)[0]
    many = [replace(face, path=Path(f"a{n}.jpg"), identity="a", age=20.0) for n in range(90)]
    others = [replace(face, path=Path(f"{n}.jpg"), identity=str(n), age=20.0 + n) for n in range(10)]
    split = hold_out_split([*many, *others])
    held_out = {record.identity for record in split if record.split == "val"}
    assert "a" not in held_out
    assert held_out
    another = [replace(record, identity="b", path=Path(f"b{n}.jpg")) for n, record in enumerate(many[:8])]
    pair = hold_out_split([*many[:10], *another])
    assert {record.identity for record in pair if record.split == "val"} == {"b"}


def test_held_out_people_are_of_all_age_groups():
    groups = ((0, 17), (18, 39), (40, 64), (65, 120))
    for names in ("abcdefgh", "stuvwxyz", "hgfedcba"):
        faces = [
            FaceRecord(Path(f"{letter}{low}.jpg"), None, "male", age_low=low, age_high=high)
            for low, high in groups
            for letter in names
        ]
        held_out = Counter(record.age_low for record in hold_out_split(faces) if record.split == "val")
        assert held_out == {low: 2 for low, _ in groups}
