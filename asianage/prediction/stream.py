"""Many photos: read ahead, give the network the faces of several photos at once, keep the order, collect errors."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias, TypeVar

from asianage.errors import BatchError
from asianage.faces.crops import FaceCrops
from asianage.faces.images import ImageSource, is_single_image
from asianage.prediction.face_finder import CHUNK, FaceFinder
from asianage.prediction.face_prediction import FacePrediction
from asianage.threads import submit

ErrorHandler: TypeAlias = "Callable[[int, Any, Exception], None]"
"""Called with position, image and error of an image that could not be read."""

Predict: TypeAlias = "Callable[[list[FaceCrops]], Iterator[list[FacePrediction]]]"
"""Runs the network once over the faces of several images, and yields the predictions of each image."""

MOST_READ_AHEAD = 32
"""Images that are read ahead, at most."""

Item = TypeVar("Item")


def predict_in_order(
    images: Iterable[ImageSource],
    finder: FaceFinder,
    predict: Predict,
    *,
    workers: int,
    batch_size: int,
    cut: Callable[[ImageSource], FaceCrops] | None = None,
    on_error: ErrorHandler | None = None,
) -> Iterator[list[FacePrediction]]:
    """Yield the predictions of each image.

    Args:
        images: Any iterable, even an endless one. If it fails, the images before are finished first.
        finder: Reads images and cuts crops.
        predict: Runs the network.
        workers: Images that are read at once.
        batch_size: Number of faces, or of images, that are predicted at once.
        cut: Returns the faces of an image; None takes `finder.cut`.
        on_error: Called for each image that cannot be read. Without it these errors are raised at the end.

    Raises:
        BatchError: Some images could not be read and there is no `on_error`.
    """
    failures: dict[int, Exception] = {}
    broken: list[Exception] = []
    waiting: list[FaceCrops] = []
    faces_waiting = 0
    depth = min(batch_size, MOST_READ_AHEAD)
    reading = _read_ahead(_until_broken(images, broken), cut or finder.cut, finder.detached, workers, depth)
    for position, (image, found) in enumerate(reading):
        if isinstance(found, Exception):
            if on_error is not None:
                on_error(position, image, found)
            else:
                failures[position] = found
            found = FaceCrops.none(finder.size)
        waiting.append(found)
        faces_waiting += len(found.crops)
        if faces_waiting >= batch_size or len(waiting) >= batch_size:
            yield from predict(waiting)
            waiting, faces_waiting = [], 0
    if waiting:
        yield from predict(waiting)
    if broken:
        if failures:
            broken[0].add_note(str(BatchError(failures)))
        raise broken[0]
    if failures:
        raise BatchError(failures)


def predict_whole_images(
    images: Any, finder: FaceFinder, predict: Predict, *, align: bool, workers: int
) -> list[FacePrediction]:
    """Return the prediction of each image, which is one face, for one image or an iterable of images.

    Raises:
        BatchError: Some images could not be read; its `results` have None for them.
    """
    many = [images] if is_single_image(images) else images
    cut = finder.cut_one_face if align else finder.cut_whole
    if align:
        # What is missing is said once, and not for each image.
        finder.load_aligner()
    results: list[list[FacePrediction]] = []
    try:
        results.extend(predict_in_order(many, finder, predict, workers=workers, batch_size=CHUNK, cut=cut))
    except BatchError as error:
        raise BatchError(error.errors, [faces[0] if faces else None for faces in results]) from error
    return [faces[0] for faces in results]


def check_many(images: Any) -> None:
    """Raise a `TypeError` for what is not an iterable of images."""
    if is_single_image(images):
        raise TypeError(
            f"`images` must be an iterable of images. Received one: {type(images).__name__}. Pass a list, or call "
            "`predict`."
        )


def noted(items: Iterable[Item], notes: deque[Item]) -> Iterator[Item]:
    """Yield the items, and append each to `notes` before."""
    for item in items:
        notes.append(item)
        yield item


def _read_ahead(
    images: Iterable[ImageSource],
    cut: Callable[[ImageSource], FaceCrops],
    detached: Callable[[ImageSource], ImageSource],
    workers: int,
    depth: int,
) -> Iterator[tuple[ImageSource, FaceCrops | Exception]]:
    """Yield each image with its faces, or with its error, in order; up to `depth` are being read at once.

    An image may be changed or closed once the next one is requested, as a camera fills one array again and again. The
    next one is not requested before it has a place: with a depth of 1 a source may wait for the result before.
    """
    source = iter(images)
    with ThreadPoolExecutor(workers, thread_name_prefix="asianage") as pool:

        def begin(image: ImageSource) -> Future[FaceCrops]:
            try:
                return submit(pool, cut, detached(image))
            except Exception as error:
                failed: Future[FaceCrops] = Future()
                failed.set_exception(error)
                return failed

        reading: deque[tuple[ImageSource, Future[FaceCrops]]] = deque()
        try:
            while True:
                reading.extend((image, begin(image)) for image in itertools.islice(source, depth - len(reading)))
                if not reading:
                    break
                image, future = reading.popleft()
                # Any error of a decoder or a detector concerns this image only.
                error = future.exception()
                yield image, error if isinstance(error, Exception) else future.result()
        finally:
            for _, future in reading:
                future.cancel()


def _until_broken(images: Iterable[ImageSource], broken: list[Exception]) -> Iterator[ImageSource]:
    """Yield the images of a source, and end where it raises an error, which is put into `broken`."""
    try:
        yield from images
    except Exception as error:
        broken.append(error)
