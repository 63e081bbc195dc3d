from __future__ import annotations

import pytest

from asianage.data.sources import read_source, special_figures
from asianage.data.special_figures import SpecialFigures
from tests.data.fairface_folder import make_fairface


@pytest.mark.parametrize(
    ("name", "dataset", "label"),
    [
        ("25/111/1-0.jpg", "afad", (25.0, "male")),
        ("25_1_2_20170116174525125.jpg", "utkface", (25.0, "female")),
        ("07381A25.jpg", "aaf", (25.0, "male")),
        ("female/25/a.jpg", "faces", (25.0, "female")),
    ],
)
def test_layout_of_a_folder_is_recognized(tmp_path, name, dataset, label):
    path = tmp_path / "faces" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    (record,) = read_source(tmp_path / "faces").records
    assert (record.dataset, (record.age, record.gender)) == (dataset, label)


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (("25/111/1-0.jpg", "26/112/2-0.jpg", "overview.png"), 2),
        (("25/111/1-0.jpg", "0.png", "1.png", "2.png"), 1),
        (("25_1_2_20170116174525125.jpg", "26_1_2_20170116174525126.jpg", "0.png"), 2),
        (("07381A25.jpg", "07382A25.jpg", "07383A25.jpg", "!read me.png", "samples/a.jpg"), 3),
        (("female/25/a.jpg", "female/25/b.jpg", "female/25/07381A25.jpg"), 3),
    ],
)
def test_a_picture_of_another_kind_does_not_decide_the_layout(tmp_path, names, count):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert len(read_source(tmp_path).records) == count


def test_fairface_is_recognized_by_its_label_tables(tmp_path):
    (first, *_) = read_source(make_fairface(tmp_path)).records
    assert (first.dataset, first.age_range, first.gender) == ("fairface", (3, 9), "male")


def test_table_and_list_are_recognized(tmp_path):
    (tmp_path / "t.csv").write_text("file,age\na.jpg,3\n")
    (tmp_path / "t.txt").write_text("./25/111/1-0.jpg\n./25/111/Thumbs.db\n")
    assert read_source(tmp_path / "t.csv").records[0].age == 3.0
    assert read_source(tmp_path / "t.txt").reasons() == {"not a picture": 1}


def test_nothing_and_no_pictures_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="CSV table or a folder"):
        read_source(tmp_path / "none")
    with pytest.raises(ValueError, match="no pictures"):
        read_source(tmp_path)


def test_a_data_set_has_the_special_figures_that_its_name_begins_with():
    assert [part.name for part in special_figures("AFAD-Lite").age_ranges] == ["to_40"]
    assert sum(special_figures("afad").natural_counts.values()) == 140_200
    assert [part.figures for part in special_figures("utkface").age_ranges] == [("gender_accuracy",)]
    assert special_figures("mine") == SpecialFigures()


def test_an_address_is_refused_and_not_repeated():
    with pytest.raises(ValueError, match="`source` must be local") as raised:
        read_source("https://me:secret@example.org/faces.csv")
    assert "secret" not in str(raised.value)
