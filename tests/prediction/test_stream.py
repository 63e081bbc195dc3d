from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

from asianage import AgeGenderEstimator, BatchError, Detection
from tests.prediction.fakes import FakeDetector, noise


def test_the_stream_keeps_order_and_reads_no_further_ahead_than_it_says(estimator):
    started = []

    def images():
        for seed in range(100):
            started.append(seed)
            yield noise(seed)

    stream = estimator.predict_stream(images(), batch_size=8)
    first = next(stream)
    assert len(started) <= 17
    rest = list(stream)
    expected = [estimator.predict(noise(seed))[0].age for seed in (0, 50, 99)]
    assert [first[0].age, rest[49][0].age, rest[98][0].age] == pytest.approx(expected, abs=1e-3)


def test_a_stream_can_be_left_early(estimator):
    for method in (estimator.predict_stream, estimator.predict_stream_with_sources):
        stream = method((noise(seed) for seed in range(1000)), batch_size=4)
        next(stream)
        stream.close()
    assert threading.active_count() < 20


def test_a_stream_needs_a_positive_batch_size(estimator):
    with pytest.raises(ValueError, match="batch_size"):
        next(estimator.predict_stream([noise(1)], batch_size=0))


def test_one_image_is_no_stream(estimator, tmp_path):
    for image in ("photo.jpg", noise(1), tmp_path / "photo.jpg"):
        for method in (estimator.predict_stream, estimator.predict_stream_with_sources):
            with pytest.raises(TypeError, match="call `predict`"):
                next(method(image))


def ignore(position, image, error):
    pass


def test_each_result_comes_with_its_source_as_it_was_given(estimator, tmp_path):
    paths = [tmp_path / f"{seed}.png" for seed in range(5)]
    for seed, path in enumerate(paths):
        Image.fromarray(noise(seed)).save(path)
    paths.insert(2, tmp_path / "missing.png")
    failed = []
    pairs = list(
        estimator.predict_stream_with_sources(
            iter(paths), batch_size=2, on_error=lambda position, image, error: failed.append((position, image))
        )
    )
    assert [source for source, _ in pairs] == paths
    assert failed == [(2, paths[2])]
    ages = [[face.age for face in faces] for _, faces in pairs]
    assert ages == [pytest.approx([face.age for face in faces]) for faces in estimator.predict(paths, on_error=ignore)]


def test_progress_is_shown_on_standard_error(estimator, capsys, bars):
    images = [noise(seed) for seed in range(3)]
    list(estimator.predict_stream(images))
    assert capsys.readouterr().err == ""
    list(estimator.predict_stream(images, progress=True))
    assert "3/3" in capsys.readouterr().err
    list(estimator.predict_stream_with_sources(images, progress=True))
    assert "3/3" in capsys.readouterr().err


def test_an_array_that_is_filled_again_and_again_is_taken_as_it_was(estimator):
    frames = [noise(seed) for seed in range(12)]
    expected = [faces[0].age for faces in estimator.predict(frames)]

    def camera():
        buffer = np.empty_like(frames[0])
        for frame in frames:
            buffer[:] = frame
            yield buffer

    assert [faces[0].age for faces in estimator.predict_stream(camera())] == expected


def test_files_may_be_closed_when_the_next_one_is_asked_for(estimator, tmp_path):
    paths = [tmp_path / f"{seed}.png" for seed in range(6)]
    for seed, path in enumerate(paths):
        Image.fromarray(noise(seed)).save(path)
    expected = [faces[0].age for faces in estimator.predict(paths)]

    def opened(opener):
        for path in paths:
            with opener(path) as image:
                yield image

    for opener in (Image.open, lambda path: path.open("rb")):
        assert [faces[0].age for faces in estimator.predict_stream(opened(opener))] == expected


def test_with_a_batch_of_one_the_source_may_wait_for_each_result(estimator):
    asked, given = [], []

    def images():
        for seed in range(4):
            assert len(given) == len(asked)
            asked.append(seed)
            yield noise(seed)

    for faces in estimator.predict_stream(images(), batch_size=1):
        given.append(faces)
    assert len(given) == 4


def test_what_was_read_before_the_source_broke_is_finished(estimator):
    def images():
        for seed in range(5):
            yield noise(seed)
        yield b"no picture"
        raise ConnectionError("the camera is gone")

    results = []
    with pytest.raises(ConnectionError, match="camera") as caught:
        results.extend(estimator.predict_stream(images()))
    assert [len(faces) for faces in results] == [1, 1, 1, 1, 1, 0]
    assert "At position 5" in caught.value.__notes__[0]


def test_a_detector_that_fails_on_one_image_leaves_the_others_done():
    class Fragile(FakeDetector):
        def detect(self, image):
            if image.max() == 0:
                raise RuntimeError("nothing to see")
            return super().detect(image)

    images = [noise(1), np.zeros((64, 64, 3), np.uint8), noise(2)]
    with pytest.raises(BatchError, match="nothing to see") as caught:
        AgeGenderEstimator(detector=Fragile([Detection((0, 0, 60, 60), None, 0.9)])).predict(images)
    assert [len(faces) for faces in caught.value.results] == [1, 0, 1]


def test_a_bad_crop_leaves_the_others_done(estimator):
    with pytest.raises(BatchError) as caught:
        estimator.predict_crops([noise(1), b"nothing", noise(2)])
    assert [prediction is None for prediction in caught.value.results] == [False, True, False]
    assert list(caught.value.errors) == [1]
