from __future__ import annotations

from collections import Counter

import pytest

from asianage.data.afad import NATURAL_COUNTS, read_afad, read_afad_list
from asianage.data.afad_parts import ARCHIVES
from asianage.data.records import FaceRecord, read_records
from asianage.models.config import GENDERS


def lay_out(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_layout_becomes_records(tmp_path):
    lay_out(tmp_path, "25/111/638660-1.jpg", "30/112/99-0.jpg", "30/112/renamed.jpg")
    table = read_afad(tmp_path)
    assert table.records == [
        FaceRecord(tmp_path / "25/111/638660-1.jpg", 25.0, "male", "afad", "", "638660", "asian"),
        FaceRecord(tmp_path / "30/112/99-0.jpg", 30.0, "female", "afad", "", "99", "asian"),
        FaceRecord(tmp_path / "30/112/renamed.jpg", 30.0, "female", "afad", "", "", "asian"),
    ]
    assert not table.dropped


def test_thumbnails_are_listed_and_files_beside_the_ages_are_not_data(tmp_path):
    table = read_afad(lay_out(tmp_path, "25/111/1-0.jpg", "25/111/Thumbs.db", "AFAD-Full.txt"))
    assert [(d.path.name, d.reason) for d in table.dropped] == [("Thumbs.db", "not a picture")]


@pytest.mark.parametrize("folder", ["old/111", "25/113", "25", "200/111", "-5/111"])
def test_other_layouts_are_refused(tmp_path, folder):
    with pytest.raises(ValueError, match=r"AFAD's files are named|`age` must be"):
        read_afad(lay_out(tmp_path, "25/111/1-0.jpg", f"{folder}/1-0.jpg"))


def test_folder_above_and_empty_folder_are_refused(tmp_path):
    with pytest.raises(ValueError, match="pass the folder that holds the ages"):
        read_afad(lay_out(tmp_path / "data", "AFAD-Full/25/111/1-0.jpg"))
    with pytest.raises(ValueError, match="holds no pictures"):
        read_afad(lay_out(tmp_path / "empty", "readme.txt"))
    with pytest.raises(FileNotFoundError):
        read_afad(tmp_path / "none")


def test_list_of_files_becomes_the_same_records(tmp_path):
    names = ["./25/111/1-0.jpg", "./25/111/Thumbs.db", "./30/112/2-1.jpg"]
    lay_out(tmp_path, *names)
    (tmp_path / "list.txt").write_text("\r\n".join(names) + "\n\n")
    assert read_afad_list(tmp_path / "list.txt") == read_afad(tmp_path)
    assert read_afad_list(tmp_path / "list.txt", "elsewhere").records[0].path.as_posix() == "elsewhere/25/111/1-0.jpg"


def test_list_with_another_form_is_refused_with_its_line(tmp_path):
    (tmp_path / "list.txt").write_text("./25/111/1-0.jpg\n./25/1-0.jpg\n")
    with pytest.raises(ValueError, match=r"line 2: .*25/1-0\.jpg"):
        read_afad_list(tmp_path / "list.txt")
    (tmp_path / "list.txt").write_text("./25/111/Thumbs.db\n")
    with pytest.raises(ValueError, match="names no pictures"):
        read_afad_list(tmp_path / "list.txt")


def test_real_subset_agrees_with_its_table(shared_data):
    known = {r.path: r for r in read_records(shared_data / "labels.csv") if r.dataset == "afad"}
    table = read_afad(shared_data / "afad")
    assert not table.dropped
    assert {r.path: (r.age, r.gender, r.identity) for r in table.records} == {
        path: (r.age, r.gender, r.identity) for path, r in known.items()
    }


def test_published_list_has_the_known_counts(afad_list):
    table = afad_list
    counts = Counter((record.gender, int(record.age)) for record in table.records)
    assert len(table.records) == ARCHIVES["full"].pictures
    assert table.reasons() == {"not a picture": 14}
    to_40 = {gender: sum(n for (g, age), n in counts.items() if g == gender and age <= 40) for gender in GENDERS}
    assert to_40 == {"male": 100_745, "female": 63_673}
    by_age = {age: sum(counts[gender, age] for gender in GENDERS) for age in NATURAL_COUNTS}
    assert by_age == dict(NATURAL_COUNTS)


def test_the_natural_counts_sum_to_the_published_number_of_pictures():
    assert sum(NATURAL_COUNTS.values()) == ARCHIVES["full"].pictures
    assert sum(count for age, count in NATURAL_COUNTS.items() if age < 41) == 164_418


def test_lines_of_a_list_are_counted_as_an_editor_does(tmp_path):
    (tmp_path / "list.txt").write_bytes("\ufeff./25/111/a\u2028b.jpg\r\n\r\n./25/1-0.jpg\r\n".encode())
    with pytest.raises(ValueError, match=r"line 3: .*25/1-0\.jpg"):
        read_afad_list(tmp_path / "list.txt")
