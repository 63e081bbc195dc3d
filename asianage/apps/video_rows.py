"""Frames of a video -> rows of a table: one per frame and face, and one per person."""

from __future__ import annotations

from typing import Any

from asianage.apps.video import TrackedFace, VideoFrame
from asianage.prediction.face_prediction import ROW_COLUMNS

FRAME_COLUMNS = ("frame", "time", "person", "frames", *ROW_COLUMNS, "frame_age", "frame_gender")
"""Keys of `frame_rows`."""

PERSON_COLUMNS = ("person", "first_time", "last_time", "frames", *ROW_COLUMNS[: ROW_COLUMNS.index("x_min")])
"""Keys of `PeopleSummary.rows`."""


def frame_rows(frame: VideoFrame) -> list[dict[str, Any]]:
    """Return one row for each face of a frame: numbers and text only.

    The estimate is that of the person so far, from `frames` frames. `frame_age` and `frame_gender` are those of the
    frame alone. `person` is None for a face that has been seen once.
    """
    return [
        {
            "frame": frame.number,
            "time": round(frame.time, 3),
            "person": seen.person,
            "frames": seen.frames,
            **seen.average.to_row(),
            "frame_age": seen.face.to_row()["age"],
            "frame_gender": seen.face.gender,
        }
        for seen in frame.people
    ]


class PeopleSummary:
    """Who was seen in a video, when, and the estimate of each person from all frames."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[float, TrackedFace]] = {}

    def add(self, frame: VideoFrame) -> None:
        """Add the next frame."""
        for seen in frame.people:
            if seen.person is not None:
                self._last[seen.person] = frame.time, seen

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each person, in the order of appearance; times in seconds."""
        rows = []
        for person, (time, seen) in sorted(self._last.items(), key=lambda item: item[0]):
            values = seen.average.to_row()
            row = {"person": person, "first_time": round(seen.since, 3), "last_time": round(time, 3)}
            rows.append({**row, "frames": seen.frames, **{name: values[name] for name in PERSON_COLUMNS[4:]}})
        return rows
