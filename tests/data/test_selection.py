from __future__ import annotations

from pathlib import Path

import pytest

from asianage.data.records import DroppedFile, FaceRecord, RecordTable
from asianage.data.selection import select_dataset, select_faces


def table(*labels):
    return RecordTable([FaceRecord(Path(f"{i}.jpg"), age, gender) for i, (age, gender) in enumerate(labels)], [])


def names(selected):
    return [record.path.name for record in selected.records]


FACES = table((20.0, "male"), (20.0, "female"), (None, "male"), (20.0, None), (None, None), (41.0, "male"))


@pytest.mark.parametrize(
    ("tasks", "kept"),
    [
        ({"age", "gender"}, "0 1 2 3 5"),
        ({"age"}, "0 1 3 5"),
        ({"gender"}, "0 1 2 5"),
    ],
)
def test_faces_need_a_label_of_what_is_learned(tasks, kept):
    assert names(select_faces(FACES, tasks=tasks)) == [f"{number}.jpg" for number in kept.split()]


def test_a_group_is_a_label_of_the_age():
    groups = [FaceRecord(f"{low}.jpg", None, None, age_low=low, age_high=high) for low, high in ((20, 29), (35, 44))]
    assert names(select_faces(RecordTable(groups, []), tasks={"age"})) == ["20.jpg", "35.jpg"]
    assert names(select_faces(RecordTable(groups, []), tasks={"age"}, ages=(15, 40))) == ["20.jpg"]
    with pytest.raises(ValueError, match="No face is left"):
        select_faces(RecordTable(groups, []), tasks={"gender"})


def test_one_gender_and_a_range_of_ages_are_selected_with_reasons_for_the_rest():
    selected = select_faces(FACES, tasks={"age"}, gender="male", ages=(15, 40))
    assert names(selected) == ["0.jpg"]
    assert selected.reasons() == {"another gender": 3, "another age": 2}


def test_the_last_year_counts_to_its_end():
    selected = select_faces(table((14.9, None), (15.0, None), (40.9, None), (41.0, None)), tasks={"age"}, ages=(15, 40))
    assert names(selected) == ["1.jpg", "2.jpg"]


def test_what_the_reader_left_out_stays_on_the_list():
    before = DroppedFile(Path("Thumbs.db"), "not a picture")
    selected = select_faces(RecordTable(FACES.records, [before]), tasks={"age"}, gender="female")
    assert selected.dropped[0] == before


def test_no_face_at_all_is_explained():
    with pytest.raises(ValueError, match=r"learn age from: 0 faces; 6 files were left out: .*another age"):
        select_faces(FACES, tasks={"age"}, ages=(60, 70))


def test_one_data_set_is_selected():
    records = [FaceRecord(Path("a.jpg"), 20.0, None, "afad"), FaceRecord(Path("b.jpg"), 20.0, None)]
    assert names(select_dataset(RecordTable(records, []), "afad")) == ["a.jpg"]
    assert names(select_dataset(RecordTable(records, []), None)) == ["a.jpg", "b.jpg"]
    with pytest.raises(ValueError, match=r"'aaf'. Data sets: \(none\), afad"):
        select_dataset(RecordTable(records, []), "aaf")
