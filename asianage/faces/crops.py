"""One image -> the aligned crops of its faces; many images -> the same, read ahead in threads."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from asianage.faces import alignment
from asianage.faces.detection import Detection, FaceDetector, filter_detections
from asianage.faces.images import ImageSource, detached, load_image


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
        """Return what an image without faces has."""
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


def detect_and_cut(image: np.ndarray, detector: FaceDetector | None, size: int) -> FaceCrops:
    """Find the faces of an image, uint8 (height, width, 3), RGB, and cut their crops, largest face first."""
    if detector is None:
        return whole_image_crop(image, size)
    return cut_face_crops(image, filter_detections(detector.detect(image)), size, detector=detector.name)


def read_ahead(
    images: Iterable[ImageSource],
    detector: FaceDetector | None,
    size: int,
    *,
    max_pixels: int,
    workers: int,
    depth: int,
) -> Iterator[tuple[ImageSource, FaceCrops | Exception]]:
    """Yield each image with its faces, or with what went wrong, in order; up to `depth` are being read at once.

    What comes from `images` may be changed or closed as soon as the next one is asked for, as a camera fills one array
    again and again. The next one is not asked for before it has a place, so that with a depth of 1 a source may wait
    for the result before.
    """

    def read(image: ImageSource) -> FaceCrops | Exception:
        # Whatever a decoder or a detector raises, it is about this image only.
        try:
            return detect_and_cut(load_image(image, max_pixels=max_pixels), detector, size)
        except Exception as error:
            return error

    def begin(image: ImageSource) -> Future[FaceCrops | Exception] | Exception:
        try:
            own = detached(image, max_pixels=max_pixels)
        except Exception as error:
            return error
        return pool.submit(read, own)

    source = iter(images)
    with ThreadPoolExecutor(workers, thread_name_prefix="asianage") as pool:
        reading: deque[tuple[ImageSource, Future[FaceCrops | Exception] | Exception]] = deque()
        try:
            while True:
                reading.extend((image, begin(image)) for image in itertools.islice(source, depth - len(reading)))
                if not reading:
                    break
                image, found = reading.popleft()
                yield image, found if isinstance(found, Exception) else found.result()
        finally:
            for _, found in reading:
                if isinstance(found, Future):
                    found.cancel()
