"""What light, blur, occlusion and small faces cost: MAE and coverage of the 90 % interval, as a Markdown table.

python tests/benchmarks/robustness.py ../shared/data/labels.csv --models compact accurate

The faces need exact ages and five annotated landmarks, by which the changes are placed: All-Age-Faces has both. Each
changed picture goes through the estimator as a photo of a user does. Where no face is found, the whole picture counts.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from asianage import AgeGenderEstimator, load_image
from asianage.evaluation.metrics import wilson_interval
from asianage.faces.detection import LANDMARKS

FACE_WIDTH = 2.2
"""Width of a face in eye distances, by the boxes of the default detector."""


class Face:
    """A picture with its landmarks, and the lines along and across the face."""

    def __init__(self, picture: Image.Image, landmarks: np.ndarray) -> None:
        self.picture, self.landmarks = picture, landmarks
        left, right = landmarks[:2]
        self.eyes, self.mouth = (left + right) / 2, landmarks[3:].mean(axis=0)
        self.eye_distance = float(np.hypot(*(right - left)))
        self.across = (right - left) / self.eye_distance
        self.down = np.array([-self.across[1], self.across[0]])

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the point `x` eye distances to the right of the middle of the eyes and `y` below it."""
        point = self.eyes + self.eye_distance * (x * self.across + y * self.down)
        return float(point[0]), float(point[1])

    def drawn(self, *shapes: tuple[list[tuple[float, float]], tuple[int, int, int]]) -> Image.Image:
        """Return the picture with filled polygons, whose points are in eye distances."""
        picture = self.picture.copy()
        for points, color in shapes:
            ImageDraw.Draw(picture).polygon([self.at(*point) for point in points], fill=color)
        return picture


def oval(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    """Return the outline of an oval, in eye distances."""
    turns = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return [(x + width / 2 * np.cos(turn), y + height / 2 * np.sin(turn)) for turn in turns]


def sunglasses(face: Face) -> Image.Image:
    """Draw dark glasses with a bridge and temples."""
    black = (15, 15, 18)
    glasses = [(oval(x, 0.08, 0.84, 0.66), black) for x in (-0.5, 0.5)]
    return face.drawn(*glasses, ([(-1.05, -0.12), (1.05, -0.12), (1.05, 0.0), (-1.05, 0.0)], black))


def mask(face: Face) -> Image.Image:
    """Draw a surgical mask from the bridge of the nose to the chin."""
    outline = [(-0.95, 0.5), (-0.4, 0.4), (0.0, 0.3), (0.4, 0.4), (0.95, 0.5), (0.8, 1.5), (0.35, 1.95), (-0.35, 1.95)]
    folds = [([(-0.85, y), (0.85, y), (0.85, y + 0.03), (-0.85, y + 0.03)], (140, 170, 190)) for y in (0.8, 1.1, 1.4)]
    return face.drawn(([*outline, (-0.8, 1.5)], (170, 200, 218)), *folds)


def chin_cut_off(face: Face) -> Image.Image:
    """End the picture between mouth and chin."""
    depth = float(np.hypot(*(face.mouth - face.eyes)))
    lowest = int(face.mouth[1] + 0.2 * depth)
    return face.picture.crop((0, 0, face.picture.width, max(lowest, 16)))


def small(face: Face, side: float = 16.0) -> Image.Image:
    """Shrink the picture until the face is `side` pixels wide, in a gray one of the old size."""
    factor = side / (FACE_WIDTH * face.eye_distance)
    size = [max(round(length * factor), 1) for length in face.picture.size]
    whole = Image.new("RGB", face.picture.size, (128, 128, 128))
    whole.paste(
        face.picture.resize(size, Image.Resampling.LANCZOS),
        [(w - s) // 2 for w, s in zip(whole.size, size, strict=True)],
    )
    return whole


def jpeg(face: Face, quality: int = 10) -> Image.Image:
    """Compress the picture."""
    file = io.BytesIO()
    face.picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def times(factor: float) -> Callable[[Face], Image.Image]:
    """Return the change of the exposure by a factor."""
    return lambda face: Image.fromarray(np.clip(factor * np.asarray(face.picture, float), 0, 255).astype(np.uint8))


def blurred(face: Face) -> Image.Image:
    """Blur the picture with a standard deviation of a fourteenth of the eye distance."""
    return face.picture.filter(ImageFilter.GaussianBlur(face.eye_distance / 14))


CHANGES: dict[str, Callable[[Face], Image.Image]] = {
    "clean": lambda face: face.picture,
    "sunglasses": sunglasses,
    "mask": mask,
    "bright x 2": times(2.0),
    "dark x 0.25": times(0.25),
    "blur": blurred,
    "JPEG 10": jpeg,
    "gray": lambda face: face.picture.convert("L").convert("RGB"),
    "chin cut off": chin_cut_off,
    "16-pixel face": small,
}


def read_faces(table: Path, split: str, limit: int | None) -> list[tuple[Face, float]]:
    """Return the faces of a split that have an age and landmarks, evenly spread over the table, with their ages."""
    with table.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split and row["age"] and row["left_eye_x"]]
    step = 1 if limit is None else max(len(rows) // limit, 1)
    return [(_face(row, table.parent), float(row["age"])) for row in rows[::step][:limit]]


def _face(row: dict[str, str], folder: Path) -> Face:
    path = folder / row["file"]
    path = path if path.is_file() else next(folder.glob(f"**/{row['file']}"))
    points = np.array([[float(row[f"{name}_{axis}"]) for axis in "xy"] for name in LANDMARKS])
    return Face(Image.fromarray(load_image(path)), points)


def measure(estimator: AgeGenderEstimator, faces: list[tuple[Face, float]], change: Callable) -> dict[str, float]:
    """Return the figures of one change."""
    pictures = [np.asarray(change(face)) for face, _ in faces]
    found = list(estimator.predict_stream(pictures))
    lost = [i for i, people in enumerate(found) if not people]
    whole = dict(
        zip(lost, estimator.predict_crops([pictures[i] for i in lost], align=False) if lost else [], strict=True)
    )
    people = [found[i][0] if found[i] else whole[i] for i in range(len(faces))]
    age = np.array([age for _, age in faces])
    error = np.array([person.age for person in people]) - age
    low, high = np.array([person.age_interval for person in people]).T
    return {
        "mae": float(np.abs(error).mean()),
        "bias": float(error.mean()),
        "inside": int(((low <= age) & (age <= high)).sum()),
        "width": float((high - low).mean()),
        "lost": len(lost),
        "warned": float(np.mean([bool(person.warnings) for person in people])),
    }


def main() -> None:
    """Print a table for each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--models", nargs="+", default=["compact", "accurate"])
    parser.add_argument("--split", default="val")
    parser.add_argument("--limit", type=int, help="at most so many faces")
    parser.add_argument("--sheet", type=Path, help="write a picture with the changes of the first face there")
    given = parser.parse_args()
    faces = read_faces(given.table, given.split, given.limit)
    if given.sheet:
        pictures = [change(faces[0][0]).resize((160, 160)) for change in CHANGES.values()]
        Image.fromarray(np.hstack([np.asarray(picture) for picture in pictures])).save(given.sheet)
    for model in given.models:
        estimator = AgeGenderEstimator(model)
        print(f"\n{model}, {given.split}, {len(faces)} faces:\n")
        print("| change | MAE | over clean | bias | 90 % interval covers | width | with a warning | no face found |")
        print("|---|---|---|---|---|---|---|---|")
        clean = None
        for name, change in CHANGES.items():
            figures = measure(estimator, faces, change)
            clean = figures["mae"] if clean is None else clean
            covers = figures["inside"] / len(faces)
            ends = "-".join(f"{100 * end:.1f}" for end in wilson_interval(int(figures["inside"]), len(faces)))
            print(
                f"| {name} | {figures['mae']:.2f} | {figures['mae'] - clean:+.2f} | {figures['bias']:+.2f} "
                f"| {100 * covers:.1f} % ({ends}) | {figures['width']:.1f} | {100 * figures['warned']:.1f} % "
                f"| {100 * figures['lost'] / len(faces):.1f} % |",
                flush=True,
            )


if __name__ == "__main__":
    main()
