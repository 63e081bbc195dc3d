"""Training faces of UTKFace whose labels a model contradicts: their names, and a sheet of them to look at.

python -m tests.benchmarks.doubtful_labels labels.csv labels_more.csv --names names.txt --sheet sheet.png

A label is doubtful where the model gives less than `LEAST_TAIL` to ages as far off as the label, or where it gives
`SURE_GENDER` to the other gender of a face of 15 years and more. Only faces that the list of the package trains on, or
leaves out already, are looked at. `make_split_list.py` takes the names in doubtful_labels.txt.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from asianage import AgeGenderEstimator, FacePrediction
from asianage.data.records import FaceRecord, read_records
from asianage.data.split_list import LEFT_OUT, read_split_list
from asianage.faces.images import load_image

LEAST_TAIL = 1e-3
SURE_GENDER = 0.95
CLEAR_GENDER_AGE = 15.0

NAMES = Path(__file__).with_suffix(".txt")
"""The names that the list of the package leaves out."""

_ACROSS, _SIDE, _LINE = 15, 112, 14


def main() -> None:
    """Write the names and the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path, nargs="+")
    parser.add_argument("--names", type=Path, required=True, help="text file to write")
    parser.add_argument("--sheet", type=Path, required=True, help="picture to write")
    parser.add_argument("--model", default="accurate")
    given = parser.parse_args()
    listed = {p.file for p in read_split_list() if p.dataset.startswith("utkface") and p.split in ("train", LEFT_OUT)}
    records = [record for table in given.tables for record in read_records(table) if record.path.name in listed]
    estimator = AgeGenderEstimator(given.model, max_faces=1)
    found = []
    for record, faces in zip(records, estimator.predict_stream(record.path for record in records), strict=True):
        if faces and (doubt := doubt_of(record, faces[0])):
            found.append((record, faces[0], doubt))
    names = {record.path.name for record, _, _ in found}
    given.names.write_text("".join(f"{name}\n" for name in sorted(names)), "utf-8")
    draw(found).save(given.sheet)
    left_out = set(NAMES.read_text("utf-8").split())
    print(f"{len(names):,} of {len(records):,} labels are doubtful, {len(names & left_out):,} of them left out already")


def doubt_of(record: FaceRecord, face: FacePrediction) -> str:
    """Return what the model says against a label, "" if nothing."""
    if record.age is not None:
        # As in training, older people count as the model's last age.
        age = min(record.age, face.age_axis.max_age)
        below, above = 1.0 - face.probability_at_least(age + 1.0), face.probability_at_least(age)
        if min(below, above) < LEAST_TAIL:
            return f"{record.age:.0f} -> {face.age:.0f}"
    if record.gender is None or face.gender is None or (record.age or 0.0) < CLEAR_GENDER_AGE:
        return ""
    contradicts = face.gender != record.gender and face.gender_probability > SURE_GENDER
    return f"{record.gender} -> {face.gender}" if contradicts else ""


def draw(found: list[tuple[FaceRecord, FacePrediction, str]]) -> Image.Image:
    """Draw the faces with what the model says against their labels."""
    rows = -(-max(1, len(found)) // _ACROSS)
    sheet = Image.new("RGB", (_ACROSS * _SIDE, rows * (_SIDE + _LINE)), "white")
    write = ImageDraw.Draw(sheet)
    for number, (record, face, doubt) in enumerate(found):
        x, y = number % _ACROSS * _SIDE, number // _ACROSS * (_SIDE + _LINE)
        box = np.round(face.box).astype(int).tolist()
        sheet.paste(Image.fromarray(load_image(record.path)).crop(box).resize((_SIDE, _SIDE)), (x, y))
        write.text((x + 2, y + _SIDE), doubt, fill="black")
    return sheet


if __name__ == "__main__":
    main()
