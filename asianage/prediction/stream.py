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
from asianage.prediction.face_finder import FaceFinder, chunks
from asianage.prediction.face_prediction import FacePrediction

ErrorHandler: TypeAlias = "Callable[[int, Any, Exception], None]"
"""Called with position, image and error of an image that could not be read."""

Item = TypeVar("Item")


def predict_in_order(
    images: Iterable[ImageSource],
    finder: FaceFinder,
    predict: Callable[[list[FaceCrops]], Iterator[list[FacePrediction]]],
    *,
    workers: int,
    batch_size: int,
    on_error: ErrorHandler | None,
) -> Iterator[list[FacePrediction]]:
    """Yield the predictions of each image.

    Args:
        images: Any iterable, also an endless one. If it raises an error, the images before are finished first.
        finder: Reads an image and cuts the crops of its faces.
        predict: Predicts the faces of several images at once.
        workers: Images that are read at once.
        batch_size: Number of faces, or of images, that are predicted at once.
        on_error: Called for each image that cannot be read. Without it these errors are raised at the end.

    Raises:
        BatchError: Some images could not be read and there is no `on_error`.
    """
    failures: dict[int, Exception] = {}
    broken: list[Exception] = []
    waiting: list[FaceCrops] = []
    faces_waiting = 0
    reading = read_ahead(_until_broken(images, broken), finder, workers=workers, depth=batch_size)
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


def read_ahead(
    images: Iterable[ImageSource], finder: FaceFinder, *, workers: int, depth: int
) -> Iterator[tuple[ImageSource, FaceCrops | Exception]]:
    """Yield each image with its faces, or with its error, in order; up to `depth` are being read at once.

    An image may be changed or closed once the next one is requested, as a camera fills one array again and again. The
    next one is not requested before it has a place: with a depth of 1 a source may wait for the result before.
    """

    def read(image: ImageSource) -> FaceCrops | Exception:
        # Any error of a decoder or a detector concerns this image only.
        try:
            return finder.cut(image)
        except Exception as error:
            return error

    def begin(image: ImageSource) -> Future[FaceCrops | Exception] | Exception:
        try:
            own = finder.detached(image)
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


def predict_whole_images(
    images: ImageSource | Iterable[ImageSource],
    finder: FaceFinder,
    predict: Callable[[list[FaceCrops]], Iterator[list[FacePrediction]]],
) -> list[FacePrediction]:
    """Return the prediction of each image, which is one face.

    Raises:
        BatchError: Some images could not be read; its `results` have None for them.
    """
    predictions: list[Any] = []
    failures: dict[int, Exception] = {}
    for chunk in chunks(images):
        faces = []
        for image in chunk:
            try:
                faces.append(finder.cut_whole(image))
            except Exception as error:
                failures[len(predictions) + len(faces)] = error
                faces.append(FaceCrops.none(finder.size))
        predictions += [found[0] if found else None for found in predict(faces)]
    if failures:
        raise BatchError(failures, predictions)
    return predictions


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


def _until_broken(images: Iterable[ImageSource], broken: list[Exception]) -> Iterator[ImageSource]:
    """Yield the images of a source, and end where it raises an error, which is put into `broken`."""
    try:
        yield from images
    except Exception as error:
        broken.append(error)
