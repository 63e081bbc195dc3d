from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from asianage.data.records import FaceRecord, read_records
from asianage.data.split_list import LEFT_OUT, ListedPicture
from asianage.data.training_table import build_training_table
from tests.benchmarks.make_split_list import listed_pictures
from tests.data.fairface_folder import make_fairface

LISTED = [
    ListedPicture("afad", "25/111/7-0.jpg", "train"),
    ListedPicture("afad", "30/112/8-1.jpg", "test"),
    ListedPicture("aaf", "07381A25.jpg", "val"),
    ListedPicture("utkface", "25_0_2_20170116174525125.jpg", "train"),
    ListedPicture("utkface_other", "40_1_0_20170116174525126.jpg", "val"),
    ListedPicture("utkface_more", "90_1_3_20170116174525127.jpg", "test"),
    ListedPicture("fairface", "train/1.jpg", "val"),
    ListedPicture("fairface", "val/1.jpg", "test"),
]


@pytest.fixture
def downloads(tmp_path):
    """The four data sets as they are published: of UTKFace the aligned faces."""
    for picture in LISTED:
        if picture.dataset == "fairface":
            continue
        end = ".chip.jpg" if picture.dataset.startswith("utkface") else ""
        path = tmp_path / picture.dataset.split("_")[0] / f"{picture.file}{end}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    make_fairface(tmp_path / "fairface")
    folders = {"afad": "afad", "all_age_faces": "aaf", "utkface": "utkface", "fairface": "fairface"}
    return {name: tmp_path / folder for name, folder in folders.items()}


def test_names_splits_and_labels_come_together(downloads):
    table = build_training_table(**downloads, pictures=LISTED)
    utkface, fairface = downloads["utkface"], downloads["fairface"]
    assert table.records == [
        FaceRecord(downloads["afad"] / "25/111/7-0.jpg", 25.0, "male", "afad", "train", "7", "asian"),
        FaceRecord(downloads["afad"] / "30/112/8-1.jpg", 30.0, "female", "afad", "test", "8", "asian"),
        FaceRecord(downloads["all_age_faces"] / "07381A25.jpg", 25.0, "male", "aaf", "val", "07381", "asian"),
        FaceRecord(utkface / f"{LISTED[3].file}.chip.jpg", 25.0, "male", "utkface", "train", "", "asian"),
        FaceRecord(utkface / f"{LISTED[4].file}.chip.jpg", 40.0, "female", "utkface_other", "val", "", "white"),
        FaceRecord(utkface / f"{LISTED[5].file}.chip.jpg", 90.0, "female", "utkface_more", "test", "", "indian"),
        FaceRecord(fairface / "train/1.jpg", None, "male", "fairface", "val", "", "asian", 3, 9),
        FaceRecord(fairface / "val/1.jpg", None, "female", "fairface", "test", "", "other", 70, 120),
    ]
    assert (table.missing, table.not_given) == ([], {})


def test_pictures_with_doubtful_labels_are_left_out_and_counted(downloads):
    listed = [replace(picture, split=LEFT_OUT) if picture is LISTED[3] else picture for picture in LISTED]
    table = build_training_table(**downloads, pictures=listed)
    assert table.left_out == [listed[3]]
    assert f"{LISTED[3].file}.chip.jpg" not in {record.path.name for record in table.records}
    assert table.missing == []
    assert "utkface: 1 left out, of doubtful labels" in table.summary().splitlines()
    assert build_training_table(afad=downloads["afad"], pictures=listed).left_out == []


def test_what_is_missing_or_not_given_is_counted_by_data_set(downloads):
    (downloads["afad"] / "30/112/8-1.jpg").unlink()
    (downloads["utkface"] / f"{LISTED[5].file}.chip.jpg").unlink()
    table = build_training_table(afad=downloads["afad"], utkface=downloads["utkface"], pictures=LISTED)
    assert table.missing == [LISTED[1], LISTED[5]]
    assert table.not_given == {"aaf": 1, "fairface": 2}
    assert table.summary().splitlines() == [
        "afad: 1 train, 0 val, 0 test; 1 missing",
        "utkface: 1 train, 0 val, 0 test; 0 missing",
        "utkface_more: 0 train, 0 val, 0 test; 1 missing",
        "utkface_other: 0 train, 1 val, 0 test; 0 missing",
        "aaf: not given, 1 faces",
        "fairface: not given, 2 faces",
    ]


def test_no_folder_and_renamed_pictures_are_refused(downloads):
    with pytest.raises(ValueError, match="At least one folder is needed: `afad`"):
        build_training_table(pictures=LISTED)
    for path in list(downloads["all_age_faces"].iterdir()):
        path.rename(path.with_name("07382A25.jpg"))
    with pytest.raises(ValueError, match=r"`all_age_faces` must be .* none of the 1 pictures, such as 07381A25\.jpg"):
        build_training_table(**downloads, pictures=LISTED)


def test_two_forms_of_a_picture_are_refused(downloads):
    (downloads["utkface"] / LISTED[3].file).touch()
    with pytest.raises(ValueError, match=r"holds the picture 25_0_2_20170116174525125\.jpg twice"):
        build_training_table(utkface=downloads["utkface"], pictures=LISTED)


def test_real_names_get_the_labels_and_splits_of_the_tables(shared_data, tmp_path):
    """Files as the public downloads name them, but empty, and FairFace's tables, give what the training had."""
    listed = [picture for picture in listed_pictures(shared_data)[::40] if picture.split != LEFT_OUT]
    known = {(r.dataset, r.path.name): r for r in read_records(shared_data / "labels.csv")}
    with (shared_data / "labels_more.csv").open(newline="", encoding="utf-8") as file:
        more = {(row["dataset"], row["file"].split("/")[1]): row for row in csv.DictReader(file)}
    groups = {"70-100": "more than 70"}
    rows = []
    for picture in listed:
        if picture.dataset == "fairface":
            row = more["fairface", picture.file.replace("/", "_")]
            age = f"{row['age_low']}-{row['age_high']}"
            rows.append(f"{picture.file},{groups.get(age, age)},{row['gender'].title()},{row['race']},True")
        else:
            path = tmp_path / picture.dataset.split("_")[0] / picture.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    table = build_training_table(
        afad=tmp_path / "afad",
        all_age_faces=tmp_path / "aaf",
        utkface=tmp_path / "utkface",
        fairface=make_fairface(tmp_path / "fairface", rows),
        pictures=listed,
    )
    assert len(table.records) == len(listed)
    assert not table.missing
    for record in table.records:
        if record.dataset in ("fairface", "utkface_more"):
            name = record.path.relative_to(tmp_path / record.dataset.split("_")[0]).as_posix().replace("/", "_")
            row = more[record.dataset.split("_")[0], name]
            low, high = record.age_range
            assert (f"{low:.0f}", f"{high:.0f}") == (
                row["age_low"],
                row["age_high"].replace("100", "120") if low == 70 else row["age_high"],
            )
            assert (record.gender, record.group, record.split) == (row["gender"], row["group"], row["split"])
        else:
            before = known[record.dataset.split("_")[0], record.path.name]
            labels = ("age", "gender", "group", "identity")
            assert [getattr(record, name) for name in labels] == [getattr(before, name) for name in labels]
            held_out = (record.dataset, before.split) == ("utkface_other", "train")
            assert (record.split in ("val", "test")) if held_out else (record.split == before.split)
