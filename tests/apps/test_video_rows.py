from __future__ import annotations

import numpy as np

from asianage.apps.video import TrackedFace, VideoFrame
from asianage.apps.video_rows import FRAME_COLUMNS, PERSON_COLUMNS, PeopleSummary, frame_rows
from tests.apps.faces import face

PIXELS = np.zeros((4, 4, 3), dtype=np.uint8)


def frame(number: int, *people: TrackedFace) -> VideoFrame:
    return VideoFrame(number, number / 10, PIXELS, list(people))


def test_a_row_has_the_person_and_what_the_frame_says_alone():
    seen = TrackedFace(3, face(age=30.0, male=0.8), face(age=40.0, male=0.2, warnings=("dark",)), frames=7, since=0.1)
    first, second = frame_rows(frame(12, seen, TrackedFace(None, face(), face(), 1, 1.2)))
    assert tuple(first) == FRAME_COLUMNS
    assert (first["frame"], first["time"], first["person"], first["frames"]) == (12, 1.2, 3, 7)
    assert (first["age"], first["gender"], first["warnings"]) == (40.0, "female", "dark")
    assert (first["frame_age"], first["frame_gender"]) == (30.0, "male")
    assert second["person"] is None


def test_a_summary_has_the_last_estimate_of_each_person():
    summary = PeopleSummary()
    summary.add(frame(1, TrackedFace(2, face(), face(age=20.0), 1, 0.1), TrackedFace(None, face(), face(), 1, 0.1)))
    summary.add(
        frame(2, TrackedFace(1, face(), face(age=50.0), 1, 0.2), TrackedFace(2, face(), face(age=22.0), 2, 0.1))
    )
    summary.add(frame(9))
    first, second = summary.rows()
    assert tuple(first) == PERSON_COLUMNS
    assert (first["person"], first["age"], first["first_time"], first["last_time"]) == (1, 50.0, 0.2, 0.2)
    assert (second["person"], second["age"], second["frames"]) == (2, 22.0, 2)
    assert (second["first_time"], second["last_time"]) == (0.1, 0.2)
