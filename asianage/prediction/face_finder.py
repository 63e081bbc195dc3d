"""An image as a caller gives it -> its faces, as the network takes them."""

from __future__ import annotations

import dataclasses
import itertools
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from asianage.faces.crops import FaceCrops, cut_face_crops, whole_image_crop
from asianage.faces.detection import (
    BundledDetector,
    Detection,
    FaceDetector,
    as_detections,
    filter_detections,
    select_aligner,
    select_detector,
    with_absolute_path,
)
from asianage.faces.images import HUGE_PIXELS, Channels, ImageSource, detached, is_single_image, load_reduced
from asianage.models.folder import DetectorFolder
from asianage.models.hub import HubAccess
from asianage.prediction.numeric_options import WHOLE, check_number

Faces: TypeAlias = Sequence[Detection] | Sequence[Sequence[float]] | np.ndarray
"""Faces of one image: detections, or boxes (x_min, y_min, x_max, y_max) in pixels."""

CHUNK = 256
"""Images of one face each that are in memory at once."""


class FaceFinder:
    """Reads images, finds faces and cuts their crops; safe to call from several threads.

    The arguments are those of `asianage.AgeGenderEstimator`, and `size` is the side of the crops in pixels.
    """

    def __init__(
        self,
        detector: str | os.PathLike[str] | DetectorFolder | FaceDetector | None,
        size: int,
        *,
        max_pixels: int,
        channels: Channels,
        score_threshold: float | None,
        min_face_size: float | None,
        max_faces: int | None,
        access: HubAccess | None = None,
    ) -> None:
        check_number("max_pixels", max_pixels, "be a number of 1 or more", least=1, optional=False)
        check_number("score_threshold", score_threshold, "lie in [0, 1]", least=0, most=1)
        check_number("min_face_size", min_face_size, "be None, or a number of 0 or more", least=0)
        check_number("max_faces", max_faces, WHOLE, least=1, whole=True)
        if channels not in ("rgb", "bgr"):
            raise ValueError(f'`channels` must be "rgb" or "bgr". Received: {channels!r}.')
        self.size = size
        self._named_detector = with_absolute_path(detector)
        self._access = access
        self._detector: FaceDetector | None = None
        self._aligner: BundledDetector | None = None
        self._lock = threading.Lock()
        self.max_pixels = max_pixels
        self._channels = channels
        self._conditions: dict[str, Any] = {
            "score_threshold": score_threshold,
            "min_face_size": min_face_size,
            "max_faces": max_faces,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what cannot be sent to another process: the detector is loaded anew there."""
        return {**vars(self), "_detector": None, "_aligner": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    def load_detector(self) -> FaceDetector | None:
        """Return the detector, loaded at the first call; None if every image is one face."""
        with self._lock:
            if self._detector is None and self._named_detector is not None:
                options = {name: self._conditions[name] for name in ("score_threshold", "min_face_size")}
                self._detector = select_detector(self._named_detector, access=self._access, **options)
            return self._detector

    def load_aligner(self) -> BundledDetector:
        """Return what finds the landmarks of faces that come without, loaded at the first call.

        It depends on the name of the detector alone, so that earlier calls and the conditions change no result.
        """
        with self._lock:
            if self._aligner is None:
                self._aligner = select_aligner(self._named_detector, access=self._access)
            return self._aligner

    def detached(self, image: ImageSource) -> ImageSource:
        """Return an image as something that its source can neither change nor close."""
        return detached(image, max_pixels=self.max_pixels)

    def load(self, image: ImageSource) -> tuple[np.ndarray, float]:
        """Read an image: uint8 (height, width, 3), RGB, and how many pixels of a huge file are in the width of one.

        Whoever looks for small faces gets every file at its full size.
        """
        most = HUGE_PIXELS if self._conditions["min_face_size"] is None else self.max_pixels
        return load_reduced(image, max_pixels=self.max_pixels, channels=self._channels, most=most)

    def cut(self, image: ImageSource, faces: Faces | None = None) -> FaceCrops:
        """Return the crops of the faces that are found, or of the given ones."""
        pixels, scale = self.load(image)
        if faces is not None:
            given = [face if scale == 1.0 else face.mapped(1.0 / scale) for face in as_detections(faces)]
            return _enlarged(self._cut_aligned(pixels, given, None), scale)
        detector = self.load_detector()
        if detector is None:
            return _enlarged(whole_image_crop(pixels, self.size), scale)
        found = detector.detect(pixels)
        try:
            found = as_detections(found)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"`detect` of the detector {detector.name!r} must return a list of `asianage.Detection`. {error}"
            ) from error
        found = filter_detections(found, **self._conditions)
        return _enlarged(self._cut_aligned(pixels, found, detector.name), scale)

    def cut_whole(self, image: ImageSource) -> FaceCrops:
        """Return the whole image as the crop of one face."""
        pixels, scale = self.load(image)
        return _enlarged(whole_image_crop(pixels, self.size), scale)

    def cut_one_face(self, image: ImageSource) -> FaceCrops:
        """Return the crop of the one face that an image shows; the whole image, with a warning, if it shows none."""
        (pixels, scale), aligner = self.load(image), self.load_aligner()
        face = aligner.detect_in_crop(pixels)
        if face is None:
            return _enlarged(whole_image_crop(pixels, self.size, warnings=("no face",)), scale)
        return _enlarged(cut_face_crops(pixels, [face], self.size, detector=aligner.name), scale)

    def _cut_aligned(self, pixels: np.ndarray, faces: list[Detection], detector: str | None) -> FaceCrops:
        """Cut faces. Those that come as boxes are aligned by their landmarks, or carry a warning."""
        boxes = [row for row, face in enumerate(faces) if face.landmarks is None]
        if boxes:
            aligned = self.load_aligner().with_landmarks(pixels, [faces[row] for row in boxes])
            faces = list(faces)
            for row, face in zip(boxes, aligned, strict=True):
                faces[row] = face
        crops = cut_face_crops(pixels, faces, self.size, detector=detector)
        warnings = [
            (*(() if face.landmarks is not None else ("no face",)), *others)
            for face, others in zip(faces, crops.warnings, strict=True)
        ]
        return dataclasses.replace(crops, warnings=warnings)

    def whole_crops(self, images: np.ndarray | Iterable[ImageSource]) -> Iterator[np.ndarray]:
        """Yield crops of images that are one face each, as batches uint8 (n, size, size, 3); at least one batch."""
        if (
            isinstance(images, np.ndarray)
            and images.dtype == np.uint8
            and images.shape[1:] == (self.size, self.size, 3)
        ):
            yield images if self._channels == "rgb" else np.ascontiguousarray(images[..., ::-1])
            return
        yield FaceCrops.none(self.size).crops
        crops = map(self._cut_numbered, itertools.count(), [images] if is_single_image(images) else images)
        while chunk := list(itertools.islice(crops, CHUNK)):
            yield np.concatenate([face.crops for face in chunk])

    def _cut_numbered(self, position: int, image: ImageSource) -> FaceCrops:
        try:
            return self.cut_whole(image)
        except Exception as error:
            error.add_note(f"This is the image at position {position}.")
            raise


def _enlarged(crops: FaceCrops, scale: float) -> FaceCrops:
    """Return the same crops, with the places of the faces in an image that is larger by a factor."""
    if scale == 1.0:
        return crops
    return dataclasses.replace(crops, detections=[face.mapped(scale) for face in crops.detections])
