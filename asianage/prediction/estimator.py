"""`AgeGenderEstimator`: detection, alignment, network and decoding behind one call."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, overload

import numpy as np

from asianage.errors import BatchError
from asianage.faces.detection import Detection, FaceDetector
from asianage.faces.images import MAX_PIXELS, Channels, ImageSource, is_single_image
from asianage.models.folder import AnyModel, DetectorFolder, ModelFolder, require_estimator
from asianage.models.hub import HubAccess
from asianage.models.pretrained import open_model, save_model
from asianage.models.publish import PushedModel, push_model
from asianage.prediction.estimates import CropEstimates, CropEstimator
from asianage.prediction.face_finder import FaceFinder, Faces
from asianage.prediction.face_prediction import FacePrediction
from asianage.prediction.signature import with_arguments_of
from asianage.prediction.stream import ErrorHandler, check_many, noted, predict_in_order, predict_whole_images
from asianage.progress import shown
from asianage.threads import usable_processors

Source = TypeVar("Source", bound=ImageSource)


class AgeGenderEstimator:
    """Estimate age and gender of the faces in photos.

    An estimator keeps no state between calls and may be used from several threads.

    Examples:
        >>> from asianage import AgeGenderEstimator
        >>> estimator = AgeGenderEstimator()
        >>> faces = estimator.predict("photo.jpg")  # doctest: +SKIP
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | ModelFolder = "compact",
        *,
        detector: str | os.PathLike[str] | DetectorFolder | FaceDetector | None = "auto",
        interval_coverage: float = 0.9,
        mirror: bool = False,
        num_threads: int | None = None,
        max_pixels: int = MAX_PIXELS,
        channels: Channels = "rgb",
        score_threshold: float | None = None,
        min_face_size: float | None = None,
        max_faces: int | None = None,
        revision: str | None = None,
        sha256: str | None = None,
        token: bool | str | None = None,
        endpoint: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
    ) -> None:
        """Load a model: a bundled one by name, a folder, or one of the Hugging Face Hub.

        Args:
            model: ``compact`` or ``accurate``; otherwise path of a folder (``./compact`` for one of that name);
                otherwise ``owner/name`` or ``owner/name@revision`` on the Hub; or an opened `ModelFolder`.
            detector: "auto" (the one in the package), "yunet", "mtcnn", the path of YuNet's ONNX file, folder or Hub id
                of a face detector, such a model opened, an object like `asianage.FaceDetector`, or None when every
                image is one face. Loaded at first use, with the same options of the Hub, apart from `force_download`.
            interval_coverage: Share of true ages that `age_interval` covers; one that the model was calibrated for.
            mirror: Average each face with its mirror image: a little more accurate, at twice the time in the network.
                Models are calibrated for one pass.
            num_threads: Faces computed at once and photos read at once; None takes the number of usable processors.
            max_pixels: Largest accepted width x height of an image.
            channels: Order of the channels of arrays and tensors: "rgb", or "bgr" as OpenCV has it.
            score_threshold: Smallest detection score of a face, in [0, 1]; None takes the detector's own.
            min_face_size: Smallest shorter side of a face's box, in pixels. None takes what the detector finds: with
                "auto" 16 pixels, in photos above 1280 pixels an 80th of the long side, never more than 100 pixels. With
                None a JPEG file of more than 64 megapixels is decoded at half its size, to save memory.
            max_faces: Largest number of faces of an image; the largest faces stay.
            revision: Branch, tag or full commit hash on the Hub; None takes ``main``. A cached commit needs no network.
            sha256: Hash that config.json must have. It pins the whole model.
            token: Hub access token; None takes the one that is logged in, False none.
            endpoint: Address of the Hub or of a mirror; None takes HF_ENDPOINT.
            cache_dir: Folder of files from the Hub; None takes huggingface_hub's cache.
            local_files_only: Use the cache and no network.
            force_download: Fetch the model from the Hub again even if it is cached.

        Raises:
            DownloadError: The Hub has no such model, cannot be reached, or refuses access.
            FileNotFoundError: The name is neither a bundled model, nor a folder, nor a Hub id.
            ModelFormatError: The model is incomplete, altered or too new.
            ValueError: The model was not calibrated for that coverage, or an option is out of range.
        """
        if not isinstance(model, AnyModel):
            model = open_model(
                model,
                revision=revision,
                sha256=sha256,
                token=token,
                endpoint=endpoint,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                force_download=force_download,
            )
        elif revision or sha256:
            raise ValueError("`revision` and `sha256` belong to the name of a model. Received: an opened model folder.")
        model = require_estimator(model)
        self._threads = num_threads or usable_processors()
        self._crops = CropEstimator(model, interval_coverage=interval_coverage, mirror=mirror, num_threads=num_threads)
        self._finder = FaceFinder(
            detector,
            model.config.image_size,
            max_pixels=max_pixels,
            channels=channels,
            score_threshold=score_threshold,
            min_face_size=min_face_size,
            max_faces=max_faces,
            access=HubAccess(token=token, cache_dir=cache_dir, endpoint=endpoint, local_files_only=local_files_only),
        )

    @classmethod
    @with_arguments_of(__init__)
    def from_pretrained(cls, *arguments: Any, **options: Any) -> AgeGenderEstimator:
        """Load a model: the same as `AgeGenderEstimator(...)`."""
        return cls(*arguments, **options)

    def save_pretrained(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the whole model as a folder that `AgeGenderEstimator` reads, in one step.

        Raises:
            FileExistsError: `folder` contains another model and `overwrite` is off, or anything but a model.
        """
        save_model(self.model, folder, overwrite=overwrite)

    @with_arguments_of(push_model)
    def push_to_hub(self, *arguments: Any, **options: Any) -> PushedModel:
        """Upload the model to the Hugging Face Hub as one commit; arguments as in `asianage.models.publish.push_model`.

        The result's `line` is the Python that loads exactly this model.
        """
        return push_model(self.model, *arguments, **options)

    @property
    def model(self) -> ModelFolder:
        """The model folder behind this estimator, with its `config`."""
        return self._crops.model

    @property
    def mirror(self) -> bool:
        """Whether each face is averaged with its mirror image."""
        return self._crops.mirror

    @property
    def max_pixels(self) -> int:
        """Largest accepted width x height of an image."""
        return self._finder.max_pixels

    @overload
    def predict(  # type: ignore[overload-overlap]
        self, images: ImageSource, *, faces: Faces | None = None
    ) -> list[FacePrediction]: ...

    @overload
    def predict(
        self, images: Iterable[ImageSource], *, on_error: ErrorHandler | None = None
    ) -> list[list[FacePrediction]]: ...

    def predict(
        self,
        images: ImageSource | Iterable[ImageSource],
        *,
        faces: Faces | None = None,
        on_error: ErrorHandler | None = None,
    ) -> list[FacePrediction] | list[list[FacePrediction]]:
        """Find the faces of one photo or of many, and estimate their age and gender.

        Args:
            images: One image as `asianage.load_image` takes it, or an iterable of images.
            faces: Faces of the one image, instead of the detector's: boxes (x_min, y_min, x_max, y_max) in pixels, an
                array (n, 4), or `asianage.Detection`s. Landmarks are used, or found where there are none.
            on_error: For many images: called for each that cannot be read, whose result is ``[]``.

        Returns:
            For one image a list of `FacePrediction`, largest face first or in the order of `faces`, ``[]`` without a
            face. For many images a list of such lists in the same order.

        Raises:
            FileNotFoundError: The one image does not exist.
            ImageError: The one image cannot be read.
            BatchError: Some of many images cannot be read and there is no `on_error`; the others are in its `results`.
            DetectorUnavailableError: No face detector can be used on this machine.
            TypeError: `images` is neither an image nor an iterable of images.
            ValueError: `faces` come with many images, or are not boxes.
        """
        if is_single_image(images):
            return next(self._crops.predict([self._finder.cut(images, faces)]))
        if faces is not None:
            raise ValueError("`faces` belong to one image. Received: many images. Call `predict` for each of them.")
        results: list[list[FacePrediction]] = []
        try:
            results.extend(self.predict_stream(images, on_error=on_error))  # type: ignore[arg-type]
        except BatchError as error:
            raise BatchError(error.errors, results) from error
        return results

    def predict_stream(
        self,
        images: Iterable[ImageSource],
        *,
        batch_size: int = 32,
        on_error: ErrorHandler | None = None,
        progress: bool = False,
    ) -> Iterator[list[FacePrediction]]:
        """Yield the faces of each image, in order. At most `batch_size` later images are read ahead.

        Args:
            images: Any iterable of images, even an endless one. If it fails, the images before are finished first.
            batch_size: Faces that are handed to the network at once. With 1, each result comes as soon as it can.
            on_error: Called for each image that cannot be read, whose result is ``[]``. Without it such errors are
                collected and raised as one `BatchError` after the last image.
            progress: Show a progress bar on standard error.

        Raises:
            BatchError: Some images could not be read and there is no `on_error`.
            DetectorUnavailableError: No face detector can be used on this machine.
            TypeError: `images` is one image.
        """
        check_many(images)
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be 1 or more. Received: {batch_size}.")
        self._finder.load_detector()
        yield from predict_in_order(
            shown(images, progress, description="asianage", unit="image"),
            self._finder,
            self._crops.predict,
            workers=self._threads,
            batch_size=batch_size,
            on_error=on_error,
        )

    def predict_stream_with_sources(
        self,
        images: Iterable[Source],
        *,
        batch_size: int = 32,
        on_error: ErrorHandler | None = None,
        progress: bool = False,
    ) -> Iterator[tuple[Source, list[FacePrediction]]]:
        """Yield each image, as it was given, with its faces; otherwise the same as `predict_stream`."""
        check_many(images)
        sources: deque[Source] = deque()
        images = noted(shown(images, progress, description="asianage", unit="image"), sources)
        for faces in self.predict_stream(images, batch_size=batch_size, on_error=on_error):
            yield sources.popleft(), faces

    def predict_crops(self, crops: ImageSource | Iterable[ImageSource], *, align: bool = True) -> list[FacePrediction]:
        """Estimate age and gender of images that show one face each, tight or loose, at any angle.

        Args:
            crops: An iterable of images, or an array uint8 (n, height, width, 3), RGB.
            align: Find the landmarks of each face and align it, as in a photo. Without it each image is taken as it is:
                upright, the eyes at about 0.4 and the mouth at about three quarters of the height. The smallest square
                around an image that is not square is taken.

        Returns:
            One `FacePrediction` per image, in order. Where no face is found, and without `align`, `box` is the whole
            image and `landmarks` is None; the first carries the warning "no face".

        Raises:
            BatchError: Some images cannot be read; its `results` have the others' predictions, and None for these.
        """
        return predict_whole_images(crops, self._finder, self._crops.predict, align=align, workers=self._threads)

    def estimate_crops(self, crops: np.ndarray | Iterable[ImageSource]) -> CropEstimates:
        """Estimate the same as `predict_crops` with ``align=False``, as arrays, without an object for each face.

        Args:
            crops: An iterable of images, or an array uint8 (n, height, width, 3), RGB.

        Raises:
            ImageError: An image cannot be read.
        """
        return CropEstimates.concatenated([self._crops(batch) for batch in self._finder.whole_crops(crops)])

    def features(self, crops: np.ndarray | Iterable[ImageSource]) -> np.ndarray:
        """Return the features before the heads: float32 (n, width), for `crops` as in `estimate_crops`.

        Raises:
            ImageError: An image cannot be read.
            ValueError: The model has no output of features.
        """
        return np.concatenate([self._crops.features(batch) for batch in self._finder.whole_crops(crops)])

    def detect(self, image: ImageSource) -> list[Detection]:
        """Return the faces of one image without estimating anything, largest first."""
        return self._finder.cut(image).detections

    def __repr__(self) -> str:
        return f"AgeGenderEstimator(model={self.model.config.name!r}, path={str(self.model.path)!r})"
