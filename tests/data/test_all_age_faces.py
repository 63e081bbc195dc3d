from __future__ import annotations

import pytest

from asianage.data.all_age_faces import read_all_age_faces
from asianage.data.records import FaceRecord, read_records


@pytest.fixture
def folder(tmp_path):
    for name in ("07381A03.jpg", "00000A02.jpg", "07380A80.jpg", "13321A80.jpg"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_labels_are_read_from_the_names(folder):
    assert read_all_age_faces(folder).records == [
        FaceRecord(folder / "00000A02.jpg", 2.0, "female", "aaf", "", "00000", "asian"),
        FaceRecord(folder / "07380A80.jpg", 80.0, "female", "aaf", "", "07380", "asian"),
        FaceRecord(folder / "07381A03.jpg", 3.0, "male", "aaf", "", "07381", "asian"),
        FaceRecord(folder / "13321A80.jpg", 80.0, "male", "aaf", "", "13321", "asian"),
    ]


def test_published_lists_fill_the_split(folder, tmp_path_factory):
    lists = tmp_path_factory.mktemp("image sets")
    (lists / "train.txt").write_text("00000A02 0\n07381A03.jpg 1\n")
    (lists / "val.txt").write_text("07380A80 0\n\n13321A80 1\n")
    splits = [record.split for record in read_all_age_faces(folder, lists).records]
    assert splits == ["train", "val", "train", "val"]
    (lists / "val.txt").write_text("07380A80 0\n")
    with pytest.raises(ValueError, match=r"13321A80\.jpg is in neither"):
        read_all_age_faces(folder, lists)


def test_unknown_person_and_other_files_are_listed(folder):
    for name in ("13322A20.jpg", "cover.jpg", "list.txt"):
        (folder / name).write_bytes(b"")
    table = read_all_age_faces(folder)
    assert len(table.records) == 4
    assert table.reasons() == {"no labels in the name": 2, "not a picture": 1}


def test_person_in_two_folders_is_refused(folder):
    (folder / "aligned").mkdir()
    (folder / "aligned" / "00000A02.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="a person twice"):
        read_all_age_faces(folder)


def test_other_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not All-Age-Faces"):
        read_all_age_faces(tmp_path)


def test_real_subset_agrees_with_its_table(shared_data):
    known = {r.path: r for r in read_records(shared_data / "labels.csv") if r.dataset == "aaf"}
    table = read_all_age_faces(shared_data / "aaf")
    assert not table.dropped
    assert {r.path: (r.age, r.gender, r.identity) for r in table.records} == {
        path: (r.age, r.gender, r.identity) for path, r in known.items()
    }
