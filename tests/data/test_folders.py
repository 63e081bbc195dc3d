from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from asianage.data.folders import list_files, read_folders


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def labels(table, root):
    return {r.path.relative_to(root).as_posix(): (r.age, r.gender) for r in table.records}


def test_folders_of_genders(tmp_path):
    table = read_folders(touch(tmp_path, "female/a.jpg", "Male/b.PNG", "Male/c.webp"))
    assert labels(table, tmp_path) == {
        "female/a.jpg": (None, "female"),
        "Male/b.PNG": (None, "male"),
        "Male/c.webp": (None, "male"),
    }


def test_folders_of_ages(tmp_path):
    table = read_folders(touch(tmp_path, "0/a.jpg", "25/b.jpg", "30.5/c.jpg"))
    assert labels(table, tmp_path) == {"0/a.jpg": (0.0, None), "25/b.jpg": (25.0, None), "30.5/c.jpg": (30.0, None)}


def test_folders_of_both_in_either_order(tmp_path):
    table = read_folders(touch(tmp_path, "female/25/a.jpg", "30/male/b.jpg"))
    assert labels(table, tmp_path) == {"female/25/a.jpg": (25.0, "female"), "30/male/b.jpg": (30.0, "male")}


def test_folders_of_splits_and_of_groups_of_ages(tmp_path):
    names = ("train/25/female/a.jpg", "validation/F/30-39/b.jpg", "Test/60+/c.jpg")
    records = read_folders(touch(tmp_path, *names)).records
    assert {record.path.name: (record.split, record.age_range, record.gender) for record in records} == {
        "a.jpg": ("train", (25, 25), "female"),
        "b.jpg": ("val", (30, 39), "female"),
        "c.jpg": ("test", (60, 120), None),
    }
    with pytest.raises(ValueError, match="more than one age, gender or split"):
        read_folders(touch(tmp_path / "twice", "train/val/25/a.jpg"))
    with pytest.raises(ValueError, match="has no label"):
        read_folders(touch(tmp_path / "none", "train/a.jpg"))


def test_data_set_is_named_after_the_folder_or_as_told(tmp_path):
    root = touch(tmp_path / "friends", "male/a.jpg")
    assert read_folders(root).records[0].dataset == "friends"
    assert read_folders(root, "mine").records[0].dataset == "mine"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are text there")
def test_names_that_no_table_can_hold_are_left_out(tmp_path):
    folder = tmp_path / "25"
    folder.mkdir()
    for name in (b"\xc4\xd0.jpg", b"a.jpg"):
        (folder / os.fsdecode(name)).touch()
    table = read_folders(tmp_path)
    assert [record.path.name for record in table.records] == ["a.jpg"]
    assert [file.reason for file in table.dropped] == ["name that is not UTF-8"]
    table.write_dropped(tmp_path / "dropped.csv")
    assert "udcc4" in (tmp_path / "dropped.csv").read_text("utf-8")


def test_files_that_are_no_pictures_are_listed(tmp_path):
    table = read_folders(touch(tmp_path, "male/a.jpg", "male/Thumbs.db", "male/._a.jpg", "notes.txt"))
    assert {d.path.name for d in table.dropped} == {"Thumbs.db", "._a.jpg", "notes.txt"}
    assert table.reasons() == {"not a picture": 3}


@pytest.mark.parametrize("name", ["young", "-3", "200", "30-25"])
def test_folder_that_is_neither_gender_nor_age_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=f"female, male, train, val, test, or by an age .*'{name}'"):
        read_folders(touch(tmp_path, "male/a.jpg", f"{name}/b.jpg"))


@pytest.mark.parametrize(("name", "message"), [("male/female/a.jpg", "more than one"), ("3/4/a.jpg", "more than one")])
def test_contradicting_folders_are_refused(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        read_folders(touch(tmp_path, name))


def test_picture_outside_of_the_labeled_folders_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"loose\.jpg has no label"):
        read_folders(touch(tmp_path, "male/a.jpg", "loose.jpg"))


def test_empty_class_is_refused(tmp_path):
    touch(tmp_path, "male/a.jpg", "female/Thumbs.db")
    with pytest.raises(ValueError, match="female holds no picture"):
        read_folders(tmp_path)


def test_wrong_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no pictures"):
        read_folders(tmp_path)
    with pytest.raises(FileNotFoundError, match="not there"):
        read_folders(tmp_path / "none")
    with pytest.raises(NotADirectoryError, match="is a file"):
        read_folders(touch(tmp_path, "file.txt") / "file.txt")


def test_files_are_listed_in_a_fixed_order_without_hidden_folders(tmp_path):
    touch(tmp_path, "b/2.jpg", "b/1.jpg", "a/3.jpg", ".git/x.jpg", "0.txt")
    found = [path.relative_to(tmp_path).as_posix() for path in list_files(tmp_path)]
    assert found == ["0.txt", "a/3.jpg", "b/1.jpg", "b/2.jpg"]


def test_linked_folders_are_read_once_and_thumbnails_are_not(tmp_path):
    touch(tmp_path, "out/a.jpg", "faces/male/b.jpg", "faces/male/@eaDir/b.jpg/M.jpg")
    (tmp_path / "faces/female").symlink_to(tmp_path / "out", target_is_directory=True)
    (tmp_path / "faces/male/loop").symlink_to(tmp_path / "faces", target_is_directory=True)
    table = read_folders(tmp_path / "faces")
    assert labels(table, tmp_path / "faces") == {"male/b.jpg": (None, "male"), "female/a.jpg": (None, "female")}


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    touch(tmp_path, "male/a.jpg", "female/b.jpg")
    scandir = os.scandir

    def scan(path):
        if Path(path).name == "male":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", scan)
    with pytest.raises(PermissionError, match="male"):
        read_folders(tmp_path)
