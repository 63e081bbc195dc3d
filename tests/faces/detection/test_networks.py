from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from asianage.errors import ModelFormatError
from asianage.faces.detection import networks
from asianage.faces.detection.networks import PATCH, FaceNetwork, LandmarksNetwork, grid_points
from asianage.models.folder import BUNDLED, BUNDLED_DETECTOR, DETECTOR_NETWORK, LANDMARKS_NETWORK, open_model_folder


def content(name: str) -> bytes:
    return open_model_folder(BUNDLED / BUNDLED_DETECTOR).read(name)


@pytest.fixture(scope="module")
def face_network():
    return FaceNetwork(content(DETECTOR_NETWORK), source="here")


@pytest.fixture(scope="module")
def small(hopper):
    return np.ascontiguousarray(hopper[::2, ::2])


def test_a_face_is_found_in_pixels_of_the_picture(face_network, small):
    boxes, scores = face_network(small, 0.7)
    best = boxes[scores.argmax()]
    assert scores.max() > 0.85
    assert 70 < best[0] < best[2] < 200
    assert 20 < best[1] < best[3] < 200
    every_box, every_score = face_network(small, 0.1)
    assert len(every_box) > len(boxes)
    assert every_score.min() >= 0.1
    np.testing.assert_array_equal(np.sort(every_score[every_score >= 0.7]), np.sort(scores))


def test_the_ends_of_the_scale_are_thresholds_like_others(face_network, small):
    everything, nothing = face_network(small, 0.0)[1], face_network(small, 1.0)[1]
    assert len(everything) >= len(face_network(small, 0.01)[1])
    assert len(nothing) == 0


def test_points_have_the_order_of_the_network():
    points, strides = grid_points(64, 96)
    assert len(points) == 8 * 12 + 4 * 6 + 2 * 3
    assert points[1].tolist() == [8, 0]
    assert (points[96].tolist(), strides[96, 0], points[97].tolist()) == ([0, 0], 16, [16, 0])


def test_an_interpreter_keeps_nothing_of_the_picture_before(face_network, small):
    expected = face_network(small[:200, :200], 0.3)
    face_network(np.full((223, 223, 3), 255, dtype=np.uint8), 0.3)
    for first, second in zip(expected, face_network(small[:200, :200], 0.3), strict=True):
        np.testing.assert_array_equal(first, second)


def test_threads_get_the_same_as_one_thread(face_network, small):
    pictures = [small[: 150 + 30 * (number % 3)] for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: face_network(picture, 0.3)[1], pictures))
    for alone, other in zip((face_network(picture, 0.3)[1] for picture in pictures), together, strict=True):
        np.testing.assert_array_equal(alone, other)


def test_only_so_many_interpreters_are_kept(monkeypatch):
    monkeypatch.setattr(networks, "_KEPT_PIXELS", 2 * 64 * 64)
    network = FaceNetwork(content(DETECTOR_NETWORK), source="here")
    for side in (32, 64, 96, 64):
        network(np.zeros((side, 60, 3), dtype=np.uint8), 0.5)
    assert list(network._interpreters._idle) == [(1, 64, 64, 3)]


def test_landmarks_come_in_pixels_of_the_patch():
    landmarks, probability = LandmarksNetwork(content(LANDMARKS_NETWORK), source="here")(
        np.zeros((PATCH, PATCH, 3), dtype=np.uint8)
    )
    assert landmarks.shape == (5, 2)
    assert 0.0 <= probability < 0.5


@pytest.mark.parametrize("make", [FaceNetwork, LandmarksNetwork])
def test_another_file_is_refused_when_it_is_loaded(make):
    other = content(LANDMARKS_NETWORK if make is FaceNetwork else DETECTOR_NETWORK)
    for wrong in (b"nothing", other):
        with pytest.raises(ModelFormatError, match=r"somewhere"):
            make(wrong, source="somewhere")


def test_a_network_with_maps_of_another_size_is_refused(monkeypatch):
    sizes = networks._map_sizes((1, 32, 32, 3))
    monkeypatch.setattr(networks, "_map_sizes", lambda shape: {**sizes, "object_8": sizes["object_8"] // 2})
    with pytest.raises(ModelFormatError, match=r"somewhere.*'object_8': 16.*values instead of.*'object_8': 8"):
        FaceNetwork(content(DETECTOR_NETWORK), source="somewhere")


def test_nothing_is_announced_on_standard_error():
    code = "from asianage.faces.detection import select_detector; select_detector('auto')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout + result.stderr == ""
