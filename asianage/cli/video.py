"""Videos and cameras of `asianage predict`."""

from __future__ import annotations

import argparse
import contextlib
import glob
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from asianage.cli import options, output
from asianage.cli.inputs import matching_files
from asianage.cli.messages import printable, say, spoken_of
from asianage.cli.result_file import ResultFile
from asianage.faces.image_files import LeftOut

if TYPE_CHECKING:
    from asianage.apps.video import VideoFrame
    from asianage.prediction.estimator import AgeGenderEstimator

Write: TypeAlias = "Callable[[str, VideoFrame], None]"
"""Called with the name of a video and its next frame."""

SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"}
)
"""Endings of the names of videos."""

ENDINGS = ", ".join(sorted(SUFFIXES))

PROTOCOLS = ("rtmp://", "rtp://", "rtsp://", "rtsps://", "srt://", "udp://")
"""Begins of the addresses of streams."""


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the options of videos."""
    group = parser.add_argument_group("videos and cameras")
    group.add_argument("--camera", type=int, metavar="N", help="take a camera, 0 is the first; Ctrl-C ends it")
    group.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th frame (default: %(default)s)")
    group.add_argument("--people", metavar="FILE", help="write one row per person of a video into FILE, as CSV")


def has_videos(given: argparse.Namespace) -> bool:
    """Tell whether a command line names videos or a camera.

    Raises:
        ValueError: It names photos as well, or gives photos an option of videos.
    """
    named = [_is_video(path) for path in given.paths]
    if given.camera is not None:
        named.append(True)
    if not any(named):
        for option, value, default in (("--every", given.every, 1), ("--people", given.people, None)):
            if value != default:
                raise ValueError(f"{option} belongs to videos. Received: no video. They end in {ENDINGS}.")
        return False
    if not all(named) or given.files_from is not None:
        raise ValueError(f"PATH must name either videos or photos. Received: both. Videos end in {ENDINGS}.")
    return True


def run(given: argparse.Namespace) -> int:
    """Predict every video, and list at the end what failed."""
    from asianage.apps.video_rows import FRAME_COLUMNS, PERSON_COLUMNS

    sources: list[str | int] = [path for name in given.paths for path in _matching(name)]
    if given.camera is not None:
        sources.append(given.camera)
    if given.resume:
        raise ValueError("--resume goes on with photos. Received: a video. Begin it anew.")
    if given.every < 1:
        raise ValueError(f"--every must be 1 or more. Received: {given.every}.")
    names = [str(source) for source in sources]
    form, file = output.destination(given, names, columns=("file", *FRAME_COLUMNS), can_resume=False)
    columns = ("file", *PERSON_COLUMNS)
    people = None
    if given.people is not None:
        output.refuse_photo("--people", given.people, names)
        people = ResultFile(given.people, output.csv_text([columns]), can_resume=False)
        if file is not None and file.path == people.path and not file.is_device:
            raise ValueError(f"--people needs a file of its own. Received the one of the frames: {given.people}.")
    drawings = _drawings(given.draw, sources)
    estimator = options.make_estimator(given)
    failures: list[Exception] = []
    with _writer(form, file) as write, contextlib.ExitStack() as files:
        append = None if people is None else files.enter_context(people.appending(resume=False))
        for source, drawing in zip(sources, drawings, strict=True):
            before = len(failures)
            rows = _predict(given, source, estimator, write, drawing, failures)
            rows = [{"file": _name(source), **row} for row in rows]
            if append is not None:
                append(output.csv_text(rows, columns))
            if rows or len(failures) == before:
                _print_people(_name(source), rows, sys.stderr if form != "table" and file is None else sys.stdout)
    for error in failures:
        say(spoken_of(str(error), given.usage))
    return 1 if failures else 0


def _predict(
    given: argparse.Namespace,
    source: str | int,
    estimator: AgeGenderEstimator,
    write: Write,
    drawing: Path | None,
    failures: list[Exception],
) -> list[dict[str, Any]]:
    """Write the rows and the drawing of one video, and return a row per person.

    What fails of the video or its drawing is put into `failures`, and the rest is kept. Rows that cannot be written end
    the command.
    """
    from asianage.apps.video_rows import PeopleSummary

    summary = PeopleSummary()
    with _drawn(drawing, _name(source), failures) as draw:
        try:
            for frame in _frames(given, source, estimator, failures):
                summary.add(frame)
                write(_name(source), frame)
                draw(frame)
        except KeyboardInterrupt:
            if not _is_endless(source):
                raise
    return summary.rows()


def _frames(
    given: argparse.Namespace, source: str | int, estimator: AgeGenderEstimator, failures: list[Exception]
) -> Iterator[VideoFrame]:
    """Yield the frames that can be read."""
    from asianage.apps.video import predict_video

    progress = isinstance(source, str) and not given.quiet
    try:
        yield from predict_video(source, estimator=estimator, every=given.every, progress=progress)
    except (OSError, ValueError) as error:
        failures.append(error)


@contextlib.contextmanager
def _drawn(drawing: Path | None, source: str, failures: list[Exception]) -> Iterator[Callable[[VideoFrame], None]]:
    """Yield the function that draws a frame. The file is begun with the first; after a failure there is none."""
    from asianage.apps.video_writer import video_writer

    with contextlib.ExitStack() as files:
        add: Any = None
        path = drawing

        def draw(frame: VideoFrame) -> None:
            nonlocal add, path
            if path is None:
                return
            try:
                add = add or files.enter_context(video_writer(path, source=source))
                add(frame.draw(), frame.time)
            except (OSError, ValueError) as error:
                path = None
                failures.append(error)
                with contextlib.suppress(OSError, ValueError):
                    files.pop_all().__exit__(type(error), error, error.__traceback__)

        yield draw
        try:
            files.close()
        except (OSError, ValueError) as error:
            failures.append(error)


def _is_endless(source: str | int) -> bool:
    """Tell whether Ctrl-C is the usual end."""
    return isinstance(source, int) or source.startswith(PROTOCOLS)


def _drawings(draw: Path | None, sources: Sequence[str | int]) -> list[Path | None]:
    """Return the file of each video's drawing."""
    if draw is None:
        return [None] * len(sources)
    from asianage.apps.video_writer import require_writable

    if draw.suffix and not draw.is_dir():
        if len(sources) > 1:
            raise ValueError(f"--draw needs a folder for several videos. Received: {draw}.")
        drawings = [draw]
    else:
        draw.mkdir(parents=True, exist_ok=True)
        drawings = [draw / f"{Path(_name(source)).stem}-labeled.mp4" for source in sources]
    if len(set(drawings)) < len(drawings):
        raise ValueError("--draw needs videos of different names. Draw each into a folder of its own.")
    for path, source in zip(drawings, sources, strict=True):
        require_writable(path, _name(source))
    return list(drawings)


@contextlib.contextmanager
def _writer(form: str, file: ResultFile | None) -> Iterator[Write]:
    """Yield the function that writes the faces of one frame."""
    from asianage.apps.video_rows import FRAME_COLUMNS, frame_rows

    columns = ("file", *FRAME_COLUMNS)

    def text(name: str, frame: VideoFrame) -> str:
        rows = frame_rows(frame)
        if form == "csv":
            return output.csv_text([{"file": name, **row} for row in rows], columns)
        return json.dumps({"file": name, "frame": frame.number, "time": round(frame.time, 3), "faces": rows}) + "\n"

    if file is not None:
        with file.appending(resume=False) as append:
            yield lambda name, frame: append(text(name, frame))
    elif form == "table":
        yield _every_second()
    else:
        sys.stdout.write(output.csv_text([columns]) if form == "csv" else "")
        yield lambda name, frame: print(text(name, frame), end="", flush=True)


def _every_second() -> Write:
    """Return the function that prints who is seen by a camera, once a second."""
    printed = -1.0

    def write(name: str, frame: VideoFrame) -> None:
        nonlocal printed
        if name.startswith("camera ") and frame.time >= printed + 1.0:
            printed = frame.time
            print(f"{frame.time:7.1f} s  {'   '.join(frame.labels()) or 'nobody'}", flush=True)

    return write


def _print_people(name: str, rows: Sequence[dict[str, Any]], stream: TextIO) -> None:
    """Print one line per person."""
    print(f"{printable(name)}: {len(rows)} {'person' if len(rows) == 1 else 'people'}", file=stream)
    form = "{:>6}  {:>4}  {:>8}  {:<6}  {:>4}  {:>6}  {}"
    if rows:
        print(form.format("person", "age", "interval", "gender", "sure", "frames", "seconds"), file=stream)
    for row in rows:
        age = "-" if row["age"] is None else f"{row['age']:.0f}"
        interval = "-" if row["age_low"] is None else f"{row['age_low']:.0f}-{row['age_high']:.0f}"
        sure = "-" if row["gender_probability"] is None else f"{100 * row['gender_probability']:.0f}%"
        seconds = f"{row['first_time']:.1f}-{row['last_time']:.1f}"
        cells = (row["person"], age, interval, row["gender"] or "-", sure, row["frames"], seconds)
        print(form.format(*cells), file=stream)


def _name(source: str | int) -> str:
    return f"camera {source}" if isinstance(source, int) else source


def _is_video(name: str) -> bool:
    return name.startswith(PROTOCOLS) or (Path(name).suffix.lower() in SUFFIXES and not os.path.isdir(name))


def _matching(name: str) -> list[str]:
    """Return the videos of a pattern, sorted, without drawings; the name itself where it is no pattern."""
    from asianage.apps.video_writer import is_drawing

    if os.path.lexists(name) or not glob.has_magic(name):
        return [name]
    left_out = LeftOut()
    found = matching_files(name, left_out)
    videos = [file for file in found if not is_drawing(Path(file))]
    if left_out.counts:
        say(f"{name}: left out {left_out.summary()}.")
    if len(videos) < len(found):
        say(f"{name}: left out {len(found) - len(videos)} drawings of asianage. Name one to predict it.")
    if not videos:
        raise FileNotFoundError(f"{name}: no {'other ' if found else ''}file matches this pattern.")
    return videos
