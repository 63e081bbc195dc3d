"""How often the warnings "cut off" and "turned" are right, and errors of faces that are cut off, as Markdown tables.

python tests/benchmarks/face_warnings.py labels.csv landmarks.csv

The first table has faces with ages and five annotated landmarks, the second faces with landmarks and a pose.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asianage import AgeGenderEstimator, load_image
from asianage.faces import alignment, crops, quality
from asianage.faces.detection import LANDMARKS

SIDES = {"below": (0, 1), "above": (0, -1), "to the right": (1, 0)}
BINS = [0.0, 0.001, crops.CUT_OFF, 0.3, 0.5, 1.0]


def rows(table: Path, split: str, column: str) -> Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]:
    """Yield the rows of a split with landmarks and a value in `column`, with picture and landmarks."""
    for row in csv.DictReader(table.open(encoding="utf-8")):
        if row["split"] == split and row[column] and row["left_eye_x"]:
            points = np.array([[float(row[f"{name}_{axis}"]) for axis in "xy"] for name in LANDMARKS])
            yield row, load_image(next(table.parent.glob(f"**/{row['file']}"))), points


def cut_off(estimator: AgeGenderEstimator, table: Path, split: str) -> None:
    """Cut faces by a border through them, and print errors by the share that is missing."""
    found = []
    for row, image, points in list(rows(table, split, "age"))[::10]:
        similarity = alignment.similarity_from_landmarks(points)
        middle, side = similarity @ [*crops.FACE_ELLIPSE[0], 1.0], np.hypot(*similarity[:, 0])
        for across, down in SIDES.values():
            for reach in (0.7, 0.5, 0.35, 0.2, 0.1, 0.0):
                x, y = (middle + reach * side * np.array([across, down])).clip(20, None).astype(int)
                top = y if down < 0 else 0
                part = image[top : y if down > 0 else None, : x if across else None]
                missing = crops.share_outside(alignment.similarity_from_landmarks(points - (0, top)), *part.shape[:2])
                face = next(iter(estimator.predict(part)), None)
                if face is not None:
                    found.append((missing, abs(face.age - float(row["age"])), "cut off" in face.warnings))
    missing, errors, warned = np.array(found).T
    print("| share of the face outside | faces | MAE, years | warned |\n|---|---|---|---|")
    for low, high in itertools.pairwise(BINS):
        chosen = (missing >= low) & (missing < high)
        figures = f"{errors[chosen].mean():.1f} | {100 * warned[chosen].mean():.1f} %"
        print(f"| {100 * low:.0f} to {100 * high:.0f} % | {chosen.sum()} | {figures} |")


def turned(estimator: AgeGenderEstimator, table: Path, split: str) -> None:
    """Print how many faces of each pose carry the warning."""
    poses: dict[str, list[bool]] = {}
    for row, image, points in rows(table, split, "pose"):
        middle = points.mean(axis=0)
        for face in estimator.detect(image):
            if face.box[0] < middle[0] < face.box[2] and face.box[1] < middle[1] < face.box[3]:
                turn = quality.face_quality(np.zeros((96, 96, 3), np.uint8), face.box, face.landmarks).turn
                pose = row["pose"].replace("left", "half").replace("right", "half").replace("half_", "")
                poses.setdefault(pose, []).append(turn > quality.TURNED)
                break
    print("| pose | faces | warned |\n|---|---|---|")
    for pose, warned in sorted(poses.items()):
        print(f"| {pose} | {len(warned)} | {100 * np.mean(warned):.1f} % |")


def main() -> None:
    """Measure the bundled estimator."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("landmarks", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="compact")
    given = parser.parse_args()
    estimator = AgeGenderEstimator(given.model)
    cut_off(estimator, given.labels, given.split)
    turned(estimator, given.landmarks, given.split)


if __name__ == "__main__":
    main()
