from __future__ import annotations

import csv
import errno
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asianage.data.records import (
    DroppedFile,
    FaceRecord,
    RecordTable,
    read_records,
    records_sha256,
    write_records,
)


def table(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "faces.csv"
    path.write_text(text, encoding)
    return path


def test_table_with_all_columns_is_read(tmp_path):
    path = table(
        tmp_path,
        "file,dataset,split,age,gender,group,identity,left_eye_x\n"
        "a.jpg,mine,train,25,female,asian,7,59.6\n"
        "sub/b.jpg,,,30.5,MALE,,,\n",
    )
    assert read_records(path) == [
        FaceRecord(tmp_path / "a.jpg", 25.0, "female", "mine", "train", "7", "asian"),
        FaceRecord(tmp_path / "sub" / "b.jpg", 30.5, "male"),
    ]


def test_a_group_is_the_range_of_an_age_that_is_not_known(tmp_path):
    text = "file,age,age_low,age_high\na.jpg,,10,19\nb.jpg,12,,\nc.jpg,12,10,12\nd.jpg,,,\n"
    records = read_records(table(tmp_path, text))
    assert [record.age_range for record in records] == [(10.0, 19.0), (12.0, 12.0), (12.0, 12.0), None]
    write_records(records, tmp_path / "again.csv")
    assert read_records(tmp_path / "again.csv") == records


@pytest.mark.parametrize("labels", [",10,", ",,19", ",19,10", "25,10,19", ",10,200"])
def test_an_impossible_group_is_refused_with_its_line(tmp_path, labels):
    with pytest.raises(ValueError, match="line 2"):
        read_records(table(tmp_path, f"file,age,age_low,age_high\na.jpg,{labels}\n"))


def test_labels_are_read_as_people_write_them(tmp_path):
    text = "file,age,gender\na.jpg,25-32,F\nb.jpg, 60+ ,m\nc.jpg,25.0,Male\nd.jpg,NA,unknown\ne.jpg,17.99,woman\n"
    records = read_records(table(tmp_path, text))
    assert [record.age_range for record in records] == [(25, 32), (60, 120), (25, 25), None, (17, 17)]
    assert [record.gender for record in records] == ["female", "male", "male", None, "female"]
    write_records(records, tmp_path / "again.csv")
    assert read_records(tmp_path / "again.csv") == records


def test_what_a_table_writes_for_a_gender_can_be_said(tmp_path):
    path = table(tmp_path, "file,gender\na.jpg,0\nb.jpg,1\nc.jpg,\n")
    records = read_records(path, gender_labels={"0": "male", "1": "female"})
    assert [record.gender for record in records] == ["male", "female", None]
    with pytest.raises(ValueError, match=r"line 2: .*say which with `gender_labels`"):
        read_records(path)


def test_ages_are_completed_years():
    assert FaceRecord("a.jpg", 17.99, None).age == 17.0
    assert FaceRecord("a.jpg", np.float32(20.0), None).age == 20.0


def test_a_group_changes_the_hash_and_its_absence_does_not():
    plain = FaceRecord(Path("a.jpg"), None, "male")
    teen = FaceRecord(Path("a.jpg"), None, "male", age_low=10, age_high=19)
    assert records_sha256([plain]) != records_sha256([teen])


def test_missing_labels_are_unknown(tmp_path):
    records = read_records(table(tmp_path, "image,age,gender\na.jpg,,male\nb.jpg,40, \n"))
    assert [(record.age, record.gender) for record in records] == [(None, "male"), (40.0, None)]


@pytest.mark.parametrize("column", ["age", "gender"])
def test_one_label_column_is_enough(tmp_path, column):
    value = {"age": "3", "gender": "female"}[column]
    (record,) = read_records(table(tmp_path, f"image,{column}\na.jpg,{value}\n"))
    assert (record.age, record.gender) == ((3.0, None) if column == "age" else (None, "female"))


def test_column_names_may_have_capitals_spaces_and_a_byte_order_mark(tmp_path):
    (record,) = read_records(table(tmp_path, "Image, Age\na.jpg,3\n", "utf-8-sig"))
    assert (record.path, record.age) == (tmp_path / "a.jpg", 3.0)


def test_root_replaces_the_folder_of_the_table_and_absolute_names_stay(tmp_path):
    records = read_records(table(tmp_path, "file,age\na.jpg,3\n/data/b.jpg,4\n"), root="pictures")
    assert [record.path for record in records] == [Path("pictures/a.jpg"), Path("/data/b.jpg")]


def test_empty_lines_are_no_rows(tmp_path):
    assert len(read_records(table(tmp_path, "file,age\n\na.jpg,3\n\n"))) == 1


@pytest.mark.parametrize("age", ["-1", "200", "120.5", "old", "inf", "25 years", "2_5"])
def test_impossible_age_is_refused_with_its_line(tmp_path, age):
    with pytest.raises(ValueError, match=rf"line 3: `age` must be a number of years.*{age}"):
        read_records(table(tmp_path, f"file,age\na.jpg,3\nb.jpg,{age}\n"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.jpg,3,lady,train", "`gender` must be female or male.*'lady'"),
        ("a.jpg,3,male,training", "`split` must be train, val, test or empty.*'training'"),
        (",3,male,train", "file name is empty"),
        ("a,b.jpg,3,male,train", "4 values are needed. Received: 5"),
        ("a.jpg,3", "4 values are needed. Received: 2"),
    ],
)
def test_unusable_row_is_refused_with_its_line(tmp_path, row, message):
    with pytest.raises(ValueError, match=f"line 2: .*{message}"):
        read_records(table(tmp_path, f"file,age,gender,split\n{row}\n"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"age": -5.0}, "`age` must be.*-5"),
        ({"age": 300}, "`age` must be.*300"),
        ({"age": float("nan")}, "`age` must be.*nan"),
        ({"age": "25"}, "`age` must be.*'25'"),
        ({"gender": "M"}, "`gender` must be.*'M'"),
        ({"split": "training"}, "`split` must be.*'training'"),
    ],
)
def test_a_record_with_an_impossible_label_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        FaceRecord(**{"path": "a.jpg", "age": 25.0, "gender": "male", **values})


def test_a_record_takes_its_path_as_text_and_its_age_from_numpy():
    record = FaceRecord("folder/a.jpg", np.float32(25.0), None)
    assert record.path == Path("folder/a.jpg")
    assert record.age == 25


def test_a_file_or_a_column_that_is_there_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"line 4: the file .*a\.jpg is in line 2 too"):
        read_records(table(tmp_path, "file,age\na.jpg,3\nb.jpg,4\na.jpg,5\n"))
    with pytest.raises(ValueError, match=r"every column once\. Received twice: age"):
        read_records(table(tmp_path, "file,age,Age\na.jpg,3,5\n"))


@pytest.mark.parametrize("header", ["name,age", "file,years", "file;age", ""])
def test_table_without_the_columns_is_refused(tmp_path, header):
    with pytest.raises(ValueError, match="must have a column `file`"):
        read_records(table(tmp_path, f"{header}\na.jpg,3\n"))


def test_table_without_rows_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no rows"):
        read_records(table(tmp_path, "file,age\n"))


def test_missing_table_and_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(FileNotFoundError, match="must be a CSV file"):
            read_records(path)


def test_table_in_another_encoding_is_refused(tmp_path):
    with pytest.raises(ValueError, match="UTF-8"):
        read_records(table(tmp_path, "file,age\nä.jpg,3\n", "latin-1"))


def test_table_with_an_open_quote_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not a readable CSV"):
        read_records(table(tmp_path, 'file,age\n"a.jpg,3\n'))


RECORDS = [
    FaceRecord(Path("data/a.jpg"), 25.0, "female", "mine", "train", "7", "asian"),
    FaceRecord(Path('data/odd, "name".jpg'), None, "male"),
    FaceRecord(Path("data/c.jpg"), 30.5, None, split="val"),
]


def test_written_records_are_read_again(tmp_path):
    placed = [replace(record, path=tmp_path / record.path) for record in RECORDS]
    write_records(placed, tmp_path / "t.csv")
    assert read_records(tmp_path / "t.csv") == placed
    (tmp_path / "tables").mkdir()
    write_records(placed, tmp_path / "tables" / "t.csv")
    assert read_records(tmp_path / "tables" / "t.csv") == placed


def test_names_are_text_however_they_are_written():
    record = FaceRecord("a.jpg", 3, None, dataset=" mine ", identity=7.0, group="N/A")
    assert (record.dataset, record.identity, record.group) == ("mine", "7", "")


def test_a_group_of_one_year_is_an_age():
    assert FaceRecord("a.jpg", None, None, age_low=34, age_high=34).age == 34.0


def test_blanks_around_names_are_left_out_unless_the_file_is_named_so(tmp_path):
    (tmp_path / " a.jpg").touch()
    (tmp_path / "t.csv").write_text("file,age,dataset\n a.jpg,3, mine \n b.jpg ,4,mine\n")
    first, second = read_records(tmp_path / "t.csv")
    assert (first.path.name, second.path.name, first.dataset) == (" a.jpg", "b.jpg", "mine")


def test_names_are_written_relative_to_a_root(tmp_path):
    write_records(RECORDS, tmp_path / "t.csv", root="data")
    assert read_records(tmp_path / "t.csv", root="data") == RECORDS
    with (tmp_path / "t.csv").open(newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["a.jpg", 'odd, "name".jpg', "c.jpg"]


def test_failed_writing_leaves_the_old_table(tmp_path):
    write_records(RECORDS, tmp_path / "t.csv")
    before = (tmp_path / "t.csv").read_bytes()

    def records():
        yield RECORDS[0]
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_records(records(), tmp_path / "t.csv")
    with pytest.raises(ValueError, match="must lie below `root`"):
        write_records(RECORDS, tmp_path / "t.csv", root="elsewhere")
    assert (tmp_path / "t.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_hash_depends_on_labels_and_by_name_not_on_the_folder():
    moved = [FaceRecord(Path("other") / r.path.name, r.age, r.gender, split=r.split) for r in RECORDS]
    assert records_sha256(RECORDS, by_name=True) == records_sha256(moved, by_name=True)
    assert records_sha256(RECORDS) != records_sha256(moved)
    assert records_sha256(RECORDS[:2]) != records_sha256(RECORDS[1:])


def test_dropped_files_are_counted_summed_up_and_written(tmp_path):
    dropped = [DroppedFile(Path("a"), "odd"), DroppedFile(Path("b"), "bad", "x, y"), DroppedFile(Path("c"), "bad")]
    result = RecordTable(RECORDS, dropped)
    assert list(result.reasons().items()) == [("bad", 2), ("odd", 1)]
    assert result.summary() == "3 faces; 3 files were left out: 2 bad, 1 odd"
    assert RecordTable(RECORDS, []).summary() == "3 faces; no file was left out"
    result.write_dropped(tmp_path / "dropped.csv")
    with (tmp_path / "dropped.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["file", "reason", "detail"], ["a", "odd", ""], ["b", "bad", "x, y"], ["c", "bad", ""]]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('file,age,note\nx.jpg,25,"a\nb"\ny.jpg,abc,\n', 4),
        ('file,age,note\r\nx.jpg,25,"a\r\n\r\nb"\r\n\r\ny.jpg,abc,\r\n', 6),
        ("file,age,note\n\nx.jpg,25,a\u2028b\ny.jpg,abc,\n", 4),
    ],
)
def test_the_line_is_counted_as_an_editor_does(tmp_path, content, line):
    (tmp_path / "t.csv").write_bytes(content.encode())
    with pytest.raises(ValueError, match=f"line {line}: .*'abc'"):
        read_records(tmp_path / "t.csv")


def test_names_are_found_in_both_forms_of_unicode(tmp_path):
    composed, apart = (unicodedata.normalize(form, "rené.jpg") for form in ("NFC", "NFD"))
    for stored, listed in ((composed, apart), (apart, composed)):
        root = tmp_path / ascii(stored)
        root.mkdir()
        (root / stored).touch()
        (tmp_path / "t.csv").write_text(f"file,age\n{listed},25\n", "utf-8")
        (record,) = read_records(tmp_path / "t.csv", root)
        assert record.path == root / stored
    (tmp_path / "t.csv").write_text(f"file,age\n{composed},25\n{apart},25\n", "utf-8")
    with pytest.raises(ValueError, match="is in line 2 too"):
        read_records(tmp_path / "t.csv", root)


def test_an_address_in_a_table_is_refused_and_not_repeated(tmp_path):
    table = tmp_path / "faces.csv"
    address = "https://me:secret@example.org/b.jpg"
    for heading, row in (
        ("file,age", f"{address},4"),
        ("file,age", f"b.jpg,{address}"),
        ("file,gender", f"b.jpg,{address}"),
        (f"file,{address}", "b.jpg,4"),
        (f"file,age,{address},{address}", "b.jpg,4,1,1"),
    ):
        table.write_text(f"{heading}\n{row}\n")
        with pytest.raises(ValueError, match=r"Received|begins with") as raised:
            read_records(table)
        assert "secret" not in str(raised.value)
