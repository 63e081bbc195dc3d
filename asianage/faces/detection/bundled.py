"""The detector that comes with the package: two small networks through LiteRT, with NumPy and Pillow only.

The face network finds faces in the whole photo. The landmarks network looks at each of them: where its landmarks are,
at any angle, and whether it is a face.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from asianage.faces.detection.candidates import Candidates
from asianage.faces.detection.detector import Detection
from asianage.faces.detection.networks import FaceNetwork, LandmarksNetwork
from asianage.faces.detection.patches import BOX_SIZE, Frame, find_landmarks
from asianage.faces.detection.plan import Tile, finer_looks, first_look
from asianage.models.folder import BUNDLED, BUNDLED_DETECTOR, DETECTOR_NETWORK, LANDMARKS_NETWORK, DetectorFolder
from asianage.models.pretrained import open_detector

NAME = "asianage"
"""Name of the bundled detector on results."""

SURE = 0.85
"""A face with this score is no doubt one, and lies as its landmarks say."""

PORTRAIT_FACE = 0.25
"""In a portrait a sure face has this share of the photo's shorter side."""

PORTRAIT_SIDE = 480
"""Longest side of a photo that may be a portrait, in pixels: one look is enough for it."""

MOST_ROLL = 60.0
"""A face that is not sure must not be turned more, in degrees, in the view in which it is found."""

CROP_SCORE = 0.35
"""Smallest score of the face network in a picture that is known to show one face."""

CROP_FACE = 0.84
"""Side of a face's box in a tight crop, in units of the crop's longer side."""

BOX_SPACE = 0.2
"""Space around a box that is searched, in units of its sides."""

FACE_PROBABILITY = 0.95
"""A box shows a face when the landmarks network gives it this probability."""


class BundledDetector:
    """The detector of the package, or one of its form from another model folder; safe to call from several threads."""

    def __init__(
        self,
        model: DetectorFolder | None = None,
        *,
        score_threshold: float | None = None,
        min_face_size: float | None = None,
    ) -> None:
        """Load the detector.

        Args:
            model: A model folder of the kind "detector"; None takes the bundled one.
            score_threshold: Smallest score of a face, in [0, 1]; None takes the model's own.
            min_face_size: Shorter side of the smallest faces that are looked for, in pixels. None takes 16 pixels; in
                photos above 1280 pixels an 80th of the long side, but never more than 100 pixels.

        Raises:
            ModelFormatError: The model is incomplete or altered.
        """
        self._arguments = model, score_threshold, min_face_size
        self.name = NAME if model is None else model.config.name
        model = model or open_detector(BUNDLED / BUNDLED_DETECTOR)
        self._threshold = model.config.score_threshold if score_threshold is None else score_threshold
        self._min_face_size = min_face_size
        self._face_network = FaceNetwork(model.read(DETECTOR_NETWORK), source=str(model.path / DETECTOR_NETWORK))
        self._landmarks_network = LandmarksNetwork(
            model.read(LANDMARKS_NETWORK), source=str(model.path / LANDMARKS_NETWORK)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Load the networks anew in a process that this is sent to."""
        model, score_threshold, min_face_size = self._arguments
        make = functools.partial(type(self), score_threshold=score_threshold, min_face_size=min_face_size)
        return make, (model,)

    def without_options(self) -> BundledDetector:
        """Return the detector of the same model, with the model's own threshold and smallest face."""
        model, *options = self._arguments
        return self if options == [None, None] else BundledDetector(model)

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of `image`, uint8 (height, width, 3), RGB, at any angle, largest first."""
        photo = _Photo(image, self._min_face_size)
        faces = self._looked(photo, Candidates.none(), [photo.first], 0)
        if not _turns(faces):
            faces = self._looked_closer(photo, faces, 0)
            for quarter in () if _turns(faces) else (1, 2, 3):
                faces = self._looked(photo, faces, [photo.first], quarter)
        elif 0 in _turns(faces):
            faces = self._looked_closer(photo, faces, 0)
        looked = {0}
        # A face that only shows in a turned photo may itself be turned the further way.
        while turns := _turns(faces) - looked:
            quarter = min(turns)
            looked.add(quarter)
            faces = self._looked(photo, faces, [photo.first], quarter)
            faces = self._looked_closer(photo, faces, quarter)
        return faces[faces.scores >= self._threshold].detections()

    def detect_in_crop(self, image: np.ndarray) -> Detection | None:
        """Return the one face of `image`, uint8 (height, width, 3), RGB, a tight or loose crop; None without a face."""
        photo = _Photo(image)
        faces = self._verified(image, self._candidates(photo, photo.first, self._threshold))
        found = faces[faces.scores >= self._threshold].detections()
        if found:
            return found[0]
        middle, half = np.array(photo.size) / 2, CROP_FACE / 2 * max(photo.size)
        whole = Candidates.unseen(np.concatenate([middle - half, middle + half])[None], np.array([CROP_SCORE]))
        faces = self._verified(image, self._candidates(photo, photo.first, CROP_SCORE).joined(whole))
        best = faces[np.array([faces.probabilities.argmax()])]
        if best.probabilities[0] < FACE_PROBABILITY:
            return None
        x, y, size, _ = Frame.of(best.landmarks[0])
        half = BOX_SIZE / 2 * size
        return Detection((x - half, y - half, x + half, y + half), best.landmarks[0], float(best.scores[0]))

    def with_landmarks(self, image: np.ndarray, faces: Sequence[Detection]) -> list[Detection]:
        """Add the landmarks that the boxes of faces show. Where a box shows no face, it is returned without."""
        height, width = image.shape[:2]
        found = []
        for face in faces:
            x_min, y_min, x_max, y_max = face.box
            if x_min >= width or y_min >= height or x_max <= 0.0 or y_max <= 0.0:
                found.append(face)
                continue
            landmarks, probability = find_landmarks(self._landmarks_network, image, np.asarray(face.box))
            is_face = probability >= FACE_PROBABILITY
            found.append(
                dataclasses.replace(face, landmarks=landmarks if is_face else self._landmarks_in(image, face.box))
            )
        return found

    def _landmarks_in(self, image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray | None:
        """Search a box that fits its face badly, with some space around it."""
        corners, space = np.array(box).reshape(2, 2), BOX_SPACE * np.subtract(box[2:], box[:2])
        limits = image.shape[1::-1]
        left, top = (corners[0] - space).clip(0, limits).astype(int)
        right, bottom = np.ceil((corners[1] + space).clip(0, limits)).astype(int)
        if right <= left or bottom <= top:
            return None
        face = self.detect_in_crop(image[top:bottom, left:right])
        return None if face is None or face.landmarks is None else face.landmarks + np.array([left, top])

    def _candidates(self, photo: _Photo, tile: Tile, least_score: float, *, quarter: int = 0) -> Candidates:
        """Find candidates in a part of a photo, turned by quarters counterclockwise."""
        boxes, scores = self._face_network(np.rot90(photo.pixels(tile), quarter), least_score)
        width, height = tile.size[::-1] if quarter % 2 else tile.size
        for _ in range(quarter):
            boxes = np.stack([height - boxes[:, 3], boxes[:, 0], height - boxes[:, 1], boxes[:, 2]], axis=1)
            width, height = height, width
        return Candidates.unseen(boxes / np.tile(tile.scale, 2) + np.tile(tile.box[:2], 2), scores)

    def _looked_closer(self, photo: _Photo, faces: Candidates, quarter: int) -> Candidates:
        """Add the faces that are found at finer scales, unless the photo is a portrait."""
        return faces if _is_portrait(faces, *photo.size) else self._looked(photo, faces, photo.finer, quarter)

    def _looked(self, photo: _Photo, faces: Candidates, tiles: Iterable[Tile], quarter: int) -> Candidates:
        """Add the faces that are found in parts of a photo, turned by quarters counterclockwise."""
        for tile in tiles:
            faces = faces.joined(self._candidates(photo, tile, self._threshold, quarter=quarter))
        is_new = np.isnan(faces.probabilities)
        faces = self._verified(photo.image, faces)
        # The landmarks of a face that is none often lie upside down.
        off = np.abs((faces.rolls - 90.0 * quarter + 180.0) % 360.0 - 180.0) > MOST_ROLL
        return faces[~(is_new & off & (faces.scores < SURE))]

    def _verified(self, image: np.ndarray, faces: Candidates) -> Candidates:
        """Let the landmarks network look at the candidates that it has not seen."""
        landmarks, probabilities = faces.landmarks.copy(), faces.probabilities.copy()
        for row in np.flatnonzero(np.isnan(probabilities)):
            landmarks[row], probabilities[row] = find_landmarks(self._landmarks_network, image, faces.boxes[row])
        return dataclasses.replace(faces, landmarks=landmarks, probabilities=probabilities)


class _Photo:
    """A photo with the parts of it that the face network is to see."""

    def __init__(self, image: np.ndarray, min_face_size: float | None = None) -> None:
        self.image = image
        self.size: tuple[int, int] = (image.shape[1], image.shape[0])
        self.first = first_look(*self.size)
        self._min_face_size = min_face_size
        self._first_pixels: np.ndarray | None = None

    @property
    def finer(self) -> list[Tile]:
        """The tiles of all looks after the first."""
        return finer_looks(*self.size, self._min_face_size)

    @functools.cached_property
    def _picture(self) -> Image.Image:
        return Image.fromarray(self.image)

    def pixels(self, tile: Tile) -> np.ndarray:
        """Return a part of the photo, uint8 (height, width, 3), at the size in which the network sees it."""
        if tile.size == self.size:
            return self.image
        if tile is not self.first or self._first_pixels is None:
            method = Image.Resampling.BILINEAR
            pixels = np.asarray(self._picture.resize(tile.size, method, box=tile.box, reducing_gap=2.0))
            if tile is not self.first:
                return pixels
            self._first_pixels = pixels
        return self._first_pixels


def _is_portrait(faces: Candidates, width: int, height: int) -> bool:
    sides = np.minimum(faces.boxes[:, 2] - faces.boxes[:, 0], faces.boxes[:, 3] - faces.boxes[:, 1])
    large = (faces.scores >= SURE) & (sides >= PORTRAIT_FACE * min(width, height))
    return max(width, height) <= PORTRAIT_SIDE and bool(large.any())


def _turns(faces: Candidates) -> set[int]:
    """Return the quarters, counterclockwise, by which the photo must be turned so that its sure faces are upright."""
    return set((np.rint(faces.rolls[faces.scores >= SURE] / 90.0).astype(int) % 4).tolist())
