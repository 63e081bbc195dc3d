from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("pyarrow", reason="needs the extra ray")
pytest.importorskip("fsspec", reason="needs the extra ray")

import fsspec
import pyarrow
from pyarrow import parquet

from asianage.apps.batch_inputs import BatchInputs, find_photos


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def photos(folder: str, count: int) -> list[str]:
    Path(folder).mkdir(parents=True, exist_ok=True)
    names = [f"{folder}/{number}.png" for number in range(count)]
    for name in names:
        Image.new("RGB", (16, 16)).save(name)
    return names


def test_a_folder_is_listed_once(workplace):
    names = photos("photos/deep", 3)
    Path("photos/deep/notes.txt").touch()
    inputs = find_photos("photos", None, f"{workplace}/list")
    assert len(inputs) == 3
    assert inputs.column == "file"
    photos("photos/deep", 5)
    assert inputs.read(0, 3) == names
    assert inputs.read(1, 2) == [names[1]]


def test_a_list_keeps_its_order_and_its_repetitions(workplace):
    names = ["b.png", "a.png", "b.png", "with space.jpg", "s3://bucket/c.png"]
    Path("list.txt").write_text("\n".join(names) + "\n\n")
    inputs = find_photos("list.txt", None, f"{workplace}/list")
    assert inputs.read(0, len(inputs)) == names


@pytest.mark.skipif(os.name == "nt", reason="names of files are text there")
@pytest.mark.parametrize(
    "content", ["\ufeffa.png\r\nb.png".encode("utf-16-le"), "\ufeffa.png\nb.png".encode(), b"a.png\0b.png\0"]
)
def test_a_list_may_come_from_powershell_or_find(workplace, content):
    Path("list.txt").write_bytes(content)
    assert find_photos("list.txt", None, f"{workplace}/list").read(0, 9) == ["a.png", "b.png"]


def test_a_name_that_is_no_text_is_listed_too(workplace):
    Path("list.txt").write_bytes(b"a.png\n\xff.png\n")
    assert find_photos("list.txt", None, f"{workplace}/list").read(0, 2) == ["a.png", "\\xff.png"]


@pytest.mark.parametrize(("first", "end"), [(0, 25), (0, 1), (3, 9), (9, 11), (10, 20), (12, 24), (24, 25), (25, 30)])
def test_any_stretch_of_several_tables_is_read(workplace, first, end):
    Path("tables").mkdir()
    for number, rows in enumerate((range(10), range(10, 25))):
        column = [f"{row}.png" for row in rows]
        parquet.write_table(pyarrow.table({"path": column, "x": column}), f"tables/{number}.parquet", row_group_size=4)
    Path("tables/_metadata.parquet").touch()
    inputs = find_photos("tables", None, "unused")
    assert inputs == BatchInputs(((f"{workplace}/tables/0.parquet", 10), (f"{workplace}/tables/1.parquet", 15)), "path")
    assert inputs.read(first, end) == [f"{row}.png" for row in range(first, min(end, 25))]
    assert not Path("unused").exists()


def test_large_row_groups_are_read_in_pieces(workplace):
    content = [bytes([number % 256]) for number in range(250)]
    parquet.write_table(pyarrow.table({"bytes": content}), "a.parquet")
    inputs = find_photos("a.parquet", None, "unused")
    assert inputs.read(120, 230) == content[120:230]


def test_photos_on_other_file_systems_have_addresses():
    system = fsspec.filesystem("memory")
    for name in ("/photos/a.png", "/photos/deep/b.JPG", "/photos/.hidden.png", "/photos/c.txt"):
        system.pipe_file(name, b"x")
    inputs = find_photos("memory://photos", None, "memory://out/list")
    assert inputs.read(0, 9) == ["memory:///photos/a.png", "memory:///photos/deep/b.JPG"]


def test_photos_in_an_archive_keep_its_address(workplace):
    (name,) = photos("photos", 1)
    with zipfile.ZipFile("photos.zip", "w") as archive:
        archive.write(name)
    inputs = find_photos(f"zip://photos::{workplace}/photos.zip", None, f"{workplace}/list")
    (address,) = inputs.read(0, 1)
    assert address == f"zip://photos/0.png::{workplace}/photos.zip"
    with fsspec.open(address) as file:
        assert file.read() == Path(name).read_bytes()


def test_what_cannot_be_a_batch_is_refused(workplace):
    photos("photos", 1)
    Path("empty").mkdir()
    Path("empty.txt").touch()
    parquet.write_table(pyarrow.table({"portrait": ["a.png"], "age": [3]}), "a.parquet")
    parquet.write_table(pyarrow.table({"path": pyarrow.array([], pyarrow.string())}), "none.parquet")
    parquet.write_table(pyarrow.table({"path": photos("both", 1)}), "both/a.parquet")
    for source, column, error, message in (
        ("nowhere", None, FileNotFoundError, "There is no folder or file nowhere"),
        ("empty", None, ValueError, "must have photos"),
        ("empty.txt", None, ValueError, "must have photos"),
        ("none.parquet", None, ValueError, "must have photos"),
        ("photos/0.png", None, ValueError, "asianage predict photos/0.png"),
        ("photos", "path", ValueError, "belongs to Parquet files"),
        ("a.parquet", None, ValueError, "Received: the columns portrait, age"),
        ("a.parquet", "photo", ValueError, "Received: 'photo'"),
        ("both", None, ValueError, r"holds both, such as 0\.png and a\.parquet"),
    ):
        with pytest.raises(error, match=message):
            find_photos(source, column, f"{workplace}/list")
    assert find_photos("a.parquet", "portrait", "unused").column == "portrait"
