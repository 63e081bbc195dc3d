from __future__ import annotations

import io
import json
import os
import sys
import threading
import unicodedata
from pathlib import Path

import pytest

from asianage.cli import main
from asianage.cli.inputs import Inputs, find_inputs


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names_of(inputs: Inputs) -> list[str]:
    assert inputs.failures == []
    return [Path(name).as_posix() for name, _ in inputs.images]


def give_input(monkeypatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


# --- patterns ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("trip[2024]/*.jpg", ["trip[2024]/a[1].jpg", "trip[2024]/b.jpg"]),
        ("trip[2024]/a[1].*", ["trip[2024]/a[1].jpg"]),
        ("trip[2024]/[ab].jpg", ["trip[2024]/b.jpg"]),
        ("trip[2024]", ["trip[2024]/a[1].jpg", "trip[2024]/b.jpg"]),
        ("*[[]2024]/b.jpg", ["trip[2024]/b.jpg"]),
        ("./trip[0-9]/*.jpg", ["trip2/c.jpg"]),
        ("trip?/?.jpg", ["trip2/c.jpg"]),
        ("trip*", ["trip2/c.jpg", "trip[2024]/a[1].jpg", "trip[2024]/b.jpg"]),
        ("100% [x]*.jpg", ["100% [x] d.jpg"]),
    ],
)
def test_what_is_there_is_no_pattern(pattern, expected):
    touch("trip[2024]/a[1].jpg", "trip[2024]/b.jpg", "trip2/c.jpg", "100% [x] d.jpg")
    assert names_of(find_inputs([pattern])) == expected


def test_a_pattern_without_a_match_is_explained():
    inputs = find_inputs(["[ab].jpg", "*.gif"])
    assert [name for name, _ in inputs.failures] == ["[ab].jpg", "*.gif"]
    assert "Brackets" in inputs.failures[0][1]
    assert "Brackets" not in inputs.failures[1][1]


def test_a_pattern_of_all_folders_takes_each_file_once():
    touch("p/a.jpg", "p/sub/b.jpg", "p/@eaDir/a.jpg/M.jpg")
    Path("p/sub/loop").symlink_to("..", target_is_directory=True)
    Path("p/link").symlink_to("sub", target_is_directory=True)
    assert names_of(find_inputs(["p/**/*.jpg"])) == ["p/a.jpg", "p/sub/b.jpg"]
    assert names_of(find_inputs(["p/@eaDir/**/*.jpg"])) == ["p/@eaDir/a.jpg/M.jpg"]


# --- folders and names ---------------------------------------------------------------------------------------------


def test_what_a_folder_leaves_out_is_said(monkeypatch):
    touch("p/a.jpg", "p/b.txt", "p/.c.jpg", "q/private/d.jpg", "r/e.mov")
    scandir = os.scandir

    def scan(path):
        if Path(path).name == "private":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", scan)
    inputs = find_inputs(["p", "q", "r"])
    assert [name for name, _ in inputs.images] == ["p/a.jpg"]
    assert inputs.left_out == ["p: left out hidden files (1), .txt files (1).", "r: left out .mov files (1)."]
    (private, reason), (empty, content) = inputs.failures
    assert private == "q/private"
    assert "cannot be read: Permission denied" in reason
    assert empty == "r"
    assert "holds no images" in content
    assert ".mov files (1)" in content


def test_both_forms_of_unicode_name_a_file_and_a_folder():
    composed, apart = (unicodedata.normalize(form, "\u00e9t\u00e9") for form in ("NFC", "NFD"))
    touch(f"{apart}/{composed}.jpg")
    for name in (composed, f"{composed}/{apart}.jpg", f"{composed}/{composed}.jpg"):
        assert names_of(find_inputs([name])) == [f"{apart}/{composed}.jpg"]


def test_an_empty_name_is_not_this_folder():
    touch("a.jpg")
    inputs = find_inputs([""])
    assert inputs.images == []
    assert "empty" in inputs.failures[0][1]


def test_a_missing_file_stays_for_the_reader_to_explain():
    assert names_of(find_inputs(["missing.jpg", "data:2024.jpg"])) == ["missing.jpg", "data:2024.jpg"]


# --- pipes and lists -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read_at_once():
    os.mkfifo("p")
    writer = threading.Thread(target=Path("p").write_bytes, args=[b"content"])
    writer.start()
    assert find_inputs(["p"]).images == [("p", b"content")]
    writer.join()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"])
def test_names_come_from_a_list(monkeypatch, end):
    touch("a b.jpg", "[1].jpg", "p/c.jpg")
    names = ["a b.jpg", "[1].jpg", "p", "*.gif"]
    content = b"".join(name.encode() + end for name in names)
    Path("list").write_bytes(content)
    give_input(monkeypatch, content)
    for file in ("list", "-"):
        assert names_of(find_inputs([], file)) == ["a b.jpg", "[1].jpg", "p/c.jpg", "*.gif"]


def test_a_list_may_have_a_byte_order_mark_and_names_with_line_breaks():
    touch("a\nb.jpg", "c.jpg")
    Path("list").write_bytes(b"\xef\xbb\xbfc.jpg\n\n")
    assert names_of(find_inputs([], "list")) == ["c.jpg"]
    Path("list").write_bytes(b"a\nb.jpg\0")
    assert names_of(find_inputs(["c.jpg"], "list")) == ["c.jpg", "a\nb.jpg"]


def test_predict_takes_a_list(folder, capsys, monkeypatch):
    give_input(monkeypatch, b"a.png\nb.jpg\n")
    assert main(["predict", "--files-from", "-", "--json", "--detector", "none"]) == 0
    assert [json.loads(line)["file"] for line in capsys.readouterr().out.splitlines()] == ["a.png", "b.jpg"]
    assert main(["predict", "--json"]) == 2
    assert "PATH or --files-from" in capsys.readouterr().err


def test_predict_tells_what_it_leaves_out(folder, capsys):
    assert main(["predict", ".", "--json", "--detector", "none"]) == 0
    assert capsys.readouterr().err == "asianage: .: left out .txt files (1).\n"


# --- what is no file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["https://me:secret@example.org/a.jpg", "s3://secret/*.jpg", "data:image/png;base64,secret", "secret" * 99]
)
@pytest.mark.parametrize("listed", [True, False])
def test_addresses_and_data_are_refused_and_not_repeated(name, listed, monkeypatch):
    if listed:
        give_input(monkeypatch, name.encode())
    inputs = find_inputs([] if listed else [name], "-" if listed else None)
    assert inputs.images == []
    ((shown, reason),) = inputs.failures
    assert name not in shown
    assert "example.org" not in shown
    assert reason.startswith("PATH must be")


def test_files_whose_names_look_like_addresses_are_found():
    touch("data:2024.png", "cam:/1.png")
    assert names_of(find_inputs(["data:2024.png", "cam:/1.png"])) == ["data:2024.png", "cam:/1.png"]


def test_a_list_of_powershell_does_not_name_the_current_folder():
    touch("a.jpg", "b.jpg", "c/d.jpg")
    for encoding in ("utf-16-le", "utf-16-be"):
        Path("list").write_bytes("\ufeffa.jpg\r\nc\r\n".encode(encoding))
        assert names_of(find_inputs([], "list")) == ["a.jpg", "c/d.jpg"]


@pytest.mark.parametrize("name", ["missing", "folder"])
def test_a_list_that_cannot_be_read_names_the_remedy(name, capsys):
    Path("folder").mkdir()
    assert main(["predict", "--files-from", name]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"asianage: --files-from needs a list of names. {name}: ")
    assert "Errno" not in error
    assert ("Name the folder as PATH." in error) == (name == "folder")


def test_a_file_that_is_named_twice_is_read_once():
    touch("p/a.jpg", "p/b.jpg")
    assert names_of(find_inputs(["p/b.jpg", "p", "p/a.jpg"])) == ["p/b.jpg", "p/a.jpg"]
