from __future__ import annotations

import pytest

from asianage.data.fairface import is_laid_out_as_fairface, read_fairface
from asianage.data.records import FaceRecord
from tests.data.fairface_folder import ROWS, make_fairface


@pytest.mark.parametrize("beside", [False, True])
def test_groups_of_ages_are_read_from_the_tables_inside_or_beside_the_folder(tmp_path, beside):
    root = make_fairface(tmp_path / "pictures", tables=tmp_path if beside else None)
    table = read_fairface(root)
    labels = [
        ("train/1.jpg", "male", "train", "asian", 3, 9),
        ("train/2.jpg", "female", "train", "asian", 10, 19),
        ("val/1.jpg", "female", "val", "other", 70, 120),
        ("val/2.jpg", "male", "val", "other", 0, 2),
    ]
    assert table.records == [
        FaceRecord(root / name, None, gender, "fairface", split, "", group, low, high)
        for name, gender, split, group, low, high in labels
    ]
    assert {drop.reason for drop in table.dropped} <= {"not a picture"}


def test_a_picture_without_labels_is_left_out_and_a_row_without_a_picture_does_not_count(tmp_path):
    root = make_fairface(tmp_path)
    (root / "train" / "1.jpg").rename(root / "train" / "77.jpg")
    table = read_fairface(root)
    assert [record.path.name for record in table.records] == ["2.jpg", "1.jpg", "2.jpg"]
    assert [(d.path.name, d.reason) for d in table.dropped if d.reason != "not a picture"] == [
        ("77.jpg", "not in the label tables")
    ]


def test_one_part_needs_no_table_of_the_other(tmp_path):
    root = make_fairface(tmp_path)
    (root / "val" / "1.jpg").unlink()
    (root / "val" / "2.jpg").unlink()
    (root / "val").rmdir()
    (root / "fairface_label_val.csv").unlink()
    assert len(read_fairface(root).records) == 2


def test_a_missing_table_is_named(tmp_path):
    root = make_fairface(tmp_path)
    (root / "fairface_label_val.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold the label table fairface_label_val\.csv"):
        read_fairface(root)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("train/1.jpg,03-Sep,Male,White,True", "line 2: `age` must be a number of years .* or a group of ages"),
        ("train/1.jpg,9,Male,White,True", "line 2: `age` must be a group such as 3-9"),
        ("train/1.jpg,3-9,Person,White,True", "line 2: `gender` must be female or male"),
        ("train/1.jpg,3-9,Male,Martian,True", "line 2: `race` must be one of"),
    ],
)
def test_labels_that_are_not_of_fairface_are_refused(tmp_path, row, message):
    with pytest.raises(ValueError, match=message):
        read_fairface(make_fairface(tmp_path, [row]))


def test_other_tables_and_folders_are_refused(tmp_path):
    root = make_fairface(tmp_path / "a")
    (root / "fairface_label_train.csv").write_text("file,age\n", "utf-8")
    with pytest.raises(ValueError, match=r"must have the columns .* Missing: \['gender', 'race'\]"):
        read_fairface(root)
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match=r"no picture as train/1\.jpg"):
        read_fairface(tmp_path / "b")


def test_numbers_in_folders_named_train_are_no_fairface_without_its_tables(tmp_path):
    root = make_fairface(tmp_path)
    assert is_laid_out_as_fairface(root / ROWS[0].split(",")[0])
    (root / "fairface_label_train.csv").unlink()
    assert not is_laid_out_as_fairface(root / "train" / "1.jpg")
    assert not is_laid_out_as_fairface(root / "val" / "a.jpg")
