from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("av", reason="needs the extra video")

from asianage.apps.video_source import OpenVideo
from asianage.apps.video_writer import CODECS, is_drawing, require_writable, video_writer
from tests.apps.videos import gray, write_video


@pytest.mark.parametrize("suffix", CODECS)
def test_frames_keep_their_times_and_pictures(tmp_path, suffix):
    times = [0.0, 0.1, 0.2, 0.6, 0.7]
    path = tmp_path / f"drawn{suffix}"
    with video_writer(path) as write:
        for image, time in zip(gray(5, size=(65, 49)), times, strict=True):
            write(Image.fromarray(image), time)
    frames = list(OpenVideo(path).frames())
    assert [frame.time for frame in frames] == pytest.approx(times, abs=0.002)
    assert frames[0].image.shape == (48, 64, 3)
    assert [frame.image.mean() for frame in frames] == pytest.approx([20, 60, 100, 140, 180], abs=4)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_an_earlier_drawing_is_replaced_and_nothing_else(tmp_path):
    own = write_video(tmp_path / "own.mp4", gray(3))
    before = own.read_bytes()
    with pytest.raises(FileExistsError, match="no drawing of asianage"), video_writer(own):
        pass
    assert own.read_bytes() == before
    (tmp_path / "notes.mp4").write_text("notes")
    with pytest.raises(FileExistsError, match="no drawing"):
        require_writable(tmp_path / "notes.mp4")
    for suffix in CODECS:
        for level in (50, 200):
            with video_writer(tmp_path / f"drawn{suffix}") as write:
                write(Image.new("RGB", (64, 48), (level, level, level)), 0.0)
        (frame,) = OpenVideo(tmp_path / f"drawn{suffix}").frames()
        assert frame.image.mean() == pytest.approx(200, abs=4)


def test_an_error_leaves_no_file(tmp_path):
    def interrupted() -> None:
        with video_writer(tmp_path / "a.mp4") as write:
            write(Image.new("RGB", (64, 48)), 0.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(ValueError, match="needs a frame"), video_writer(tmp_path / "a.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_other_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.m4v, \.mkv, \.mov, \.mp4, \.webm\. Received: .*a\.avi"):
        require_writable(tmp_path / "a.avi")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        require_writable(tmp_path / "none" / "a.mp4")


def test_frames_that_nearly_coincide_keep_their_order(tmp_path):
    import av

    path = tmp_path / "drawn.mp4"
    with video_writer(path) as write:
        for image, time in zip(gray(4), (0.0, 0.1, 0.1002, 0.1004), strict=True):
            write(Image.fromarray(image), time)
    with av.open(path) as container:
        ticks = [round(1000 * frame.time) for frame in container.decode(video=0)]
    assert ticks == [0, 100, 101, 102]


def test_the_drawing_of_another_video_is_not_replaced(tmp_path):
    path = tmp_path / "clip-labeled.mp4"
    for source in (None, "a/clip.mp4", "a/clip.mp4"):
        with video_writer(path, source=source) as write:
            write(Image.new("RGB", (64, 48)), 0.0)
    with pytest.raises(FileExistsError, match="drawing of another video"):
        require_writable(path, "b/clip.mp4")
    require_writable(path)
    assert is_drawing(path)
    assert not is_drawing(write_video(tmp_path / "own.mp4", gray(3)))


@pytest.mark.skipif(os.name == "nt", reason="names there have no colon")
def test_a_name_with_a_colon_is_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with video_writer(Path("12:30.mp4")) as write:
        write(Image.new("RGB", (64, 48)), 0.0)
    assert len(list(OpenVideo("12:30.mp4").frames())) == 1
    assert is_drawing(Path("12:30.mp4"))
