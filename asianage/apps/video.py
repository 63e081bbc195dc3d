"""Video and cameras: the faces of each frame, followed from frame to frame, with one steady estimate per person."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asianage.apps.face_tracker import FaceTracker
from asianage.apps.people import PersonAverage
from asianage.apps.video_source import DecodedFrame, OpenVideo, VideoSource
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.prediction.face_prediction import FacePrediction
from asianage.progress import shown

if TYPE_CHECKING:
    from PIL import Image

BATCH = 8
"""Frames of a file that are read ahead, and faces that go through the network at once."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """One face of one frame.

    Attributes:
        person: Number of the person, from 1 on in the order of appearance; None while the face has been seen once.
        face: The estimate from this frame alone.
        average: The estimate of the person from all frames so far, with box, landmarks, score and warnings of this
            frame; `face` itself without a person.
        frames: Frames that `average` is made of.
        since: Time of the first of them, in seconds.
    """

    person: int | None
    face: FacePrediction
    average: FacePrediction
    frames: int
    since: float


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One frame with its faces, largest first.

    Attributes:
        number: Position in the video, from 0 on.
        time: Seconds after the first frame.
        image: uint8 (height, width, 3), RGB, upright.
        people: The faces that were found.
    """

    number: int
    time: float
    image: np.ndarray
    people: list[TrackedFace]

    def labels(self) -> list[str]:
        """Return the label of each face, such as ``#2 34 (28-40) male 97%``."""
        from asianage.prediction.drawing import label

        texts = [label(seen.average) for seen in self.people]
        return [
            text if seen.person is None else f"#{seen.person} {text}"
            for seen, text in zip(self.people, texts, strict=True)
        ]

    def draw(self) -> Image.Image:
        """Return the frame with a box and a label for each face."""
        from asianage.prediction.drawing import draw_faces

        return draw_faces(self.image, [seen.average for seen in self.people], labels=self.labels())


def predict_video(
    source: VideoSource,
    *,
    estimator: AgeGenderEstimator | None = None,
    every: int = 1,
    progress: bool = False,
) -> Iterator[VideoFrame]:
    """Yield the frames of a video or of a camera with their faces.

    Frames are turned upright as the file says, and have the times that the file gives them. Nothing is stored: a video
    may be longer than the memory. A camera goes on until the caller stops; each of its frames is done before the next
    is fetched.

    Args:
        source: Path or URL of a video, number of a camera from 0 on, or a binary file object.
        estimator: Its options hold for each frame; None takes ``AgeGenderEstimator()``.
        every: Take every n-th frame.
        progress: Show a progress bar on standard error.

    Raises:
        FileNotFoundError: There is no such file or camera.
        MissingExtraError: The extra ``video`` is not installed.
        ValueError: `every` is smaller than 1.
        VideoError: The source cannot be read as a video, or has no pictures. Or, after the last frame: some of it was
            damaged or is missing.
    """
    if every < 1:
        raise ValueError(f"`every` must be 1 or more. Received: {every}.")
    estimator = AgeGenderEstimator() if estimator is None else estimator
    video = OpenVideo(source, max_pixels=estimator.max_pixels)
    tracker = FaceTracker(video.frame_rate / every)
    return _predicted(video, estimator, tracker, every, progress)


def _predicted(
    video: OpenVideo, estimator: AgeGenderEstimator, tracker: FaceTracker, every: int, progress: bool
) -> Iterator[VideoFrame]:
    new_person = functools.partial(PersonAverage, estimator.model.config.calibration)
    averages: dict[int, PersonAverage] = {}
    since: dict[int, float] = {}

    def tracked(face: FacePrediction, person: int | None, time: float) -> TrackedFace:
        if person is None:
            return TrackedFace(None, face, face, 1, time)
        first = since.setdefault(person, time)
        average = averages.setdefault(person, new_person())
        return TrackedFace(person, face, average.add(face), average.pictures, first)

    total = None if video.seconds is None else round(video.seconds * video.frame_rate / every)
    decoded: deque[DecodedFrame] = deque()

    def images() -> Iterator[Image.Image]:
        from PIL import Image

        for frame in video.frames(every):
            decoded.append(frame)
            # The channels of an array could be meant the other way round.
            yield Image.fromarray(frame.image)

    def stop(position: int, image: object, error: Exception) -> None:
        raise error

    # What one frame does to the estimator, all others do as well.
    results = estimator.predict_stream(images(), batch_size=1 if video.is_live else BATCH, on_error=stop)
    for faces in shown(results, progress, description=video.name, unit="frame", total=total):
        frame = decoded.popleft()
        people = tracker.follow(faces, frame.time)
        seen = [tracked(face, person, frame.time) for face, person in zip(faces, people, strict=True)]
        yield VideoFrame(frame.number, frame.time, frame.image, seen)
