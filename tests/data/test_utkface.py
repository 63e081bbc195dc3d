from __future__ import annotations

import pytest

from asianage.data.records import FaceRecord, read_records
from asianage.data.utkface import read_utkface


def test_labels_are_read_from_the_names(tmp_path):
    names = ["25_0_2_20170116174525125.jpg", "1_1_0_20161219140623097.jpg.chip.jpg", "116_1_4_20170112220255721.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert read_utkface(tmp_path).records == [
        FaceRecord(tmp_path / "116_1_4_20170112220255721.jpg", 116.0, "female", "utkface", group="other"),
        FaceRecord(tmp_path / "1_1_0_20161219140623097.jpg.chip.jpg", 1.0, "female", "utkface", group="white"),
        FaceRecord(tmp_path / "25_0_2_20170116174525125.jpg", 25.0, "male", "utkface", group="asian"),
    ]


def test_names_without_all_labels_and_other_files_are_listed(tmp_path):
    bad = ["39_1_20170116174525125.jpg", "53__0_20170116184028385.jpg", "24_3_1_20170104235355.jpg", "200_0_1_2017.jpg"]
    for name in ("25_0_2_20170116174525125.jpg", *bad, "readme.txt"):
        (tmp_path / name).write_bytes(b"")
    table = read_utkface(tmp_path)
    assert len(table.records) == 1
    assert {d.path.name for d in table.dropped if d.reason == "no labels in the name"} == set(bad)
    assert [d.path.name for d in table.dropped if d.reason == "not a picture"] == ["readme.txt"]


def test_other_folder_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="not UTKFace"):
        read_utkface(tmp_path)


def test_real_subset_agrees_with_its_table(shared_data):
    known = {r.path: r for r in read_records(shared_data / "labels.csv") if r.dataset == "utkface"}
    table = read_utkface(shared_data / "utkface")
    assert not table.dropped
    assert {r.path: (r.age, r.gender, r.group) for r in table.records} == {
        path: (r.age, r.gender, r.group) for path, r in known.items()
    }
