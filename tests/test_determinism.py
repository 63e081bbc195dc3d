"""The same photo gives the same digits: alone, among others, in any order, in threads and in other processes."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from asianage import AgeGenderEstimator


def values(faces):
    return [(face.to_dict(), np.asarray(face.landmarks).tolist(), face.warnings) for face in faces]


def predicted(estimator, photos):
    return [values(estimator.predict(photo)) for photo in photos]


@pytest.fixture(scope="module")
def photos(hopper):
    """Photos with one face, two faces and none, of several sizes."""
    small, large = (np.asarray(Image.fromarray(hopper).resize(size)) for size in ((205, 240), (410, 480)))
    two = np.zeros((480, 700, 3), np.uint8)
    two[:, :410], two[100:340, 450:655] = large, small
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    return [hopper, small, noise, two, hopper[:, ::-1], large // 2]


@pytest.fixture(scope="module")
def estimator():
    return AgeGenderEstimator(num_threads=2)


@pytest.fixture(scope="module")
def alone(estimator, photos):
    found = predicted(estimator, photos)
    assert [len(faces) for faces in found] == [1, 1, 0, 2, 1, 1]
    return found


@pytest.mark.parametrize("batch_size", [1, 2, 5, 32])
def test_a_photo_among_others_is_as_alone(estimator, photos, alone, batch_size):
    assert [values(faces) for faces in estimator.predict_stream(photos, batch_size=batch_size)] == alone


def test_the_order_does_not_matter(estimator, photos, alone):
    order = [3, 1, 5, 0, 2, 4]
    found = estimator.predict([photos[number] for number in order])
    assert [values(faces) for faces in found] == [alone[number] for number in order]


@pytest.mark.parametrize("num_threads", [1, 3])
def test_the_number_of_threads_does_not_matter(photos, alone, num_threads):
    estimator = AgeGenderEstimator(num_threads=num_threads)
    assert [values(faces) for faces in estimator.predict(photos)] == alone


def test_threads_of_the_caller_do_not_matter(estimator, photos, alone):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(estimator.predict, photos * 2))
    assert [values(faces) for faces in found] == alone * 2


def test_another_process_finds_the_same(estimator, photos, alone):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(predicted, estimator, photos).result(60) == alone


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_process_that_is_forked_after_loading_finds_the_same(estimator, photos, alone):
    # As servers do that load an application once, such as gunicorn --preload.
    child = os.fork()
    if child == 0:
        os._exit(0 if [values(faces) for faces in estimator.predict(photos[:4])] == alone[:4] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
