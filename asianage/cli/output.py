"""What the command line writes: a table for people, JSON lines or CSV for programs."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from asianage.cli.messages import printable
from asianage.cli.result_file import ResultFile
from asianage.prediction.face_prediction import ROW_COLUMNS, FacePrediction

Write: TypeAlias = "Callable[[str, Sequence[FacePrediction], Exception | None], None]"

CSV_COLUMNS = ("file", "face", *ROW_COLUMNS, "error")

FORMATS = ("table", "json", "csv")

SUFFIXES = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
"""Suffix of a file -> its form, unless --format says another one."""

STANDARD_OUTPUT = "-"


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the options of what is written where."""
    file = parser.add_mutually_exclusive_group()
    file.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write into FILE: .csv for one line per face, .jsonl or .json for one JSON object per photo, a line each; "
        "- for standard output",
    )
    file.add_argument("--csv", metavar="FILE", help="the same as --output FILE --format csv")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--format", choices=FORMATS, help="of the output (default: after the suffix of FILE, or table)")
    form.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    parser.add_argument("--resume", action="store_true", help="go on where the FILE of an interrupted run ends")


def destination(
    given: argparse.Namespace,
    photos: Iterable[str],
    *,
    columns: Sequence[str] = CSV_COLUMNS,
    can_resume: bool = True,
) -> tuple[str, ResultFile | None]:
    """Return the form of the output and its file, None for standard output, after a check that no photo is replaced.

    Args:
        given: The command line.
        photos: What is predicted.
        columns: Of a CSV table.
        can_resume: Whether --resume goes on with such a file.

    Raises:
        OSError: The file cannot be written, or is something else than an earlier output.
        ValueError: The options contradict each other, or the file is a photo.
    """
    option, name = ("--csv", given.csv) if given.csv is not None else ("--output", given.output)
    if given.csv is not None and given.format not in (None, "csv"):
        raise ValueError(f"--csv writes CSV. Received also: --format {given.format}. Use --output FILE.")
    form = "csv" if given.csv is not None else given.format
    if name is None or name == STANDARD_OUTPUT:
        if given.resume:
            raise ValueError("--resume needs the file of an interrupted run. Add --output FILE.")
        return form or "table", None
    refuse_photo(option, name, photos)
    form = form or SUFFIXES.get(Path(name).suffix.lower())
    if form not in ("json", "csv"):
        raise ValueError(
            f"--output needs a name that ends in {', '.join(SUFFIXES)}, or --format csv or json. Received: {name}."
        )
    return form, ResultFile(name, csv_text([columns]) if form == "csv" else "", can_resume=can_resume)


@contextlib.contextmanager
def writer(form: str, file: ResultFile | None, names: Sequence[str], *, resume: bool = False) -> Iterator[Write]:
    """Yield the function that writes the faces of one photo, as a table, JSON lines or CSV."""
    rows = _csv_rows if form == "csv" else _json_line
    if file is not None:
        with file.appending(resume=resume) as append:
            yield lambda name, faces, error: append(rows(name, faces, error))
    elif form == "table":
        yield _table_writer(max(len(printable(name)) for name in names))
    else:
        sys.stdout.write(csv_text([CSV_COLUMNS]) if form == "csv" else "")
        yield lambda name, faces, error: print(rows(name, faces, error), end="", flush=True)


def refuse_photo(option: str, name: str, photos: Iterable[str]) -> None:
    """Raise a `ValueError` if the file that an option names is a picture, or one of the photos."""
    if _is_picture(name) or any(_is_same_file(name, photo) for photo in photos):
        raise ValueError(
            f"{option} needs the name of the file to write. Received the photo {name}, which is left as it is. "
            f"Write for instance: {option} results.csv"
        )


def _is_picture(name: str) -> bool:
    from PIL import Image

    suffix = Path(name).suffix.lower()
    return suffix not in SUFFIXES and (suffix in (".heic", ".heif") or suffix in Image.registered_extensions())


def _is_same_file(name: str, photo: str) -> bool:
    try:
        return os.path.samefile(name, photo)
    except OSError:
        return name == photo


def _json_line(name: str, faces: Sequence[FacePrediction], error: Exception | None) -> str:
    line: dict[str, Any] = {"file": name, "faces": [face.to_dict() for face in faces]}
    if error is not None:
        line = {"file": name, "error": str(error)}
    return json.dumps(line) + "\n"


def _csv_rows(name: str, faces: Sequence[FacePrediction], error: Exception | None) -> str:
    if not faces:
        return csv_text([{"file": name, "error": "" if error is None else str(error)}])
    return csv_text([{"file": name, "face": number, **face.to_row()} for number, face in enumerate(faces, start=1)])


def csv_text(rows: Sequence[dict[str, Any] | Sequence[str]], columns: Sequence[str] = CSV_COLUMNS) -> str:
    """Return rows of a CSV table: sequences as they are, and the values of dicts by column."""
    return "".join(
        _csv_line([row.get(column, "") for column in columns] if isinstance(row, dict) else row) for row in rows
    )


def _csv_line(values: Sequence[Any]) -> str:
    line = io.StringIO()
    # What ends a line is what the writer puts into quotes: a name may hold a carriage return.
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return f"{line.getvalue()[:-2]}\n"


def _table_writer(width: int) -> Write:
    form = f"{{:<{max(width, 4)}}}  {{:>4}}  {{:>4}}  {{:>8}}  {{:<6}}  {{:>4}}  {{}}"
    heading = [form.format("file", "face", "age", "interval", "gender", "sure", "box")]

    def write(name: str, faces: Sequence[FacePrediction], error: Exception | None) -> None:
        name = printable(name)
        while heading:
            print(heading.pop())
        if error is not None:
            print(f"{name:<{width}}  could not be read, see below")
        elif not faces:
            print(f"{name:<{width}}  no face found")
        for number, face in enumerate(faces, start=1):
            age = "-" if face.age is None else f"{face.age:.0f}"
            interval = "-" if face.age_interval is None else "{:.0f}-{:.0f}".format(*face.age_interval)
            sure = "-" if face.gender_probability is None else f"{100 * face.gender_probability:.0f}%"
            box = " ".join(f"{value:.0f}" for value in face.box)
            note = f"  ({', '.join(face.warnings)})" if face.warnings else ""
            print(form.format(name, number, age, interval, face.gender or "-", sure, box + note))
        sys.stdout.flush()

    return write
