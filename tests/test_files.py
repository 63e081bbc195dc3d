from __future__ import annotations

import pytest

from asianage.files import replacing, require_space, write_csv, write_text


def break_off(file):
    with replacing(file) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")


def test_a_file_is_replaced_as_a_whole(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("old")
    with replacing(file) as temporary:
        temporary.write_text("new")
        assert file.read_text() == "old"
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".csv"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("old")
    with pytest.raises(OSError, match="disk full"):
        break_off(file)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_name_of_255_bytes_is_written(tmp_path):
    file = tmp_path / ("a" * 251 + ".txt")
    write_text(file, "content")
    assert file.read_text() == "content"
    assert list(tmp_path.iterdir()) == [file]


def test_a_table_is_written_with_its_header_and_empty_cells(tmp_path):
    write_csv(tmp_path / "table.csv", ("file", "age"), [("a,b.jpg", None), ("c.jpg", 3)])
    assert (tmp_path / "table.csv").read_bytes() == b'file,age\n"a,b.jpg",\nc.jpg,3\n'
    assert list(tmp_path.iterdir()) == [tmp_path / "table.csv"]


def test_a_disk_that_is_too_small_is_refused_with_its_folder(tmp_path):
    require_space(tmp_path / ".", 0, "This")
    with pytest.raises(OSError, match=r"This needs about 1000000000\.0 GB\. Received: .* GB free"):
        require_space(tmp_path, 1e18, "This")
