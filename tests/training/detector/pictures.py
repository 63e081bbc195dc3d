"""Drawn faces and sources of them, small enough to train on in a test."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from asianage.data.photos import LabeledFace, Photo, write_photos
from asianage.training.detector.sources import Source, Sources, encoded
from asianage.training.detector.targets import face_row

LANDMARKS = np.array([[-0.3, -0.2], [0.3, -0.2], [0.0, 0.1], [-0.2, 0.35], [0.2, 0.35]])
"""Landmarks of a drawn face, in units of its height from its middle."""

RED, BLUE = (220, 40, 40), (40, 40, 220)
"""Colors of the left and the right eye, as seen in the image."""


def paint_face(image: np.ndarray, middle: tuple[float, float], height: float) -> tuple[tuple, np.ndarray]:
    """Draw a face with unlike eyes, and return its box and its landmarks."""
    half = np.array([0.4, 0.5]) * height
    points = (np.array(middle) + LANDMARKS * height).astype(np.float32)
    cv2.ellipse(image, _pixel(middle), _pixel(half), 0, 0, 360, (230, 190, 150), -1, cv2.LINE_AA)
    for point, color in zip(points, (RED, BLUE, (160, 110, 90), (150, 60, 70), (150, 60, 70)), strict=True):
        cv2.circle(image, _pixel(point), max(1, round(height / 12)), color, -1, cv2.LINE_AA)
    return (*(np.array(middle) - half).tolist(), *(np.array(middle) + half).tolist()), points


def background(seed: int, side: int = 160) -> np.ndarray:
    """Return a face-free picture: uint8 (side, side, 3)."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 140, (6, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def single_face(seed: int, side: int = 96) -> Source:
    image = background(seed, side)
    box, landmarks = paint_face(image, (side / 2, side / 2), side * 0.6)
    return encoded(image, [face_row(box, landmarks, weight=1.0)], single=True)


def several_faces(seed: int) -> Source:
    image = background(seed)
    rows = [
        face_row(box, landmarks, weight=0.3)
        for box, landmarks in (paint_face(image, middle, 40) for middle in ((40, 50), (110, 90)))
    ]
    return encoded(image, rows, single=False)


def drawn_sources() -> Sources:
    return Sources(
        photos=[several_faces(seed) for seed in range(3)],
        singles=[single_face(seed) for seed in range(10, 14)],
        empty=[encoded(background(seed), [], single=False) for seed in range(20, 23)],
    )


def write_detection_folder(folder: Path, splits: tuple[str, ...] = ("train", "val", "test")) -> None:
    """Write two photos, four single faces and two face-free pictures for every split, with their tables."""
    photos: dict[str, list[Photo]] = {"photos": [], "landmarks": [], "no_faces": []}
    for number, split in enumerate(splits):
        for kind, count in (("photos", 2), ("landmarks", 4), ("no_faces", 2)):
            for index in range(count):
                image = background(100 * number + 10 * index + len(kind))
                path = folder / kind / f"{split}_{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                faces: tuple[LabeledFace, ...] = ()
                if kind == "photos":
                    boxes = [paint_face(image, middle, 44)[0] for middle in ((40, 50), (110, 90))]
                    faces = (LabeledFace(boxes[0], label="masked"), LabeledFace(boxes[1], label="unmasked"))
                if kind == "landmarks":
                    faces = (LabeledFace(landmarks=paint_face(image, (80, 80), 80)[1]),)
                cv2.imwrite(str(path), image[:, :, ::-1])
                photos[kind].append(Photo(path, faces, kind != "landmarks", "drawn", split))
    for kind, rows in photos.items():
        write_photos(rows, folder / f"{kind}.csv", folder / kind)


def _pixel(point) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
