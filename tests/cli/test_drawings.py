from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from asianage.cli import main
from asianage.cli.drawings import MARK, DrawingFolder, without_drawings


@pytest.fixture
def photo(tmp_path) -> Path:
    return save(tmp_path / "album" / "a.jpg")


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48), "gray").save(path)
    return path


def draw(folder: Path, *photos: Path) -> list[str]:
    drawings = DrawingFolder(folder)
    for path in photos:
        drawings.save(str(path), path, [])
    return sorted(path.name for path in folder.iterdir())


def test_a_second_run_replaces_its_own_drawings(photo, tmp_path):
    other = save(tmp_path / "other" / "a.jpg")
    target = tmp_path / "deep" / "drawn"
    for _ in range(2):
        assert draw(target, photo, other) == ["a-2.jpg", "a.jpg"]
    second = (target / "a.jpg").read_bytes()
    assert draw(target, other) == ["a-2.jpg", "a.jpg"]
    assert (target / "a.jpg").read_bytes() == second
    assert Image.open(target / "a.jpg").size == (64, 48)


def test_a_photo_is_never_replaced(photo):
    before = photo.read_bytes()
    for _ in range(2):
        assert draw(photo.parent, photo) == ["a-2.jpg", "a.jpg"]
    assert photo.read_bytes() == before
    (photo.parent / "a.jpg").unlink()
    (photo.parent / "a.jpg").symlink_to("nowhere.jpg")
    assert draw(photo.parent, photo.parent / "a-2.jpg") == ["a-2-2.jpg", "a-2.jpg", "a.jpg"]


@pytest.mark.parametrize("name", ["x" * 251, "顔" * 83])
def test_long_names_are_shortened(name, tmp_path):
    photos = [save(tmp_path / folder / f"{name}.jpg") for folder in ("one", "two")]
    names = draw(tmp_path / "drawn", *photos)
    assert len(names) == 2
    assert names[-1] == f"{name}.jpg" or names[0] == f"{name}.jpg"


def test_a_file_is_no_folder_of_drawings(photo):
    before = photo.read_bytes()
    with pytest.raises(NotADirectoryError, match=r"--draw needs the name of a folder. Received the file .*a\.jpg"):
        DrawingFolder(photo)
    assert photo.read_bytes() == before


def test_drawings_are_left_out_unless_they_are_named(photo):
    draw(photo.parent / "drawn", photo)
    drawing = photo.parent / "drawn" / "a.jpg"
    assert MARK in drawing.read_bytes()[:200]
    images = [(str(path), path) for path in (photo, drawing)]
    assert without_drawings([*images, ("standard input", b"")], [str(photo.parent)], None) == (
        [images[0], ("standard input", b"")],
        1,
    )
    assert without_drawings(images, [f"{photo.parent}/./drawn/a.jpg"], None) == (images, 0)
    assert without_drawings(images, [str(drawing)], photo.parent / "drawn") == (images[:1], 1)


def test_the_next_run_does_not_predict_its_own_drawings(folder, capsys):
    command = ["predict", str(folder), "--draw", str(folder / "drawn"), "--csv", "-", "--detector", "none"]
    (folder / "notes.txt").unlink()
    assert main(command) == 0
    first = capsys.readouterr()
    assert first.err == ""
    assert main(command) == 0
    second = capsys.readouterr()
    assert second.out == first.out
    assert second.err == "asianage: 2 drawings of --draw are left out. Name one to predict it.\n"
    assert sorted(path.name for path in (folder / "drawn").iterdir()) == ["a.jpg", "b.jpg"]


def test_a_drawing_that_cannot_be_written_is_one_failure(folder, capsys, monkeypatch):
    def fail(*arguments, **options):
        raise OSError("no space")

    monkeypatch.setattr("asianage.prediction.drawing.draw_faces", fail)
    names = [str(folder / "a.png"), str(folder / "b.jpg")]
    assert main(["predict", *names, "--draw", str(folder / "drawn"), "--csv", "-", "--detector", "none"]) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 3
    assert f"{names[0]}: The drawing cannot be written: no space" in captured.err
    assert "2 of 2 inputs failed" in captured.err


def test_the_name_of_a_picture_is_no_new_folder(photo, tmp_path):
    with pytest.raises(ValueError, match="--draw needs the name of a folder"):
        DrawingFolder(tmp_path / "lab.jpg")
    assert not (tmp_path / "lab.jpg").exists()
    (tmp_path / "odd.jpg").mkdir()
    DrawingFolder(tmp_path / "odd.jpg")
