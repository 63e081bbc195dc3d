"""Sources -> random pictures to learn from, each with the faces in it.

A collage begins with a photo or a face-free picture, on which single faces and face-free patches are laid at random
sizes and angles. Face-free patches lie there like faces, so that the borders of patches say nothing. Labels that are
unsure are ignored: they count neither as face nor as background.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from asianage.training.augmentation.disguises import disguise_face, spoil_picture
from asianage.training.detector.canvas import Canvas, canvas_matrix, covers_faces, lay
from asianage.training.detector.sources import Source, Sources
from asianage.training.detector.targets import FACE, FACE_VALUES, IGNORED
from asianage.training.recipes.detector import Collages

SMALLEST_FACE = 11.0
"""Faces with a shorter side below this are ignored, in pixels."""

LEAST_VISIBLE = 0.5
"""Faces of which less lies within the picture are ignored, as a share of the box."""


def make_collage(sources: Sources, settings: Collages, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Make one random picture.

    Args:
        sources: What to make it from. A kind that is missing is left out.
        settings: How.
        random: Source of randomness; decides everything.

    Returns:
        uint8 (image_size, image_size, 3), RGB, and float32 (most_faces, 16), rows of targets.
    """
    photos, singles, empty = sources.photos, sources.singles, sources.empty
    kind = random.random()
    canvas = _background(empty, settings, random)
    if photos and kind < settings.photo_share:
        _lay_photo(canvas, _pick(photos, random), settings, random)
        patches = int(random.integers(0, 4)) if random.random() < 0.5 else 0
    elif singles and kind < settings.photo_share + settings.large_share:
        size = settings.image_size * random.uniform(0.3, 1.1)
        _lay_patch(canvas, _pick(singles, random), size, settings, random, centered=True)
        patches = 0
    else:
        patches = int(random.integers(0, 11))
    for _ in range(patches if singles or empty else 0):
        low, high = np.log(settings.face_sizes)
        size = float(np.exp(random.uniform(low, high)))
        source = _pick(singles, random) if not empty or (singles and random.random() < 0.6) else _pick(empty, random)
        _lay_patch(canvas, source, size, settings, random)
    image = canvas.image
    if random.random() < settings.spoiled:
        image = spoil_picture(image, random)
    return image, _rows(canvas.faces, settings)


def _pick(sources: Sequence[Source], random: np.random.Generator) -> Source:
    return sources[int(random.integers(len(sources)))]


def _background(empty: Sequence[Source], settings: Collages, random: np.random.Generator) -> Canvas:
    """Return a face-free picture, somewhere enlarged, or a plain color."""
    size = settings.image_size
    if not empty or random.random() < 0.1:
        return Canvas(np.full((size, size, 3), random.integers(0, 256, 3), dtype=np.uint8))
    image = _pick(empty, random).image()
    scale = size / min(image.shape[:2]) * float(np.exp(random.uniform(0.0, 1.0)))
    matrix = canvas_matrix(image, scale, _angle(settings, random), (0.5 * size, 0.5 * size), random.random() < 0.5)
    warped = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return Canvas(warped)


def _lay_photo(canvas: Canvas, source: Source, settings: Collages, random: np.random.Generator) -> None:
    """Lay a photo over the whole canvas, at a size at which one of its faces can be seen."""
    image, size = source.image(), settings.image_size
    known = source.faces[source.faces[:, 14] == FACE]
    face = known[int(random.integers(len(known)))] if len(known) else source.faces[0]
    side = max(min(face[2] - face[0], face[3] - face[1]), 4.0)
    wanted = float(np.exp(random.uniform(*np.log(settings.face_sizes))))
    fitting = size / max(image.shape[:2])
    scale = float(np.clip(wanted / side, 0.5 * fitting, min(6.0 * fitting, 4.0)))
    if random.random() < 0.3:
        scale = fitting * random.uniform(0.8, 2.0)
    angle, mirrored = _angle(settings, random), random.random() < 0.5
    # The chosen face comes to lie anywhere on the canvas, or the photo fills it.
    at = (random.uniform(0.1, 0.9) * size, random.uniform(0.1, 0.9) * size)
    anchor = ((face[0] + face[2]) / 2, (face[1] + face[3]) / 2)
    if scale <= 1.2 * fitting:
        at, anchor = (size / 2, size / 2), (image.shape[1] / 2, image.shape[0] / 2)
    image, faces = _disguised(image, source.faces, settings, random)
    matrix = canvas_matrix(image, scale, angle, at, mirrored, anchor)
    lay(canvas, image, faces, matrix, 0.0, mirrored)


def _lay_patch(
    canvas: Canvas,
    source: Source,
    face_size: float,
    settings: Collages,
    random: np.random.Generator,
    *,
    centered: bool = False,
) -> None:
    """Lay one face, or a face-free patch of that size, where it covers no face that is there already."""
    image, size = source.image(), settings.image_size
    faces = source.faces
    if len(faces):
        side = max(min(faces[0, 2] - faces[0, 0], faces[0, 3] - faces[0, 1]), 4.0)
        anchor = ((faces[0, 0] + faces[0, 2]) / 2, (faces[0, 1] + faces[0, 3]) / 2)
        image, faces = _disguised(image, faces, settings, random)
    else:
        side, anchor = 0.5 * min(image.shape[:2]), (image.shape[1] / 2, image.shape[0] / 2)
    scale = face_size / side
    angle, mirrored = _angle(settings, random), random.random() < 0.5
    feather = float(random.choice([0.0, 0.0, 1.5, 4.0])) * min(1.0, face_size / 40)
    for _ in range(4):
        spread = 0.3 if centered else 0.5
        at = tuple(size * (0.5 + random.uniform(-spread, spread)) for _ in range(2))
        matrix = canvas_matrix(image, scale, angle, at, mirrored, anchor)
        if centered or not covers_faces(canvas.faces, image, matrix):
            lay(canvas, image, faces, matrix, feather, mirrored)
            return


def _disguised(
    image: np.ndarray, faces: np.ndarray, settings: Collages, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    for row in faces:
        if row[14] == FACE and np.isfinite(row[4:14]).all() and random.random() < settings.disguised:
            disguise_face(image, row[4:14].reshape(5, 2), random)
    return image, faces


def _angle(settings: Collages, random: np.random.Generator) -> float:
    kind = random.random()
    if kind < settings.upright:
        return float(random.normal(0.0, 10.0))
    if kind < settings.upright + settings.tilted:
        return float(random.uniform(-55.0, 55.0))
    return float(random.uniform(-180.0, 180.0))


def _rows(faces: Sequence[np.ndarray], settings: Collages) -> np.ndarray:
    """Return the faces that can be seen, and fill up with empty rows."""
    size = settings.image_size
    rows = []
    for face in faces:
        inside = np.minimum(face[2:4], size) - np.maximum(face[:2], 0)
        sides = face[2:4] - face[:2]
        if inside.min() <= 0:
            continue
        row = face.copy()
        if sides.min() < SMALLEST_FACE or inside.prod() < LEAST_VISIBLE * sides.prod():
            row[14] = IGNORED
        if not np.isfinite(row[4:14]).all():
            row[4:14], row[15] = 0.0, 0.0
        rows.append(row)
    # Sure faces first, large ones before small ones.
    rows.sort(key=lambda row: (-row[14], -(row[2] - row[0])))
    padded = np.zeros((settings.most_faces, FACE_VALUES), dtype=np.float32)
    for number, row in enumerate(rows[: settings.most_faces]):
        padded[number] = row
    return padded
