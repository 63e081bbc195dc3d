"""Boxes of faces, frame after frame -> which person each one is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from asianage.errors import needs_extra
from asianage.prediction.face_prediction import FacePrediction

BUFFER = 0.5
"""Share of a box by which it is enlarged on each side, before the overlap with others is measured."""


class FaceTracker:
    """Follows faces from frame to frame by their boxes.

    The tracker is ByteTrack's (Zhang et al., ECCV 2022), with the buffered overlap of boxes of Yang et al. ('Hard to
    Track Objects with Irregular Motions and Similar Appearances?', WACV 2023), which also finds a face that has moved
    by its width.
    """

    def __init__(self, frame_rate: float) -> None:
        """Load the tracker.

        Args:
            frame_rate: Average frames per second.

        Raises:
            MissingExtraError: The package `trackers` is not installed.
        """
        with needs_extra("video", "Tracking of faces"):
            import supervision
            import trackers

        self._make: Any = supervision.Detections
        # The detector has a threshold of its own: every face that it returns begins a track.
        self._tracker = trackers.ByteTrackTracker(
            frame_rate=frame_rate, minimum_consecutive_frames=1, iou=trackers.BIoU(BUFFER)
        )

    def follow(self, faces: Sequence[FacePrediction], time: float) -> list[int | None]:
        """Return the number of the person that each face belongs to, from 1 on, or None for a face seen once.

        Args:
            faces: The faces of the next frame.
            time: Of the frame, in seconds; larger than that of the frame before.
        """
        boxes = np.array([face.box for face in faces], dtype=np.float32).reshape(-1, 4)
        given = self._make(xyxy=boxes, data={"place": np.arange(len(faces))})
        found: Any = self._tracker.update(given, timestamp=time)
        numbers: list[int | None] = [None] * len(faces)
        for place, number in zip(found.data.get("place", ()), found.tracker_id, strict=False):
            numbers[int(place)] = int(number) + 1 if number >= 0 else None
        return numbers
