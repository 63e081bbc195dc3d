"""What the command line writes: a table for people, JSON lines or CSV for programs, and drawn photos."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from asianage.prediction.face_prediction import ROW_COLUMNS, FacePrediction

Write: TypeAlias = "Callable[[str, Sequence[FacePrediction], Exception | None], None]"

CSV_COLUMNS = ("file", "face", *ROW_COLUMNS, "error")


@contextlib.contextmanager
def writer(options: argparse.Namespace, names: Sequence[str]) -> Iterator[Write]:
    """Return the function that writes the faces of one photo, as a table, JSON lines or CSV."""
    if options.json:
        yield _write_json
    elif options.csv == "-":
        yield _csv_writer(sys.stdout)
    elif options.csv:
        # Names of files need not be text.
        with open(options.csv, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            yield _csv_writer(file)
    else:
        yield _table_writer(max(len(name) for name in names))


def save_drawing(folder: Path, name: str, source: Any, faces: Sequence[FacePrediction]) -> None:
    """Write the photo with boxes and labels into `folder` as JPEG, under a name that is not taken yet."""
    from asianage.prediction.drawing import draw_faces

    folder.mkdir(parents=True, exist_ok=True)
    stem = Path(name).stem
    path = folder / f"{stem}.jpg"
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.jpg"
    draw_faces(source, faces).save(path, quality=92)


def _write_json(name: str, faces: Sequence[FacePrediction], error: Exception | None) -> None:
    line: dict[str, Any] = {"file": name, "faces": [face.to_dict() for face in faces]}
    if error is not None:
        line = {"file": name, "error": str(error)}
    print(json.dumps(line), flush=True)


def _csv_writer(file: TextIO) -> Write:
    rows = csv.DictWriter(file, CSV_COLUMNS, lineterminator="\n")
    rows.writeheader()

    def write(name: str, faces: Sequence[FacePrediction], error: Exception | None) -> None:
        if not faces:
            rows.writerow({"file": name, "error": "" if error is None else str(error)})
        for number, face in enumerate(faces, start=1):
            rows.writerow({"file": name, "face": number, **face.to_row()})

    return write


def _table_writer(width: int) -> Write:
    form = f"{{:<{max(width, 4)}}}  {{:>4}}  {{:>4}}  {{:>8}}  {{:<6}}  {{:>4}}  {{}}"
    heading = [form.format("file", "face", "age", "interval", "gender", "sure", "box")]

    def write(name: str, faces: Sequence[FacePrediction], error: Exception | None) -> None:
        while heading:
            print(heading.pop())
        if error is not None:
            print(f"{name:<{width}}  could not be read, see below")
        elif not faces:
            print(f"{name:<{width}}  no face found")
        for number, face in enumerate(faces, start=1):
            low, high = face.age_interval
            interval = f"{low:.0f}-{high:.0f}"
            sure = f"{100 * face.gender_probability:.0f}%"
            box = " ".join(f"{value:.0f}" for value in face.box)
            note = f"  ({', '.join(face.warnings)})" if face.warnings else ""
            print(form.format(name, number, f"{face.age:.0f}", interval, face.gender, sure, box + note))
        sys.stdout.flush()

    return write
