from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage.data.cleaning import (
    CONFLICTING,
    CROSS_SPLIT,
    DUPLICATE,
    MISSING,
    UNLABELED,
    UNREADABLE,
    clean,
)
from asianage.data.records import DroppedFile, FaceRecord, RecordTable, read_records
from tests.data.archives import jpeg


def face(folder, name, seed, age=20.0, gender="male", split="train") -> FaceRecord:
    (folder / name).write_bytes(jpeg(seed))
    return FaceRecord(folder / name, age, gender, "mine", split)


def reasons(table):
    return {dropped.path.name: dropped.reason for dropped in table.dropped}


def test_sound_records_stay_in_order(tmp_path, caplog):
    records = [face(tmp_path, f"{9 - seed}.jpg", seed) for seed in range(5)]
    assert clean(records) == RecordTable(records, [])
    assert not caplog.records


def test_damaged_files_are_left_out(tmp_path, caplog):
    good = face(tmp_path, "good.jpg", 0)
    truncated, text, empty = (face(tmp_path, f"{name}.jpg", 1) for name in ("truncated", "text", "empty"))
    truncated.path.write_bytes(jpeg(1)[:300])
    text.path.write_text("not a picture")
    empty.path.write_bytes(b"")
    table = clean([truncated, good, text, empty], largest_share=0.75)
    with pytest.raises(ValueError, match=r"0 of 4 pictures are missing and 3 unreadable.*At most 10 % are left out"):
        clean([truncated, good, text, empty])
    assert table.records == [good]
    assert reasons(table) == dict.fromkeys(["truncated.jpg", "text.jpg", "empty.jpg"], UNREADABLE)
    assert all(dropped.detail for dropped in table.dropped)
    assert "1 faces; 3 files were left out: 3 unreadable" in caplog.text


@pytest.mark.parametrize("other", [{"age": 21.0}, {"gender": "female"}, {"age": 21.0, "gender": None}])
def test_all_copies_under_different_labels_are_left_out(tmp_path, other):
    records = [face(tmp_path, "a.jpg", 0), replace(face(tmp_path, "b.jpg", 0), **other), face(tmp_path, "c.jpg", 1)]
    table = clean(records)
    assert table.records == records[2:]
    assert reasons(table) == {"a.jpg": CONFLICTING, "b.jpg": CONFLICTING}
    assert "a.jpg: 20 years, male, train" in table.dropped[0].detail


def test_one_of_equal_copies_stays_and_the_one_with_more_labels_is_preferred(tmp_path):
    records = [
        face(tmp_path, "a.jpg", 0, age=None),
        face(tmp_path, "b.jpg", 0),
        face(tmp_path, "c.jpg", 0),
        face(tmp_path, "d.jpg", 1),
    ]
    table = clean(records)
    assert table.records == [records[1], records[3]]
    assert reasons(table) == {"a.jpg": DUPLICATE, "c.jpg": DUPLICATE}
    assert "b.jpg" in table.dropped[0].detail


@pytest.mark.parametrize("splits", [("train", "test"), ("train", "val"), ("val", "test"), ("", "train")])
def test_copy_that_is_measured_on_stays(tmp_path, splits):
    records = [face(tmp_path, f"{split}.jpg", 0, split=split) for split in splits]
    table = clean(records)
    assert table.records == records[1:]
    assert reasons(table) == {f"{splits[0]}.jpg": CROSS_SPLIT}


def test_copies_are_known_by_their_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    for name in ("a.png", "b.bmp", "c.tif"):
        Image.fromarray(pixels).save(tmp_path / name)
    Image.fromarray(pixels.reshape(30, 20, 3)).save(tmp_path / "other-shape.png")
    records = [FaceRecord(tmp_path / name, 20.0, "male") for name in ("a.png", "b.bmp", "c.tif", "other-shape.png")]
    assert clean(records).records == [records[0], records[3]]


def test_pictures_without_any_label_are_left_out(tmp_path):
    records = [face(tmp_path, "a.jpg", 0, age=None), face(tmp_path, "b.jpg", 1, age=None, gender=None)]
    assert reasons(clean(records)) == {"b.jpg": UNLABELED}


def test_list_of_the_reader_is_kept(tmp_path):
    earlier = DroppedFile(Path("Thumbs.db"), "not a picture")
    table = RecordTable([face(tmp_path, "a.jpg", 0)], [earlier])
    assert clean(table) == table


def test_missing_pictures_are_listed_and_left_out_up_to_a_share(tmp_path):
    gone = FaceRecord(tmp_path / "gone.jpg", 3.0, None)
    records = [face(tmp_path, f"{number}.jpg", number) for number in range(9)]
    table = clean([*records, gone])
    assert (table.records, reasons(table)) == (records, {"gone.jpg": MISSING})
    with pytest.raises(FileNotFoundError, match=r"1 of 9 pictures are missing and 0 unreadable, .*gone\.jpg"):
        clean([*records[1:], gone])


def test_a_group_of_ages_contradicts_only_ages_outside(tmp_path):
    exact = face(tmp_path, "a.jpg", 0, age=25.0)
    group, other = (
        replace(face(tmp_path, f"{low}.jpg", 0, age=None), age_low=low, age_high=low + 9) for low in (20, 30)
    )
    assert reasons(clean([exact, group])) == {"20.jpg": DUPLICATE}
    assert reasons(clean([exact, other])) == {"a.jpg": CONFLICTING, "30.jpg": CONFLICTING}


def test_result_does_not_depend_on_the_number_of_workers_and_progress_ends_at_the_total(tmp_path, capsys, bars):
    records = [face(tmp_path, f"{i}.jpg", i % 7, age=20.0 + (i % 14 == 0)) for i in range(30)]
    assert clean(records, workers=1) == clean(records, workers=4, progress=True)
    assert "30/30" in capsys.readouterr().err


@pytest.mark.slow
def test_faults_of_the_real_data_are_found(shared_data):
    table = clean(read_records(shared_data / "labels.csv"))
    found = {}
    for dropped in table.dropped:
        name = dropped.path.relative_to(shared_data).parts[0]
        found.setdefault(name, {}).setdefault(dropped.reason, []).append(dropped.path)
    assert {name: {reason: len(paths) for reason, paths in reasons.items()} for name, reasons in found.items()} == {
        "aaf": {CONFLICTING: 268, DUPLICATE: 10, CROSS_SPLIT: 7},
        "afad": {CONFLICTING: 2},
        "utkface": {CONFLICTING: 164, DUPLICATE: 42, CROSS_SPLIT: 14},
    }


def test_only_the_training_part_is_thinned_out(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    other = 255 - picture
    paths = [tmp_path / f"{name}.png" for name in "abcd"]
    for path, pixels in zip(paths, (picture, picture, other, other), strict=True):
        Image.fromarray(pixels).save(path)
    records = [
        FaceRecord(paths[0], 20.0, "male", split="train"),
        FaceRecord(paths[1], 25.0, "male", split="test"),
        FaceRecord(paths[2], 30.0, "male", split="train"),
        FaceRecord(paths[3], 30.0, "male", split="val"),
    ]
    table = clean(records, splits=("train",))
    assert table.records == [records[1], records[3]]
    assert [file.path for file in table.dropped] == [paths[0], paths[2]]


def test_a_picture_that_is_there_twice_under_one_name_stays_once(tmp_path, caplog):
    twice = face(tmp_path, "a.jpg", 1)
    measured = [face(tmp_path, "b.jpg", 2), face(tmp_path, "b.jpg", 2, split="test")]
    table = clean([twice, twice, *measured], splits=("train",))
    assert table.records == [twice, measured[1]]
    assert {file.reason for file in table.dropped} == {DUPLICATE, CROSS_SPLIT}


def test_what_is_kept_is_not_said_to_be_left_out(tmp_path, caplog):
    records = [face(tmp_path, f"{age}.jpg", 1, float(age), split="val") for age in (21, 42)]
    assert clean(records, splits=("train",)).records == records
    assert "left out" not in caplog.text
