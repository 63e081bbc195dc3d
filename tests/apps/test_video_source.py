from __future__ import annotations

import io
import sys
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("av", reason="needs the extra video")

from asianage import VideoError
from asianage.apps.video_source import OpenVideo, camera, turned
from tests.apps.videos import gray, set_display_matrix, write_song, write_video


def levels(frames) -> list[int]:
    return [round(float(frame.image.mean())) for frame in frames]


def test_frames_come_in_order_with_number_and_time(tmp_path):
    video = OpenVideo(write_video(tmp_path / "a.mp4", gray(10)))
    assert (video.frame_rate, video.is_live) == (10.0, False)
    assert video.seconds == pytest.approx(1.0, abs=0.1)
    frames = list(video.frames())
    assert [frame.number for frame in frames] == list(range(10))
    assert [frame.time for frame in frames] == pytest.approx(np.arange(10) / 10)
    assert levels(frames) == pytest.approx([20 * number + 20 for number in range(10)], abs=4)
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image.dtype == np.uint8


def test_every_third_frame_keeps_number_and_time(tmp_path):
    frames = list(OpenVideo(write_video(tmp_path / "a.mp4", gray(10))).frames(every=3))
    assert [frame.number for frame in frames] == [0, 3, 6, 9]
    assert [frame.time for frame in frames] == pytest.approx([0.0, 0.3, 0.6, 0.9])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_variable_frame_rate_keeps_the_times_of_the_file(tmp_path, suffix):
    times = [0.0, 0.04, 0.08, 0.5, 0.54, 1.2]
    video = OpenVideo(write_video(tmp_path / f"a{suffix}", gray(6), times=times))
    assert [frame.time for frame in video.frames()] == pytest.approx(times, abs=0.002)


def test_a_stream_without_times_gets_even_ones(tmp_path):
    frames = OpenVideo(write_video(tmp_path / "a.h264", gray(5), rate=25)).frames()
    assert np.diff([frame.time for frame in frames]) == pytest.approx(1 / 25, abs=0.001)


def test_times_grow_where_a_stream_begins_anew(tmp_path):
    one = write_video(tmp_path / "a.ts", gray(5)).read_bytes()
    (tmp_path / "twice.ts").write_bytes(one + one)
    times = [frame.time for frame in OpenVideo(tmp_path / "twice.ts").frames()]
    assert len(times) >= 9
    assert min(np.diff(times)) > 0


CORNER = np.zeros((48, 64, 3), dtype=np.uint8)
CORNER[:16, :16] = 255

SHOWN_AT = {
    (1, 0, 0, 1): (0, 0),
    (0, 1, -1, 0): (0, -1),
    (-1, 0, 0, -1): (-1, -1),
    (0, -1, 1, 0): (-1, 0),
    (-1, 0, 0, 1): (0, -1),
}
"""Matrix -> row and column of the corner that the first pixel comes to."""


@pytest.mark.parametrize("matrix", SHOWN_AT, ids=str)
def test_a_phone_video_is_shown_upright(tmp_path, matrix):
    path = write_video(tmp_path / "phone.mp4", [CORNER])
    set_display_matrix(path, matrix)
    (frame,) = OpenVideo(path).frames()
    assert frame.image.shape == ((64, 48, 3) if matrix[0] == 0 else (48, 64, 3))
    bright = {(row, column) for row in (0, -1) for column in (0, -1) if frame.image[row, column].mean() > 128}
    assert bright == {SHOWN_AT[matrix]}


def test_a_picture_is_turned_and_mirrored_to_where_the_matrix_puts_its_pixels():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    for a, b, c, d in [(1, 0, 0, 1), (0, 1, -1, 0), (0, -1, 1, 0), (0, 1, 1, 0), (0, -1, -1, 0), (1, 0, 0, -1)]:
        shown = turned(image, np.array([a, b, 0, c, d, 0, 0, 0, 1]) * 65536)
        y, x = np.mgrid[:2, :3]
        left, top = a * x + c * y, b * x + d * y
        assert (shown[top - top.min(), left - left.min()] == image).all()


def test_pixels_become_square(tmp_path):
    import av

    path = tmp_path / "wide.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(CORNER, format="rgb24")))
        container.mux(stream.encode())
    (frame,) = OpenVideo(path).frames()
    assert frame.image.shape == (48, 96, 3)


def test_a_file_object_is_read(tmp_path):
    content = io.BytesIO(write_video(tmp_path / "a.mp4", gray(3)).read_bytes())
    content.seek(0, io.SEEK_END)
    video = OpenVideo(content)
    assert video.name == "file object"
    assert len(list(video.frames())) == 3


def test_damaged_pictures_are_left_out_and_told_at_the_end(tmp_path):
    noise = [np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8) for seed in range(20)]
    path = write_video(tmp_path / "a.mp4", noise)
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    frames = []
    with pytest.raises(VideoError, match=r"a\.mp4: \d damaged picture.* left out\. The other \d+ pictures were read"):
        frames.extend(OpenVideo(path).frames())
    assert 14 <= len(frames) < 20
    assert frames[-1].time == pytest.approx(1.9)


def test_a_file_that_was_cut_off_gives_what_is_there_and_tells_what_is_missing(tmp_path):
    path = write_video(tmp_path / "a.mp4", gray(30), options={"movflags": "faststart"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    frames = []
    with pytest.raises(VideoError, match=r"cut off: it ends after \d\.\d of 3\.0 seconds. The other \d+ pictures"):
        frames.extend(OpenVideo(path).frames())
    assert 1 <= len(frames) < 30


def test_a_file_that_lost_its_heading_cannot_be_read(tmp_path):
    path = write_video(tmp_path / "a.mp4", gray(10))
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov")])
    with pytest.raises(VideoError, match=r"a\.mp4: this cannot be read as a video\. It is damaged, cut off"):
        OpenVideo(path)


def test_what_is_no_video_is_told_apart(tmp_path):
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(VideoError, match=r"empty\.mp4: the file is empty"):
        OpenVideo(tmp_path / "empty.mp4")
    with pytest.raises(VideoError, match="no moving pictures in it, only audio"):
        OpenVideo(write_song(tmp_path / "song.m4a"))
    (tmp_path / "notes.txt").write_text("no video\n" * 100)
    with pytest.raises(VideoError, match="this is a text"):
        OpenVideo(tmp_path / "notes.txt")
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(VideoError, match="cannot be read as a video"):
        OpenVideo(tmp_path / "noise.mp4")
    with pytest.raises(FileNotFoundError, match=r"none\.mp4: there is no such file"):
        OpenVideo(tmp_path / "none.mp4")
    with pytest.raises(OSError, match="Is a directory"):
        OpenVideo(tmp_path)
    with pytest.raises(TypeError, match="Received: float"):
        OpenVideo(1.5)


def test_pictures_of_too_many_pixels_are_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", gray(1))
    with pytest.raises(VideoError, match=r"at most 3,000 pixels\. Received: 64 x 48"):
        OpenVideo(path, max_pixels=3000)


def test_a_camera_is_named_as_its_system_does(monkeypatch):
    found = [
        SimpleNamespace(name="Microphone", media_types=["audio"]),
        SimpleNamespace(name="Front Camera", media_types=["video"]),
    ]
    devices = SimpleNamespace(enumerate_input_devices=lambda form: found)
    monkeypatch.setitem(sys.modules, "av.device", devices)
    monkeypatch.setattr("av.device", devices, raising=False)
    assert camera(1, "Linux") == ("/dev/video1", "v4l2")
    assert camera(1, "Darwin") == ("1:none", "avfoundation")
    assert camera(0, "Windows") == ("video=Front Camera", "dshow")
    with pytest.raises(VideoError, match="has 1 cameras"):
        camera(1, "Windows")
    with pytest.raises(VideoError, match=r"from 0 on\. Received: -1"):
        camera(-1, "Linux")


def test_a_missing_camera_is_told():
    with pytest.raises((FileNotFoundError, VideoError), match="camera 97"):
        OpenVideo(97)


def test_a_camera_is_live(monkeypatch):
    monkeypatch.setattr(
        "asianage.apps.video_source.camera", lambda number, system: ("testsrc=size=64x48:rate=10", "lavfi")
    )
    video = OpenVideo(0)
    assert (video.name, video.is_live, video.seconds) == ("camera 0", True, None)
    frames = video.frames()
    assert [next(frames).number for _ in range(3)] == [0, 1, 2]
    frames.close()


def test_a_last_picture_that_is_shown_for_long_is_no_missing_end(tmp_path):
    import av

    path = tmp_path / "slides.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        packets = []
        for image in gray(12):
            packets += stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24"))
        packets += stream.encode()
        packets[-1].duration = round(8 / packets[-1].time_base)
        for packet in packets:
            container.mux(packet)
    opened = OpenVideo(path)
    assert opened.seconds > 9
    assert len(list(opened.frames())) == 12
