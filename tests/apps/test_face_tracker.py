from __future__ import annotations

import pytest

pytest.importorskip("trackers", reason="needs the extra video")

from asianage.apps.face_tracker import FaceTracker
from tests.apps.faces import face


def at(x: float, y: float = 40.0, side: float = 50.0):
    return face(box=(x, y, x + side, y + side))


def test_a_face_is_a_person_from_its_second_frame_on():
    tracker = FaceTracker(frame_rate=25.0)
    assert tracker.follow([at(10), at(300)], 0.0) == [None, None]
    assert tracker.follow([at(14), at(290)], 0.04) == [1, 2]


def test_people_keep_their_numbers_in_whatever_order_the_faces_come():
    tracker = FaceTracker(frame_rate=25.0)
    numbers = []
    for frame in range(12):
        faces = [at(10 + 4 * frame), at(300 - 4 * frame), at(200, 200)]
        numbers.append(tracker.follow(faces[:: -1 if frame % 2 else 1], frame / 25))
    assert numbers[2] == [1, 2, 3] or sorted(numbers[2]) == [1, 2, 3]
    assert numbers[3] == numbers[2][::-1]
    assert numbers[10] == numbers[2]


def test_a_person_who_is_hidden_for_half_a_second_comes_back_and_a_later_one_is_new():
    tracker = FaceTracker(frame_rate=25.0)
    for frame in range(5):
        tracker.follow([at(100)], frame / 25)
    for frame in range(5, 17):
        assert tracker.follow([], frame / 25) == []
    assert tracker.follow([at(100)], 17 / 25) == [1]
    assert tracker.follow([at(100)], 10.0) == [None]
    assert tracker.follow([at(100)], 10.04) == [2]


def test_times_between_frames_may_differ():
    tracker = FaceTracker(frame_rate=25.0)
    time, numbers = 0.0, []
    for step in (0.0, 0.04, 0.04, 0.3, 0.02, 0.25, 0.04, 0.1):
        time += step
        numbers.append(tracker.follow([at(100 + 60 * time)], time)[0])
    assert numbers[1:] == [1] * 7
