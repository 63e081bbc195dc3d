from __future__ import annotations

import codecs
import io
import os
import threading
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage import ImageError, list_images, load_image
from asianage.faces.image_files import IMAGE_SUFFIXES, LeftOut, names_in_list, read_pipe, stored_form
from tests.faces.pictures import encoded, picture


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names_in(root: Path, left_out: LeftOut | None = None) -> list[str]:
    return [path.relative_to(root).as_posix() for path in list_images(root, left_out=left_out)]


def forbid(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make folders unreadable, also for the user root."""
    scandir = os.scandir

    def scan(path):
        if Path(path).name in names:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", scan)


# --- which files are pictures --------------------------------------------------------------------------------------


def test_a_folder_is_listed_sorted_and_without_what_is_hidden(tmp_path):
    hidden = [".hidden.jpg", ".cache/f.jpg"]
    touch(tmp_path, "b.JPG", "a.png", "c.txt", "sub/d.webp", "sub/deeper/e.tiff", "Thumbs.db", "g", *hidden)
    assert names_in(tmp_path) == ["a.png", "b.JPG", "sub/d.webp", "sub/deeper/e.tiff"]
    assert [path.name for path in list_images(str(tmp_path / "sub"))] == ["d.webp", "e.tiff"]


def test_pillow_knows_every_suffix_that_is_listed():
    known = Image.registered_extensions()
    assert {suffix for suffix in IMAGE_SUFFIXES if suffix not in known} <= {
        *(".avif", ".avifs", ".qoi"),
        *(".heic", ".heics", ".heif", ".heifs", ".hif"),
    }


# Pillow only knows the headers of these, writes them only, or would run a program.
NO_PICTURES = {"BUFR", "GRIB", "HDF5", "WMF", "EPS", "PDF", "PALM", "MPEG", "IPTC", "FPX", "MIC", "SPIDER"}


def test_every_picture_that_pillow_reads_is_listed():
    kinds = Image.registered_extensions()
    readable = {suffix for suffix, kind in kinds.items() if kind in {*Image.OPEN, "MPO"} - NO_PICTURES}
    assert readable - IMAGE_SUFFIXES == set()


@pytest.mark.parametrize("suffix", [".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".pcx", ".sgi", ".qoi", ".dds", ".ico"])
def test_rare_formats_are_listed_and_read(tmp_path, suffix):
    if suffix not in Image.registered_extensions() or Image.registered_extensions()[suffix] not in Image.SAVE:
        pytest.skip("this Pillow cannot write it")
    Image.fromarray(picture(32, 32)).convert("L" if suffix == ".pgm" else "RGB").save(tmp_path / f"a{suffix}")
    (path,) = list_images(tmp_path)
    assert load_image(path).shape == (32, 32, 3)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(NotADirectoryError, match="nowhere"):
        list(list_images(tmp_path / "nowhere"))


# --- what is left out ----------------------------------------------------------------------------------------------


def test_folders_of_thumbnails_and_deleted_files_are_left_out(tmp_path):
    touch(tmp_path, "a.jpg", "@eaDir/a.jpg/SYNO_M.jpg", "sub/@EADIR/b.jpg", "#recycle/c.jpg", "__MACOSX/._d.jpg")
    touch(tmp_path, "$RECYCLE.BIN/e.jpg", "System Volume Information/f.jpg", "@work/g.jpg")
    assert names_in(tmp_path) == ["a.jpg", "@work/g.jpg"]
    # Named by the user it is read.
    assert names_in(tmp_path / "#recycle") == ["c.jpg"]


def test_what_is_left_out_is_counted_and_said_once(tmp_path, caplog):
    touch(tmp_path, "a.jpg", "b.txt", "c.TXT", "notes", ".d.jpg", ".git/e.jpg", "@eaDir/f.jpg")
    left_out = LeftOut()
    assert names_in(tmp_path, left_out) == ["a.jpg"]
    assert left_out.counts == {
        ".txt files": 2,
        "files without a suffix": 1,
        "hidden files": 1,
        "hidden folders": 1,
        "folders @eaDir": 1,
    }
    assert caplog.records == []
    names_in(tmp_path)
    (record,) = caplog.records
    assert record.getMessage() == f"{tmp_path}: left out {left_out.summary()}"
    assert ".txt files (2), " in left_out.summary()


def test_a_summary_is_short(tmp_path):
    left_out = LeftOut()
    names_in(touch(tmp_path, *(f"a.{number}" for number in range(30))), left_out)
    assert left_out.summary().endswith("(1), others (22)")
    assert LeftOut().summary() == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_named_pipes_are_left_out(tmp_path):
    os.mkfifo(touch(tmp_path, "a.jpg") / "p.jpg")
    left_out = LeftOut()
    assert names_in(tmp_path, left_out) == ["a.jpg"]
    assert left_out.counts == {"pipes and devices": 1}


def test_unreadable_folders_are_an_error_after_all_others(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.jpg", "private/2.jpg", "sealed/3.jpg", "z/4.jpg")
    forbid(monkeypatch, "private", "sealed")
    found = []
    with pytest.raises(PermissionError, match=r"cannot be read.* 1 more.*private"):
        found.extend(path.name for path in list_images(tmp_path))
    assert found == ["1.jpg", "4.jpg"]
    left_out = LeftOut()
    assert names_in(tmp_path, left_out) == ["a/1.jpg", "z/4.jpg"]
    assert [Path(error.filename).name for error in left_out.errors] == ["private", "sealed"]


# --- links ---------------------------------------------------------------------------------------------------------


def test_linked_files_and_folders_are_followed(tmp_path):
    touch(tmp_path, "real/sub/b.jpg", "real/c.jpg", "photos/a/1.jpg", "photos/z.jpg")
    root = tmp_path / "photos"
    (root / "b").symlink_to(tmp_path / "real", target_is_directory=True)
    (root / "l.jpg").symlink_to(tmp_path / "real/c.jpg")
    assert names_in(root) == ["l.jpg", "z.jpg", "a/1.jpg", "b/c.jpg", "b/sub/b.jpg"]


def test_links_in_a_circle_and_second_links_are_left_out(tmp_path):
    touch(tmp_path, "out/x/1.jpg", "root/a/2.jpg", "beside.jpg")
    root = tmp_path / "root"
    links = {"self": ".", "up": "..", "a/back": "../../root", "again": "a", "x1": "../out/x", "x2": "../out"}
    for name, target in links.items():
        (root / name).symlink_to(target, target_is_directory=True)
    (tmp_path / "out/home").symlink_to(root, target_is_directory=True)
    left_out = LeftOut()
    assert names_in(root, left_out) == ["a/2.jpg", "x1/1.jpg"]
    assert left_out.counts == {"links to folders that are read already": 5, "links back": 1}


def test_a_link_to_nothing_and_one_to_itself_fail_where_they_are_read(tmp_path):
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    found = list(list_images(tmp_path))
    assert [path.name for path in found] == ["gone.jpg", "self.jpg"]
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg"):
        load_image(found[0])
    with pytest.raises(OSError, match=r"self\.jpg"):
        load_image(found[1])


# --- names ---------------------------------------------------------------------------------------------------------


def test_a_folder_is_found_in_both_forms_of_unicode(tmp_path):
    mixed = Path(unicodedata.normalize("NFD", "\u304c\u30d1"), unicodedata.normalize("NFC", "caf\u00e9"))
    touch(tmp_path, str(mixed / "a.jpg"))
    for form in ("NFC", "NFD"):
        asked = Path(unicodedata.normalize(form, str(tmp_path / mixed)))
        assert stored_form(asked) == tmp_path / mixed
        assert [path.name for path in list_images(asked)] == ["a.jpg"]
        assert stored_form(asked / "b.jpg") == asked / "b.jpg"


@pytest.mark.skipif(os.name != "posix", reason="names are text elsewhere")
def test_names_of_255_bytes_and_names_that_are_no_text_are_read(tmp_path):
    for name in (b"a" * 251 + b".png", b"\xff\xfe.png", "\u5bb6".encode() * 83 + b"ab.png"):
        Path(tmp_path, os.fsdecode(name)).write_bytes(encoded(picture()))
    found = list(list_images(tmp_path))
    assert len(found) == 3
    for path in found:
        np.testing.assert_array_equal(load_image(path), picture())


# --- pipes ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_read(tmp_path):
    pipe = tmp_path / "p.png"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[encoded(picture(300, 300))])
    writer.start()
    np.testing.assert_array_equal(load_image(pipe), picture(300, 300))
    writer.join()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_that_nobody_writes_into_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "p.jpg")
    with pytest.raises(ImageError, match=r"Nothing was written into the pipe .*p\.jpg"):
        read_pipe(tmp_path / "p.jpg", patience=0.01)


# --- lists of names ----------------------------------------------------------------------------------------------

NAMES = ["a.jpg", "\u5f20 \u4f1f.jpg", "folder/b\u2028c.jpg"]


@pytest.mark.parametrize("block", [64, 1 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\0"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_list_is_read_in_the_encoding_that_its_mark_says(monkeypatch, mark, end, block):
    encoding = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(mark, "utf-8")
    # A name must be shorter than a block, which tells how names end.
    monkeypatch.setattr("asianage.faces.image_files._BLOCK", block)
    for text in (end.join(NAMES), end.join(NAMES) + end, end.join([*NAMES * 20, "", ""])):
        found = list(names_in_list(io.BytesIO(mark + text.encode(encoding))))
        assert found == [name for name in text.split(end) if name]


def test_names_that_are_no_text_stay_as_the_disk_has_them():
    assert list(names_in_list(io.BytesIO(b"a\xff.jpg\nb.jpg"))) == [os.fsdecode(b"a\xff.jpg"), "b.jpg"]
    assert list(names_in_list(io.BytesIO(b"a\xff\nb.jpg\0c.jpg\0"))) == [os.fsdecode(b"a\xff\nb.jpg"), "c.jpg"]
    # Half a character at the end.
    assert list(names_in_list(io.BytesIO(codecs.BOM_UTF16_LE + "a\nb".encode("utf-16-le")[:-1]))) == ["a", "\ufffd"]
    for nothing in (b"", b"\n\n", b"\0", codecs.BOM_UTF8, codecs.BOM_UTF16_LE):
        assert list(names_in_list(io.BytesIO(nothing))) == []
