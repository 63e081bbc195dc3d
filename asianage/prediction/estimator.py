"""`AgeGenderEstimator`: detection, alignment, network and decoding behind one call."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any, TypeAlias

import numpy as np

from asianage.errors import BatchError
from asianage.faces.crops import FaceCrops, detect_and_cut, read_ahead, whole_image_crop
from asianage.faces.detection import FaceDetector, select_detector
from asianage.faces.images import MAX_PIXELS, ImageSource, is_single_image, load_image
from asianage.faces.quality import face_quality
from asianage.models import ages
from asianage.models import folder as model_folder
from asianage.models import pretrained as hub
from asianage.models import publish as publishing
from asianage.models.folder import ModelFolder
from asianage.models.litert import LiteRTNetwork, averaged_with_mirror, usable_processors
from asianage.prediction.face_prediction import FacePrediction

DEFAULT_MODEL = "compact"

ErrorHandler: TypeAlias = "Callable[[int, Any, Exception], None]"
"""Called with position, image and error of an image that could not be read."""


class AgeGenderEstimator:
    """Estimate age and gender of the faces in photos.

    An estimator keeps no state between calls and may be used from several threads.

    Example:
        >>> from asianage import AgeGenderEstimator
        >>> estimator = AgeGenderEstimator()
        >>> faces = estimator.predict("photo.jpg")  # doctest: +SKIP
    """

    def __init__(
        self,
        model: ModelFolder | None = None,
        *,
        detector: str | os.PathLike[str] | FaceDetector | None = "auto",
        interval_coverage: float = 0.9,
        mirror: bool = False,
        num_threads: int | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Load a model; without one, the bundled default.

        Args:
            model: An opened model folder; `from_pretrained` finds one by name.
            detector: How faces are found: "auto", "yunet", "mtcnn", the path of YuNet's ONNX file, an object as
                `asianage.faces.detection.FaceDetector`, or None when every image is one face. Loaded at first use.
            interval_coverage: Share of true ages that `age_interval` holds; one that the model was calibrated for.
            mirror: Average each face with its mirror image: a little more accurate, at twice the time in the network.
                Models are calibrated for one pass.
            num_threads: Faces that the network computes at once, and photos that are read at once; None takes the
                number of processors that this process may use.
            max_pixels: Largest accepted width x height of an image.

        Raises:
            ModelFormatError: The model folder is incomplete, altered or too new.
            TypeError: `model` is something else.
            ValueError: The model has no interval of that coverage.
        """
        if model is not None and not isinstance(model, ModelFolder):
            raise TypeError(
                "`model` must be an opened model folder. Received: "
                f"{type(model).__name__}. Names and paths are for `AgeGenderEstimator.from_pretrained`."
            )
        self._model = model or model_folder.open_model_folder(model_folder.BUNDLED / DEFAULT_MODEL)
        config = self._model.config
        self._image_size = config.image_size
        self._axis = config.axis
        self._coverage = interval_coverage
        self._mass = _interval_mass(config.calibration.interval_mass, interval_coverage)
        self._mirror = mirror
        self._max_pixels = max_pixels
        self._num_threads = num_threads
        self._threads = num_threads or usable_processors()
        self._network = LiteRTNetwork(
            self._model.read(model_folder.NETWORK),
            source=str(self._model.path / model_folder.NETWORK),
            image_size=config.image_size,
            num_ages=self._axis.num_ages,
            num_threads=num_threads,
        )
        self._asked_detector = detector
        self._detector = detector
        self._detector_lock = threading.Lock()

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: bool | str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        endpoint: str | None = None,
        sha256: str | None = None,
        force_download: bool = False,
        **options: Any,
    ) -> AgeGenderEstimator:
        """Load a model: a bundled one by name, a folder, or one of the Hugging Face Hub.

        Args:
            name: Bundled name, ``compact`` or ``accurate``; otherwise path of a folder; otherwise ``owner/name`` or
                ``owner/name@revision`` on the Hub. Write ``./name`` for a folder that is called like a bundled model.
            revision: Branch, tag or full commit hash on the Hub, ``main`` by default. What is cached under a commit
                hash is loaded without the network.
            token: Hub access token; None takes the one that is logged in, False none.
            cache_dir: Where files from the Hub are kept; None takes huggingface_hub's cache.
            local_files_only: Use what is cached and no network.
            endpoint: Address of the Hub or of a mirror; None takes HF_ENDPOINT.
            sha256: Hash that config.json must have, which pins the whole model.
            force_download: Fetch the files from the Hub again although they are cached.
            options: Passed on to `AgeGenderEstimator`.

        Raises:
            DownloadError: The Hub has no such model, cannot be reached, or refuses access.
            FileNotFoundError: The name is neither a bundled model, nor a folder, nor a Hub id.
            ModelFormatError: The model is incomplete, altered or too new.
        """
        model = hub.open_model(
            name,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            endpoint=endpoint,
            sha256=sha256,
            force_download=force_download,
        )
        return cls(model, **options)

    def save_pretrained(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the whole model as a folder that `from_pretrained` reads, in one step.

        Raises:
            FileExistsError: `folder` holds something else than a model, or another model and `overwrite` is off.
        """
        hub.save_model(self._model, folder, overwrite=overwrite)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        token: bool | str | None = None,
        endpoint: str | None = None,
        commit_message: str | None = None,
        overwrite_card: bool = False,
    ) -> str:
        """Upload the model to the Hugging Face Hub as one commit, and print the line that loads exactly it.

        Args:
            repo_id: Where to, ``owner/name``; made if it is not there.
            private: Whether a new repository is private; None takes the owner's default.
            revision: Branch, made if it is not there; None takes ``main``.
            create_pr: Open a pull request instead, in a repository that is there.
            token: Hub access token that may write; None takes the one that is logged in.
            endpoint: Address of the Hub; None takes HF_ENDPOINT.
            commit_message: Summary of the commit.
            overwrite_card: Replace the README.md of the repository even if somebody has edited it.

        Returns:
            The full commit hash.

        Raises:
            UploadError: The Hub cannot be reached, refuses, or the upload broke off; the repository is as it was.
        """
        pushed = publishing.push_model(
            self._model,
            repo_id,
            private=private,
            revision=revision,
            create_pr=create_pr,
            commit_message=commit_message,
            overwrite_card=overwrite_card,
            token=token,
            endpoint=endpoint,
        )
        # Whoever pushes wants to hand this line on, and nothing else shows it.
        print(pushed.line if pushed.pull_request is None else f"{pushed.line}  # {pushed.pull_request}")
        return pushed.commit

    @property
    def model(self) -> ModelFolder:
        """The model folder behind this estimator, with its `config`."""
        return self._model

    def predict(self, images: Any, *, on_error: ErrorHandler | None = None) -> Any:
        """Find the faces of one photo or of many, and estimate their age and gender.

        Args:
            images: One image as `asianage.faces.images.load_image` takes it, or an iterable of images.
            on_error: For many images: called for each that cannot be read, whose result is ``[]``.

        Returns:
            For one image a list of `FacePrediction`, largest face first, ``[]`` if there is no face. For many images
            a list of such lists in the same order.

        Raises:
            FileNotFoundError: The one image is not there.
            ImageError: The one image cannot be read.
            BatchError: Some of many images cannot be read and there is no `on_error`; the others are in its `results`.
            DetectorUnavailableError: No face detector can be used on this machine.
            ValueError: There are no images.
        """
        if is_single_image(images):
            return self._predict_one(images)
        images = _as_iterator(images)
        results: list[list[FacePrediction]] = []
        try:
            results.extend(self.predict_stream(images, on_error=on_error))
        except BatchError as error:
            raise BatchError(error.errors, results) from error
        if not results:
            raise ValueError("`images` must hold at least one image. Received an empty collection.")
        return results

    def predict_stream(
        self,
        images: Iterable[ImageSource],
        *,
        batch_size: int = 32,
        on_error: ErrorHandler | None = None,
        progress: bool = False,
    ) -> Iterator[list[FacePrediction]]:
        """Yield the faces of each image, in order, while later images are decoded and searched.

        Memory stays bounded: at most `batch_size` images are read ahead.

        Args:
            images: Any iterable of images, also an endless one. If it raises an error, the images before are finished
                first.
            batch_size: Faces that are handed to the network at once. With 1, each result comes as soon as it can.
            on_error: Called for each image that cannot be read, whose result is ``[]``. Without it such errors are
                collected and raised as one `BatchError` after the last image.
            progress: Show a progress bar on standard error.

        Raises:
            BatchError: Some images could not be read and there is no `on_error`.
            DetectorUnavailableError: No face detector can be used on this machine.
            TypeError: `images` is one image.
        """
        if is_single_image(images):
            raise TypeError(
                f"`images` must be an iterable of images. Received one: {type(images).__name__}. Pass a list, or call "
                "`predict`."
            )
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be 1 or more. Received: {batch_size}.")
        detector = self._ready_detector()
        failures: dict[int, Exception] = {}
        waiting: list[FaceCrops] = []
        faces_waiting = 0
        broken: list[Exception] = []
        reading = read_ahead(
            _until_broken(_shown(images, progress), broken),
            detector,
            self._image_size,
            max_pixels=self._max_pixels,
            workers=self._threads,
            depth=batch_size,
        )
        for position, (image, found) in enumerate(reading):
            if isinstance(found, Exception):
                if on_error is not None:
                    on_error(position, image, found)
                else:
                    failures[position] = found
                found = FaceCrops.none(self._image_size)
            waiting.append(found)
            faces_waiting += len(found.crops)
            if faces_waiting >= batch_size or len(waiting) >= batch_size:
                yield from self._predict_faces(waiting)
                waiting, faces_waiting = [], 0
        yield from self._predict_faces(waiting)
        if broken:
            if failures:
                broken[0].add_note(str(BatchError(failures)))
            raise broken[0]
        if failures:
            raise BatchError(failures)

    def predict_crops(self, crops: Any) -> list[FacePrediction]:
        """Estimate age and gender of images that already are one face each; no detector is needed.

        Tight, upright crops are expected, with the eyes at about 0.4 and the mouth at about three quarters of the
        height. Other sizes are resized; the smallest square around an image that is not square is taken.

        Args:
            crops: An iterable of images, or an array uint8 (n, height, width, 3), RGB.

        Returns:
            One `FacePrediction` per image, in order; `box` is the whole image.

        Raises:
            BatchError: Some images cannot be read; the predictions of the others are in its `results`, None for those
                that failed.
            ValueError: There are no images.
        """
        if is_single_image(crops):
            crops = [crops]
        predictions: list[FacePrediction | None] = []
        failures: dict[int, Exception] = {}
        for chunk in _chunks(_as_iterator(crops), 256):
            faces = []
            for image in chunk:
                try:
                    faces.append(whole_image_crop(load_image(image, max_pixels=self._max_pixels), self._image_size))
                except Exception as error:
                    failures[len(predictions) + len(faces)] = error
                    faces.append(FaceCrops.none(self._image_size))
            for prediction in self._predict_faces(faces):
                predictions.append(prediction[0] if prediction else None)
        if not predictions:
            raise ValueError("`crops` must hold at least one image. Received an empty collection.")
        if failures:
            raise BatchError(failures, predictions)
        return predictions  # type: ignore[return-value]

    @property
    def mirror(self) -> bool:
        """Whether each face is averaged with its mirror image."""
        return self._mirror

    def __repr__(self) -> str:
        """Name the model and where it lies."""
        return f"AgeGenderEstimator(model={self._model.config.name!r}, path={str(self._model.path)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Be opened anew, from the same folder, in a process that it is sent to."""
        options = {
            "detector": self._asked_detector,
            "interval_coverage": self._coverage,
            "mirror": self._mirror,
            "num_threads": self._num_threads,
            "max_pixels": self._max_pixels,
        }
        return _reopened, (self._model.path, options)

    def _predict_one(self, image: ImageSource) -> list[FacePrediction]:
        pixels = load_image(image, max_pixels=self._max_pixels)
        return next(self._predict_faces([detect_and_cut(pixels, self._ready_detector(), self._image_size)]))

    def _ready_detector(self) -> FaceDetector | None:
        with self._detector_lock:
            if isinstance(self._detector, str | os.PathLike):
                self._detector = select_detector(self._detector)
            elif self._detector is not None:
                select_detector(self._detector)
            return self._detector

    def _predict_faces(self, images: list[FaceCrops]) -> Iterator[list[FacePrediction]]:
        """Run the network once over the faces of several images and yield the predictions of each image."""
        if not images:
            return
        crops = np.concatenate([faces.crops for faces in images])
        age_logits, gender_logits = averaged_with_mirror(self._network, crops) if self._mirror else self._network(crops)
        calibration = self._model.config.calibration
        distribution = ages.softmax(age_logits, calibration.age_temperature)
        age = ages.expected_age(self._axis, distribution)
        interval = ages.age_interval(self._axis, distribution, self._mass)
        positive = 1.0 / (1.0 + np.exp(-gender_logits / calibration.gender_temperature))
        row = 0
        for faces in images:
            predictions = []
            for face in faces.detections:
                likely = bool(positive[row] > 0.5)
                predictions.append(
                    FacePrediction(
                        age=float(age[row]),
                        age_interval=(float(interval[row, 0]), float(interval[row, 1])),
                        interval_coverage=self._coverage,
                        age_distribution=distribution[row],
                        age_axis=self._axis,
                        gender=self._model.config.genders[likely],
                        gender_probability=float(positive[row] if likely else 1.0 - positive[row]),
                        box=face.box,
                        landmarks=face.landmarks,
                        detector=faces.detector,
                        detection_score=None if faces.detector is None else face.score,
                        warnings=face_quality(crops[row], face.box, face.landmarks).warnings,
                    )
                )
                row += 1
            yield predictions


def _reopened(folder: os.PathLike[str], options: dict[str, Any]) -> AgeGenderEstimator:
    return AgeGenderEstimator(model_folder.open_model_folder(folder), **options)


def _interval_mass(masses: Mapping[str, float | Sequence[float]], coverage: float) -> float | Sequence[float]:
    for text, mass in masses.items():
        if abs(float(text) - coverage) < 1e-9:
            return mass
    raise ValueError(
        f"`interval_coverage` must be one that the model was calibrated for: {', '.join(masses)}. Received: {coverage}."
    )


def _as_iterator(images: Any) -> Iterator[Any]:
    try:
        return iter(images)
    except TypeError:
        raise TypeError(
            "`images` must be one image (path, bytes, file object, PIL image, NumPy array) or an iterable of images. "
            f"Received: {type(images).__name__}."
        ) from None


def _chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(itertools.islice(items, size)):
        yield chunk


def _until_broken(images: Iterable[ImageSource], broken: list[Exception]) -> Iterator[ImageSource]:
    """Yield the images of a source, and end where it raises an error, which is put into `broken`."""
    try:
        yield from images
    except Exception as error:
        broken.append(error)


def _shown(images: Iterable[ImageSource], progress: bool) -> Iterable[ImageSource]:
    if not progress:
        return images
    from huggingface_hub.utils import tqdm

    total = len(images) if isinstance(images, Sized) else None
    return tqdm(images, total=total, unit="image", desc="asianage")
