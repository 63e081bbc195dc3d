from __future__ import annotations

import csv
import errno
import io
import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="needs the extra video")
pytest.importorskip("trackers", reason="needs the extra video")

from asianage.apps.video_source import OpenVideo
from asianage.cli import main
from asianage.cli.result_file import ResultFile
from tests.apps.videos import gray, write_song, write_video


@pytest.fixture(scope="module")
def clip(hopper, tmp_path_factory):
    """One face that moves, in six frames."""
    face = Image.fromarray(hopper[:420, 80:420]).resize((136, 168))
    images = []
    for number in range(6):
        canvas = Image.new("RGB", (200, 192), (90, 90, 90))
        canvas.paste(face, (8 + 5 * number, 10))
        images.append(np.asarray(canvas))
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", images)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_video_gives_a_row_per_frame_a_row_per_person_and_a_drawing(clip, tmp_path, capsys):
    rows, people, drawn = tmp_path / "rows.csv", tmp_path / "people.csv", tmp_path / "drawn.mp4"
    options = ["--output", str(rows), "--people", str(people), "--draw", str(drawn)]
    assert main(["predict", str(clip), *options]) == 0
    table = rows_of(rows.read_text())
    assert [row["frame"] for row in table] == list("012345")
    assert [row["person"] for row in table] == ["", "1", "1", "1", "1", "1"]
    assert [float(row["time"]) for row in table] == pytest.approx(np.arange(6) / 10)
    assert {row["file"] for row in table} == {str(clip)}
    ages = [float(row["frame_age"]) for row in table[1:]]
    (person,) = rows_of(people.read_text())
    assert (person["person"], person["frames"]) == ("1", "5")
    assert (float(person["first_time"]), float(person["last_time"])) == pytest.approx((0.1, 0.5))
    assert min(ages) <= float(person["age"]) <= max(ages)
    assert float(table[-1]["age"]) == float(person["age"])
    frames = list(OpenVideo(drawn).frames())
    assert [frame.time for frame in frames] == pytest.approx(np.arange(6) / 10, abs=0.002)
    printed = capsys.readouterr().out
    assert "clip.mp4: 1 person" in printed
    assert "0.1-0.5" in printed


def test_json_has_a_line_per_frame_and_every_other_frame_is_taken(clip, capsys):
    assert main(["predict", str(clip), "--json", "--every", "2"]) == 0
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert [line["frame"] for line in lines] == [0, 2, 4]
    assert [line["faces"][0]["person"] for line in lines] == [None, 1, 1]
    assert "1 person" in captured.err


def test_what_fails_is_listed_at_the_end_and_the_rest_is_done(clip, tmp_path, capsys):
    (tmp_path / "empty.mp4").touch()
    song = write_song(tmp_path / "song.mp4")
    cut = write_video(tmp_path / "cut.mp4", gray(30), options={"movflags": "faststart"})
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 3 // 4])
    drawings = tmp_path / "drawn"
    videos = [str(path) for path in (tmp_path / "empty.mp4", song, cut, clip)]
    assert main(["predict", *videos, "--csv", "-", "--every", "3", "--draw", str(drawings)]) == 1
    captured = capsys.readouterr()
    assert {row["file"] for row in rows_of(captured.out)} == {str(clip)}
    for reason in ("empty.mp4: the file is empty", "only audio", "cut off: it ends after"):
        assert captured.err.count(reason) == 1
    assert "needs a frame" not in captured.err
    assert sorted(path.name for path in drawings.iterdir()) == ["clip-labeled.mp4", "cut-labeled.mp4"]


def test_a_pattern_names_videos(clip, tmp_path, capsys):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, gray(2))
    assert main(["predict", str(tmp_path / "*.mp4")]) == 0
    assert capsys.readouterr().out.count("0 people") == 2
    assert main(["predict", str(tmp_path / "*.mkv")]) == 2
    assert "no file matches" in capsys.readouterr().err


def test_a_camera_tells_once_a_second_who_is_there_until_it_is_interrupted(clip, tmp_path, capsys, monkeypatch):
    from asianage.apps import video, video_source

    frames = video_source.OpenVideo.frames

    def interrupted(self, every):
        yield from frames(self, every)
        raise KeyboardInterrupt

    def live(source, **options):
        assert source == 0
        opened = video_source.OpenVideo(clip)
        opened.is_live = True
        return opened

    monkeypatch.setattr(video_source.OpenVideo, "frames", interrupted)
    monkeypatch.setattr(video, "OpenVideo", live)
    drawn = tmp_path / "camera.mp4"
    assert main(["predict", "--camera", "0", "--draw", str(drawn)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip().startswith("0.0 s")
    assert "camera 0: 1 person" in lines
    monkeypatch.undo()
    assert len(list(OpenVideo(drawn).frames())) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.mp4", "b.jpg"], "PATH must name either videos or photos"),
        (["--camera", "0", "b.jpg"], "PATH must name either videos or photos"),
        (["b.jpg", "--every", "2"], "--every belongs to videos"),
        (["b.jpg", "--people", "p.csv"], "--people belongs to videos"),
        (["a.mp4", "--people", "p.jpg"], "--people needs the name of the file to write. Received the photo p.jpg"),
        (["a.mp4", "--people", "p.csv", "-o", "./p.csv"], "--people needs a file of its own"),
        (["a.mp4", "--every", "0"], "--every must be 1 or more"),
        (["a.mp4", "--resume", "--csv", "rows.csv"], "--resume goes on with photos"),
        (["a.mp4", "b.mp4", "--draw", "c.mp4"], "--draw needs a folder"),
        (["a/x.mp4", "b/x.mp4", "--draw", "drawn"], "different names"),
        (["a.mp4", "--draw", "c.avi"], "A drawn video needs a name that ends in"),
    ],
)
def test_options_that_contradict_each_other_are_refused(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_no_other_file_is_replaced(clip, tmp_path, capsys):
    own = tmp_path / "own.csv"
    own.write_text("mine,alone\n")
    assert main(["predict", str(clip), "--people", str(own)]) == 2
    assert main(["predict", str(clip), "--output", str(own)]) == 2
    assert main(["predict", str(clip), "--draw", str(clip)]) == 2
    assert capsys.readouterr().err.count("is not replaced") == 3
    assert own.read_text() == "mine,alone\n"


def test_rows_that_cannot_be_written_end_the_command_and_leave_the_earlier_ones(clip, tmp_path, capsys, monkeypatch):
    rows = tmp_path / "rows.csv"
    assert main(["predict", str(clip), "-q", "-o", str(rows)]) == 0
    before = rows.read_bytes()
    write = ResultFile._append
    calls = []

    def failing(self, content, data):
        calls.append(data)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, content, data)

    monkeypatch.setattr(ResultFile, "_append", failing)
    assert main(["predict", str(clip), "-q", "-o", str(rows), "--draw", str(tmp_path / "drawn.mp4")]) == 2
    assert "No space left" in capsys.readouterr().err
    assert rows.read_bytes() == before
    assert not (tmp_path / "drawn.mp4").exists()


def test_a_drawing_that_fails_costs_no_rows(clip, tmp_path, capsys, monkeypatch):
    def failing(self, picture, seconds):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("asianage.apps.video_writer._Drawing.add", failing)
    rows, drawn = tmp_path / "rows.csv", tmp_path / "drawn.mp4"
    assert main(["predict", str(clip), "-q", "-o", str(rows), "--draw", str(drawn)]) == 1
    assert capsys.readouterr().err.count("No space left") == 1
    assert len(rows_of(rows.read_text())) == 6
    assert not drawn.exists()


def test_a_pattern_finds_videos_in_all_folders_and_leaves_drawings_out(clip, tmp_path, capsys):
    (tmp_path / "x" / "y").mkdir(parents=True)
    for name in ("top.mp4", "x/one.mp4", "x/y/two.mp4"):
        write_video(tmp_path / name, gray(2))
    pattern = str(tmp_path / "**" / "*.mp4")
    assert main(["predict", pattern, "-q", "--draw", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("0 people") == 3
    assert main(["predict", pattern, "-q"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("0 people") == 3
    assert "left out 3 drawings" in captured.err


def test_a_stream_is_ended_by_ctrl_c_as_a_camera_is(clip, tmp_path, monkeypatch):
    from asianage.apps import video, video_source

    frames = video_source.OpenVideo.frames

    def interrupted(self, every):
        yield from frames(self, every)
        raise KeyboardInterrupt

    monkeypatch.setattr(video_source.OpenVideo, "frames", interrupted)

    def live(source, **options):
        opened = video_source.OpenVideo(clip)
        # Its frames do not wait for a batch.
        opened.is_live = True
        return opened

    monkeypatch.setattr(video, "OpenVideo", live)
    people = tmp_path / "people.csv"
    assert main(["predict", "udp://127.0.0.1:9", "-q", "--people", str(people)]) == 0
    assert len(rows_of(people.read_text())) == 1
