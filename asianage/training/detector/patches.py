"""Single faces -> random patches for the network of landmarks, with their targets."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from asianage.faces.detection.patches import BOX_SIZE, PATCH_SIDE
from asianage.networks.face_landmarks import INPUT_SIDE
from asianage.training.augmentation.disguises import disguise_face, spoil_picture
from asianage.training.detector.canvas import shrunk
from asianage.training.detector.sources import Source
from asianage.training.detector.targets import MIRRORED, face_frame
from asianage.training.recipes.detector import Patches

TARGET_VALUES = 12
"""Length of a row of targets: landmarks (10) in units of half a side from the middle, their weight, 1 for a face."""


def make_patch(
    faces: Sequence[Source], empty: Sequence[Source], settings: Patches, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Make one random patch.

    Args:
        faces: Pictures of which the first row of targets is a face.
        empty: Face-free pictures. Rows of targets, if they have some, are boxes that a detector took for a face.
        settings: How.
        random: Source of randomness.

    Returns:
        uint8 (64, 64, 3), RGB, and float32 (12,), a row of targets.
    """
    target = np.zeros(TARGET_VALUES, dtype=np.float32)
    if empty and random.random() < settings.empty:
        source = empty[int(random.integers(len(empty)))]
        image = source.image()
        patch, _ = _cut(image, *_empty_place(image, source.faces, random), settings, random)
    else:
        source = faces[int(random.integers(len(faces)))]
        image, row = source.image(), source.faces[0]
        known = bool(np.isfinite(row[4:14]).all()) and row[15] > 0.0
        if known and random.random() < settings.disguised:
            disguise_face(image, row[4:14].reshape(5, 2), random)
        patch, matrix = _cut(image, *_face_place(row, known, settings, random), settings, random)
        target[11] = 1.0
        if known:
            points = row[4:14].reshape(5, 2) @ matrix[:, :2].T + matrix[:, 2]
            if np.linalg.det(matrix[:, :2]) < 0:
                points = points[MIRRORED]
            target[:10] = ((points + 0.5) / INPUT_SIDE * 2.0 - 1.0).reshape(-1)
            target[10] = row[15]
    if random.random() < settings.spoiled:
        patch = spoil_picture(patch, random)
    return patch, target


def _face_place(
    row: np.ndarray, known: bool, settings: Patches, random: np.random.Generator
) -> tuple[np.ndarray, float, float]:
    """Return middle, side and angle of a patch around a face, in pixels and radians."""
    if known:
        middle, down, size = face_frame(row[4:14].reshape(5, 2))
        roll = float(np.arctan2(*down))
    else:
        middle, roll = np.array([row[0] + row[2], row[1] + row[3]]) / 2, 0.0
        size = float(np.sqrt((row[2] - row[0]) * (row[3] - row[1]))) / BOX_SIZE
    if random.random() < settings.turned:
        shift, zoom = random.normal(0.0, 0.09, 2), random.uniform(-0.28, 0.28)
        angle = random.uniform(-np.pi, np.pi) if random.random() < 0.7 else random.normal(0.0, 0.4)
    else:
        shift, zoom, angle = random.normal(0.0, 0.03, 2), random.normal(0.0, 0.06), roll + random.normal(0.0, 0.1)
    side = PATCH_SIDE * max(size, 2.0) * float(np.exp(zoom))
    return middle + shift * side, side, float(angle)


def _empty_place(image: np.ndarray, boxes: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, float, float]:
    height, width = image.shape[:2]
    angle = float(random.normal(0.0, 0.3)) if random.random() < 0.5 else float(random.uniform(-np.pi, np.pi))
    if len(boxes) and random.random() < 0.6:
        box = boxes[int(random.integers(len(boxes)))]
        side = PATCH_SIDE / BOX_SIZE * float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))
        middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2 + random.normal(0.0, 0.09, 2) * side
        return middle, side * float(np.exp(random.uniform(-0.3, 0.3))), angle
    side = min(height, width) * float(np.exp(random.uniform(np.log(0.08), 0.0)))
    return random.uniform(0.0, 1.0, 2) * (width, height), side, angle


def _cut(
    image: np.ndarray, middle: np.ndarray, side: float, angle: float, settings: Patches, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a square and return it with the matrix, float64 (2, 3), from pixels of the picture to those of the patch."""
    pixels = side
    if random.random() < settings.small:
        # A smaller picture first, as if the face were far away.
        pixels = min(side, float(np.exp(random.uniform(np.log(16.0), np.log(64.0)))))
    shrink = min(1.0, pixels / side, 1.5 * INPUT_SIDE / side)
    small, shrinks = shrunk(image, shrink if shrink < 0.9 else 1.0)
    scale, mirrored = INPUT_SIDE / side, random.random() < 0.5
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    if mirrored:
        linear = np.diag([-1.0, 1.0]) @ linear
    middle_of_patch = (INPUT_SIDE - 1) / 2
    matrix = np.concatenate([linear, (middle_of_patch - linear @ middle)[:, None]], axis=1)
    drawn = matrix.copy()
    drawn[:, :2] = linear / shrinks
    drawn[:, 2] += linear @ (0.5 / shrinks - 0.5)
    border = [cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT][int(random.random() < 0.3)]
    patch = cv2.warpAffine(small, drawn, (INPUT_SIDE, INPUT_SIDE), flags=cv2.INTER_LINEAR, borderMode=border)
    return patch, matrix
