from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asianage import files
from asianage.files import put_in_place, replacing, require_space, sole_writer, write_csv, write_text


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


def folder(path, text):
    path.mkdir()
    (path / "file").write_text(text)
    return path


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_is_put_in_place_of_another(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(files, "_exchanged", lambda first, second: False)
    place = tmp_path / "place"
    put_in_place(folder(tmp_path / "first", "one"), place)
    assert (place / "file").read_text() == "one"
    put_in_place(folder(tmp_path / "second", "two"), place)
    assert (place / "file").read_text() == "two"
    assert list(tmp_path.iterdir()) == [place]


def test_a_folder_that_another_process_has_just_put_there_is_replaced(tmp_path, monkeypatch):
    place, partial = tmp_path / "place", folder(tmp_path / "partial", "mine")
    rename = Path.rename

    def late(self, target):
        if self == partial and not place.exists():
            folder(place, "theirs")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    put_in_place(partial, place)
    assert (place / "file").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems and file systems may lack the exchange")
def test_two_folders_are_exchanged_in_one_step(tmp_path):
    first, second = folder(tmp_path / "first", "one"), folder(tmp_path / "second", "two")
    assert files._exchanged(first, second)
    assert ((first / "file").read_text(), (second / "file").read_text()) == ("two", "one")
    assert not files._exchanged(first, tmp_path / "missing")


TRY = """
import sys
from pathlib import Path
from asianage.files import sole_writer
with sole_writer(Path(sys.argv[1])):
    print("written")
"""


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_one_process_writes_to_a_place_at_a_time(tmp_path, kind):
    pytest.importorskip("fcntl", reason="this system has no such locks")
    place = folder(tmp_path / "place", "") if kind == "folder" else folder(tmp_path / "place", "") / "file"

    def attempt():
        return subprocess.run([sys.executable, "-c", TRY, place], capture_output=True, text=True, check=False)

    with sole_writer(place):
        refused = attempt()
        with pytest.raises(BlockingIOError, match="Another one is writing"), sole_writer(place):
            pass
    assert "Another one is writing to" in refused.stderr
    assert str(place) in refused.stderr
    assert attempt().stdout == "written\n"
