"""Labeled photos and what a detector finds in them -> the pictures and rows of targets that training draws from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from asianage.data.photos import LabeledFace, Photo
from asianage.faces.detection.detector import Detection
from asianage.faces.images import load_image
from asianage.progress import shown
from asianage.training.detector.targets import FACE, FACE_VALUES, IGNORED, face_frame, face_row, overlaps

Detect: TypeAlias = "Callable[[np.ndarray], Sequence[Detection]]"
"""Finds the faces of uint8 (height, width, 3), RGB, also unsure ones."""

PHOTO_SIDES, FACE_SIDES = (640, 960), (320,)
"""Long sides at which photos, and pictures of single faces, are searched, in pixels."""

LARGEST_SIDE = 640
"""Long side of the photos that training draws from, in pixels, at most."""

DARKEST = 45.0
"""Photos with a mean below this are left out: their labels are guesses."""

SURE_FACE = 0.85
"""Score from which a face is believed where a picture has no labels."""

SMALLEST_CUT = 18.0
"""Shorter side of the faces that are cut out of photos, in pixels, at least."""

CUT_SIDE = 150
"""Long side of the pictures that are cut out of photos, in pixels, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One picture to draw from.

    Attributes:
        content: The encoded picture.
        faces: float32 (n, 16): rows of targets, see `asianage.training.detector.targets`.
        single: Whether it shows one face, which the first row describes.
    """

    content: bytes
    faces: np.ndarray
    single: bool

    def image(self) -> np.ndarray:
        """Decode the picture: uint8 (height, width, 3), RGB. The array is new and may be drawn on."""
        image = cv2.imdecode(np.frombuffer(self.content, np.uint8), cv2.IMREAD_COLOR)
        return cv2.cvtColor(np.asarray(image), cv2.COLOR_BGR2RGB)


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """What training draws from.

    Attributes:
        photos: Photos of several faces.
        singles: Pictures of single faces.
        empty: Face-free pictures.
    """

    photos: Sequence[Source]
    singles: Sequence[Source]
    empty: Sequence[Source]


def make_sources(photos: Iterable[Photo], teacher: Detect, *, progress: bool = False) -> Sources:
    """Make sources from labels, and from what a detector finds beside them.

    A complete photo has its own boxes, and landmarks of the detector. What the detector finds besides is ignored, as
    are unsure labels. A picture of a single face has its own landmarks, and the box of the detector, so that all boxes
    follow one convention. A single face without a label is believed if the detector is sure.

    Args:
        photos: Labeled photos of one split.
        teacher: The detector.
        progress: Whether to show a bar.

    Raises:
        ImageError: A picture cannot be read.
    """
    photos = list(photos)
    found = []
    for photo in shown(photos, progress, description="searching", unit="photo"):
        sides = PHOTO_SIDES if photo.is_complete else FACE_SIDES
        face_free = photo.is_complete and not photo.faces
        found.append([] if face_free else search_enlarged(teacher, load_image(photo.path), sides))
    convention = box_convention(photos, found)
    several, singles, empty = [], [], []
    for photo, detections in zip(photos, found, strict=True):
        image = load_image(photo.path)
        if not photo.is_complete:
            rows = _single_face(photo, detections, convention)
            singles += [encoded(image, rows, single=True)] if rows else []
        elif not photo.faces:
            empty.append(encoded(image, [], single=False))
        elif image.mean() >= DARKEST:
            several.append(encoded(image, _all_faces(photo, detections), single=False))
    return Sources(several, singles, empty)


def search_enlarged(detect: Detect, image: np.ndarray, sides: Sequence[int]) -> list[Detection]:
    """Return the faces of a photo, searched at several sizes, in pixels of the photo; the surest first."""
    found = []
    for side in sides:
        scale = side / max(image.shape[:2])
        size = [max(1, round(length * scale)) for length in image.shape[1::-1]]
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR)
        found += [face.mapped(1.0 / scale) for face in detect(resized)]
    return without_repeats(found)


def without_repeats(faces: Iterable[Detection], overlap: float = 0.4) -> list[Detection]:
    """Return the surest of faces that overlap by more than `overlap`, the surest first."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if not kept or overlaps([face.box], [other.box for other in kept]).max() <= overlap:
            kept.append(face)
    return kept


def box_convention(photos: Sequence[Photo], found: Sequence[Sequence[Detection]]) -> np.ndarray:
    """Return where a detector's box lies on an upright face: float (3,), in units of the size of `face_frame`.

    Its values are the way from the middle of the face down to that of the box, the width and the height: the median
    over all single faces that the detector found.
    """
    values = []
    for photo, detections in zip(photos, found, strict=True):
        landmarks = photo.faces[0].landmarks if photo.faces and not photo.is_complete else None
        if landmarks is None:
            continue
        middle, down, size = face_frame(landmarks)
        own = _nearest(_square(landmarks), detections)
        if own is not None and own.score >= 0.8 and abs(down[0]) <= 0.2:
            x_min, y_min, x_max, y_max = own.box
            shift = np.array([x_min + x_max, y_min + y_max]) / 2 - middle
            values.append([shift @ down / size, (x_max - x_min) / size, (y_max - y_min) / size])
    return np.median(values, axis=0) if values else np.array([0.05, 2.1, 2.8])


def single_faces(sources: Sources) -> list[Source]:
    """Return the single faces, and those of the photos, each cut out of its photo."""
    cut = []
    for photo in sources.photos:
        image = photo.image()
        for row in photo.faces:
            sides = row[2:4] - row[:2]
            if row[14] != FACE or sides.min() < SMALLEST_CUT:
                continue
            middle, reach = (row[:2] + row[2:4]) / 2, 1.3 * np.sqrt(sides.prod())
            low = np.maximum(np.floor(middle - reach), 0).astype(int)
            high = np.ceil(middle + reach).astype(int)
            moved = row.copy()
            moved[:14] -= np.tile(low, 7)
            cut.append(encoded(image[low[1] : high[1], low[0] : high[0]], [moved], single=True, side=CUT_SIDE))
    return [*sources.singles, *cut]


def encoded(image: np.ndarray, rows: Sequence[np.ndarray], *, single: bool, side: int = LARGEST_SIDE) -> Source:
    """Return a picture as a source, shrunk to a long side of at most `side` pixels."""
    faces = np.array(rows, dtype=np.float32).reshape(-1, FACE_VALUES)
    scale = min(1.0, side / max(image.shape[:2]))
    if scale < 1.0:
        size = [max(1, round(length * scale)) for length in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        faces[:, :14] *= scale
    _, content = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    return Source(content.tobytes(), faces, single)


def _all_faces(photo: Photo, detections: Sequence[Detection]) -> list[np.ndarray]:
    boxes = [_box(face) for face in photo.faces]
    shared = overlaps(boxes, [face.box for face in detections])
    rows = []
    for number, (face, box) in enumerate(zip(photo.faces, boxes, strict=True)):
        best = int(shared[number].argmax()) if len(detections) else -1
        matches = best >= 0 and shared[number, best] > 0.4 and shared[:, best].argmax() == number
        if not face.is_sure:
            rows.append(face_row(box, kind=IGNORED))
        elif face.landmarks is not None:
            rows.append(face_row(box, face.landmarks, weight=1.0))
        elif matches and detections[best].score > 0.6:
            rows.append(face_row(box, detections[best].landmarks, weight=0.3))
        else:
            rows.append(face_row(box))
    for number, found in enumerate(detections):
        if found.score >= 0.5 and shared[:, number].max(initial=0.0) < 0.3:
            rows.append(face_row(found.box, kind=IGNORED))
    return rows


def _single_face(photo: Photo, detections: Sequence[Detection], convention: np.ndarray) -> list[np.ndarray]:
    landmarks = photo.faces[0].landmarks if photo.faces else None
    if landmarks is not None:
        own = _nearest(_square(landmarks), detections)
        own = own if own is not None and own.score > 0.6 else None
        box = _conventional_box(landmarks, convention) if own is None else own.box
        row = face_row(box, landmarks, weight=1.0)
    else:
        own = next(iter(detections), None)
        if own is None or own.score < SURE_FACE:
            return []
        box, row = own.box, face_row(own.box, own.landmarks, weight=0.2)
    others = [face for face in detections if face is not own and face.score >= 0.4]
    apart = [face for face in others if overlaps([box], [face.box]).max() < 0.3]
    return [row, *(face_row(face.box, kind=IGNORED) for face in apart)]


def _nearest(box: np.ndarray, detections: Sequence[Detection]) -> Detection | None:
    if not detections:
        return None
    shared = overlaps([box], [face.box for face in detections])[0]
    return detections[int(shared.argmax())] if shared.max() >= 0.35 else None


def _conventional_box(landmarks: np.ndarray, convention: np.ndarray) -> np.ndarray:
    """Return the box around the turned box that the detector would draw."""
    middle, down, size = face_frame(landmarks)
    shift, width, height = convention * size
    across = np.array([down[1], -down[0]])
    half = np.hypot(across * width / 2, down * height / 2)
    middle = middle + shift * down
    return np.concatenate([middle - half, middle + half])


def _square(landmarks: np.ndarray) -> np.ndarray:
    middle, _, size = face_frame(landmarks)
    return np.concatenate([middle - 1.2 * size, middle + 1.2 * size])


def _box(face: LabeledFace) -> np.ndarray:
    return _square(face.landmarks) if face.box is None and face.landmarks is not None else np.array(face.box)
