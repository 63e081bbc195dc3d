"""Validate the two networks of a detector on real photos: what chooses the best epoch."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from asianage.data.photos import Photo
from asianage.evaluation.detection import photo_figures
from asianage.faces.detection.detector import Detection
from asianage.faces.detection.networks import grid_points
from asianage.faces.images import load_image
from asianage.networks.face_detector import decode_points, face_detector_network, points_network
from asianage.training.detector.patches import make_patch
from asianage.training.detector.sources import Source, search_enlarged, without_repeats
from asianage.training.recipes.detector import Patches

SIDES = (320, 640)
"""Long sides at which photos are searched, in pixels."""

SQUARE = 320
"""Side of the smallest square that a photo is padded to, and its multiples, in pixels: a multiple of 32."""

LEAST_SCORE = 0.3
"""Score from which a point counts."""

MOST_POINTS = 400
"""Points of a photo that are decoded, at most."""

_BATCH = 256


class Search:
    """A search with a network of `face_detector_network`, for validation; `detect` as in `FaceDetector`."""

    name = "search"

    def __init__(self, network: keras.Model) -> None:
        """Take the weights that a network has at the time of each search."""
        self._source, self._weights = network, face_detector_network()
        self._network = points_network(self._weights)

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of `image`, uint8 (height, width, 3), RGB, at two sizes, the surest first."""
        self._weights.set_weights(self._source.get_weights())
        return search_enlarged(self._detect_at_scale, image, SIDES)

    def _detect_at_scale(self, image: np.ndarray) -> list[Detection]:
        # Every photo in a square, so that few shapes are compiled.
        side = -(-max(image.shape[:2]) // SQUARE) * SQUARE
        square = np.zeros((1, side, side, 3), dtype=np.float32)
        square[0, : image.shape[0], : image.shape[1]] = image
        values = np.asarray(self._network.predict_on_batch(square))
        logits = values[0, :, :2].astype(np.float64)
        scores = np.sqrt((1.0 / (1.0 + np.exp(-logits))).prod(axis=1))
        chosen = np.argsort(-scores, kind="stable")[:MOST_POINTS]
        chosen = chosen[scores[chosen] >= LEAST_SCORE]
        if not len(chosen):
            return []
        points, strides = grid_points(side, side)
        # PyTorch does not mix arrays with its tensors.
        given = (keras.ops.convert_to_tensor(array) for array in (values[:, chosen], points[chosen], strides[chosen]))
        boxes, landmarks = (keras.ops.convert_to_numpy(array)[0] for array in decode_points(*given))
        return without_repeats(
            Detection(box, points, min(float(score), 1.0))
            for box, points, score in zip(boxes, landmarks, scores[chosen], strict=True)
        )


def validate_search(search: Search, photos: Sequence[Photo], most_extra: float) -> dict[str, float]:
    """Return recall, wrong boxes and threshold where at most `most_extra` boxes per 100 photos are wrong.

    ``val_score`` is 1 minus the recall, or more than 1 where too many boxes are wrong at every threshold.

    Args:
        search: The search.
        photos: Photos of which all faces are labeled.
        most_extra: Wrong boxes per 100 photos, at most.
    """
    photos = [photo for photo in photos if photo.is_complete]
    found = [search.detect(load_image(photo.path)) for photo in photos]
    figures: dict[str, float] = {}
    for threshold in np.arange(30, 96) / 100:
        kept = [[face for face in faces if face.score >= threshold] for faces in found]
        there = photo_figures(kept, photos)
        boxes = sum(len(faces) for faces, photo in zip(kept, photos, strict=True) if not photo.faces)
        figures = {
            "val_score": 1.0 - (there["recall"] or 0.0),
            "val_recall": there["recall"] or 0.0,
            "val_extra_per_100": there["extra_per_100"] or 0.0,
            "val_face_free_boxes": boxes,
            "val_threshold": float(threshold),
        }
        if figures["val_extra_per_100"] <= most_extra:
            return figures
    # Worse than any epoch that keeps to the limit.
    return {**figures, "val_score": 1.0 + figures["val_extra_per_100"]}


class LandmarkValidation:
    """Patches of faces and of face-free pictures, the same in every epoch, and how well a network does on them."""

    def __init__(self, faces: Sequence[Source], empty: Sequence[Source], *, count: int = 600, seed: int = 0) -> None:
        """Cut the patches.

        Args:
            faces: Single faces.
            empty: Face-free pictures.
            count: Number of patches.
            seed: Seed of the angles and places of the patches.
        """
        settings, random = Patches(turned=1.0, small=0.0, disguised=0.0, spoiled=0.0), np.random.default_rng(seed)
        patches, targets = zip(*(make_patch(faces, empty, settings, random) for _ in range(count)), strict=True)
        self._patches, self._targets = np.stack(patches), np.stack(targets)

    def __call__(self, network: keras.Model) -> dict[str, float]:
        """Return the mean error of the landmarks, in units of the eye distance, and the share of wrong verdicts."""
        parts = [
            network.predict_on_batch(self._patches[start : start + _BATCH].astype(np.float32))
            for start in range(0, len(self._patches), _BATCH)
        ]
        landmarks, face = (np.concatenate([np.asarray(part[name]) for part in parts]) for name in ("landmarks", "face"))
        known = self._targets[:, 10] > 0.0
        true = self._targets[known, :10].reshape(-1, 5, 2)
        distances = np.hypot(*np.moveaxis(landmarks[known].reshape(-1, 5, 2) - true, -1, 0)).mean(axis=1)
        eyes = np.hypot(*(true[:, 1] - true[:, 0]).T)
        error = float((distances / eyes).mean()) if known.any() else 0.0
        wrong = float(np.mean((face[:, 0] > 0.0) != (self._targets[:, 11] > 0.5)))
        return {"val_score": error + wrong, "val_landmark_error": error, "val_wrong_verdicts": wrong}
