"""One image -> the aligned crops of its faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asianage.faces import alignment
from asianage.faces.detection import Detection


@dataclass(frozen=True, slots=True, eq=False)
class FaceCrops:
    """The faces of one image, as the network takes them.

    Attributes:
        crops: uint8 (n, size, size, 3), RGB.
        detections: Where the n faces are, largest first.
        detector: Name of the detector; None if the whole image was taken as the face.
    """

    crops: np.ndarray
    detections: list[Detection]
    detector: str | None

    @classmethod
    def none(cls, size: int) -> FaceCrops:
        """Return the empty crops of an image without faces."""
        return cls(np.empty((0, size, size, 3), dtype=np.uint8), [], None)


def cut_face_crops(
    image: np.ndarray, detections: Sequence[Detection], size: int, *, detector: str | None, margin: int = 0
) -> FaceCrops:
    """Cut the crops of the given faces.

    Args:
        image: uint8 (height, width, 3), RGB.
        detections: Where the faces are.
        size: Side of the crops that the network takes, in pixels.
        detector: Name of the detector that found the faces; None if there was none.
        margin: Pixels added on each side of each crop.
    """
    side = size + 2 * margin
    crops = np.empty((len(detections), side, side, 3), dtype=np.uint8)
    for row, face in enumerate(detections):
        similarity = alignment.similarity_from_face(face.box, face.landmarks)
        crops[row] = alignment.cut_crop(image, similarity, size, margin=margin)
    return FaceCrops(crops, list(detections), detector)


def whole_image_crop(image: np.ndarray, size: int, *, margin: int = 0) -> FaceCrops:
    """Take an image, uint8 (height, width, 3), RGB, as one face, resized to `size` pixels."""
    height, width = image.shape[:2]
    if (height, width) != (size, size) or margin:
        similarity = alignment.similarity_from_whole_image(height, width)
        image = alignment.cut_crop(image, similarity, size, margin=margin)
    return FaceCrops(image[None], [Detection((0.0, 0.0, float(width), float(height)))], None)
