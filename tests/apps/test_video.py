from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="needs the extra video")
pytest.importorskip("trackers", reason="needs the extra video")

from asianage import AgeGenderEstimator, MissingExtraError, VideoError
from asianage.apps.video import VideoFrame, predict_video
from tests.apps.videos import gray, set_display_matrix, write_video

FRAMES = 8


@pytest.fixture(scope="module")
def estimator() -> AgeGenderEstimator:
    return AgeGenderEstimator()


@pytest.fixture(scope="module")
def clip(hopper, tmp_path_factory):
    """A face that moves to the right, beside one that stands still and is smaller."""
    large = Image.fromarray(hopper[:420, 80:420]).resize((136, 168))
    small = large.resize((100, 124)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    images = []
    for number in range(FRAMES):
        canvas = Image.new("RGB", (320, 192), (90, 90, 90))
        canvas.paste(large, (8 + 5 * number, 10 + 2 * (number % 2)))
        canvas.paste(small, (210, 40))
        images.append(np.asarray(canvas))
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", images)


@pytest.fixture(scope="module")
def frames(clip, estimator) -> list[VideoFrame]:
    return list(predict_video(clip, estimator=estimator))


def test_each_frame_has_number_time_picture_and_people(frames):
    assert [frame.number for frame in frames] == list(range(FRAMES))
    assert [frame.time for frame in frames] == pytest.approx(np.arange(FRAMES) / 10)
    assert frames[0].image.shape == (192, 320, 3)
    assert [seen.person for seen in frames[0].people] == [None, None]
    for frame in frames[1:]:
        assert sorted(seen.person for seen in frame.people) == [1, 2]


def test_a_frame_alone_is_estimated_as_the_photo_that_it_is(frames, estimator):
    faces = estimator.predict(frames[3].image)
    for seen, face in zip(frames[3].people, faces, strict=True):
        assert seen.face.box == pytest.approx(face.box, abs=0.01)
        assert seen.face.age == pytest.approx(face.age, abs=0.01)


def test_a_person_is_the_average_of_the_frames_so_far_and_steadier(frames):
    alone, averaged = [], []
    for frame in frames[1:]:
        (seen,) = (seen for seen in frame.people if seen.person == 1)
        alone.append(seen.face.age)
        averaged.append(seen.average.age)
        assert seen.frames == len(alone)
        assert seen.since == pytest.approx(0.1)
        assert seen.average.box == seen.face.box
        assert min(alone) - 0.1 <= seen.average.age <= max(alone) + 0.1
    assert averaged[0] == pytest.approx(alone[0], abs=0.01)
    assert np.abs(np.diff(averaged)).mean() < np.abs(np.diff(alone)).mean()


def test_every_other_frame_is_taken(clip, estimator, frames):
    some = list(predict_video(clip, estimator=estimator, every=4))
    assert [frame.number for frame in some] == [0, 4]
    ages = [[seen.face.age for seen in frame.people] for frame in (some[1], frames[4])]
    assert ages[0] == pytest.approx(ages[1], abs=0.01)


def test_the_order_of_channels_of_arrays_does_not_matter(clip, frames):
    first = next(predict_video(clip, estimator=AgeGenderEstimator(channels="bgr")))
    ages = [[seen.face.age for seen in frame.people] for frame in (first, frames[0])]
    assert ages[0] == pytest.approx(ages[1], abs=0.01)


def test_a_phone_held_upright_has_upright_faces(clip, estimator, tmp_path, frames):
    turned = [np.ascontiguousarray(np.rot90(frame.image)) for frame in frames[:2]]
    path = write_video(tmp_path / "phone.mp4", turned)
    set_display_matrix(path, (0, 1, -1, 0))
    frame = next(predict_video(path, estimator=estimator))
    assert frame.image.shape == (192, 320, 3)
    assert abs(frame.people[0].face.roll) < 30
    assert frame.people[0].face.box == pytest.approx(frames[0].people[0].face.box, abs=6)


def test_a_drawing_shows_boxes_and_numbers(frames):
    first, later = (np.asarray(frames[number].draw()) for number in (0, 3))
    assert first.shape == frames[0].image.shape
    assert (later != frames[3].image).any(axis=2).mean() > 0.01


def test_a_video_without_faces_has_frames_without_people(tmp_path, estimator):
    frames = list(predict_video(write_video(tmp_path / "gray.mp4", gray(3)), estimator=estimator))
    assert [frame.people for frame in frames] == [[], [], []]


def test_faults_are_raised_at_the_call_or_after_the_last_frame(tmp_path, estimator):
    with pytest.raises(FileNotFoundError, match="none"):
        predict_video(tmp_path / "none.mp4", estimator=estimator)
    with pytest.raises(ValueError, match="`every` must be 1 or more"):
        predict_video(tmp_path / "none.mp4", every=0)
    path = write_video(tmp_path / "cut.mp4", gray(30), options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    frames = []
    with pytest.raises(VideoError, match="cut off"):
        frames.extend(predict_video(path, estimator=estimator, every=5))
    assert frames


def test_the_limit_of_the_estimator_is_that_of_the_video(tmp_path):
    path = write_video(tmp_path / "gray.mp4", gray(3))
    with pytest.raises(VideoError, match="at most 1,000 pixels"):
        predict_video(path, estimator=AgeGenderEstimator(max_pixels=1000))


def test_a_missing_extra_is_named(tmp_path, monkeypatch, estimator):
    path = write_video(tmp_path / "gray.mp4", gray(1))
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(MissingExtraError, match=r'pip install "asianage\[video\]"'):
        predict_video(path, estimator=estimator)
