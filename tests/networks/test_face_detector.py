from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

import keras
from ai_edge_litert.interpreter import Interpreter

from asianage.models.folder import DETECTOR_NETWORK, DETECTOR_WEIGHTS
from asianage.models.pretrained import open_detector
from asianage.networks.face_detector import (
    HIDDEN,
    OUTPUTS,
    STRIDES,
    decode_points,
    face_detector_network,
    layer_names,
    load_yunet_weights,
    points_network,
)
from asianage.networks.restore import load_weights


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return face_detector_network()


def grid(height, width):
    """Return the points of an image and their strides, in the order of `points_network`."""
    points = [(x, y, stride) for stride in STRIDES for y in range(0, height, stride) for x in range(0, width, stride)]
    return np.array(points, dtype=np.float32)[:, :2], np.array(points, dtype=np.float32)[:, 2:]


def test_it_is_small_and_takes_pictures_of_any_size(network):
    assert network.count_params() == 62_704
    outputs = network(np.zeros((2, 64, 96, 3), np.float32))
    maps = [(stride, name, values) for stride in STRIDES for name, values in OUTPUTS.items()]
    expected = {f"{name}_{stride}": (2, 64 // stride, 96 // stride, values) for stride, name, values in maps}
    assert {name: tuple(output.shape) for name, output in outputs.items()} == expected


def test_points_are_the_values_of_the_maps_in_order(network):
    picture = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    maps, points = network(picture), np.asarray(points_network(network)(picture))
    assert points.shape == (1, 8 * 8 + 4 * 4 + 2 * 2, 16)
    np.testing.assert_allclose(points[0, 8 * 3 + 2, 2:6], maps["box_8"][0, 3, 2], rtol=1e-5)
    np.testing.assert_allclose(points[0, 64 + 4 * 1 + 3, 6:], maps["landmarks_16"][0, 1, 3], rtol=1e-5)


def test_predictions_become_pixels():
    values = np.zeros((1, 2, 16), np.float32)
    values[0, 1, 2:6] = 0.5, 0.25, np.log(2.0), np.log(4.0)
    values[0, 1, 6:8] = 1.0, -1.0
    boxes, landmarks = decode_points(
        values, np.array([[0, 0], [16, 32]], np.float32), np.array([[8], [16]], np.float32)
    )
    np.testing.assert_allclose(np.asarray(boxes)[0], [[-4, -4, 4, 4], [8, 4, 40, 68]], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(landmarks)[0, 1, :2], [[32, 16], [16, 32]], rtol=1e-6)


def test_a_file_of_another_kind_is_refused(network):
    pytest.importorskip("onnx", reason="needs the extra train")
    with pytest.raises(ValueError, match="not an ONNX file"):
        load_yunet_weights(network, b"no model")
    with pytest.raises(ValueError, match="YuNet has 53 convolutions, and the file has 0"):
        load_yunet_weights(network, b"")


def test_with_the_published_weights_it_finds_what_opencv_finds(network, yunet_path, hopper):
    pytest.importorskip("onnx", reason="needs the extra train")
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
    load_yunet_weights(network, yunet_path.read_bytes())
    assert len(layer_names()) == 53
    picture = cv2.resize(hopper, (320, 384), interpolation=cv2.INTER_AREA)
    detector = cv2.FaceDetectorYN.create(str(yunet_path), "", (320, 384), 0.5, 0.3, 5000)
    _, faces = detector.detect(np.ascontiguousarray(picture[:, :, ::-1]))
    x, y, width, height, *landmarks, score = faces[faces[:, 14].argmax()]

    values = np.asarray(points_network(network)(picture[None].astype(np.float32)))
    scores = np.sqrt((1.0 / (1.0 + np.exp(-values[0, :, :2]))).prod(axis=1))
    best = int(scores.argmax())
    boxes, points = decode_points(values, *grid(384, 320))
    assert scores[best] == pytest.approx(score, abs=1e-4)
    np.testing.assert_allclose(np.asarray(boxes)[0, best], [x, y, x + width, y + height], atol=0.02)
    np.testing.assert_allclose(np.asarray(points)[0, best].reshape(-1), landmarks, atol=0.02)


def test_units_that_yunet_does_not_have_begin_as_nothing(network, yunet_path):
    pytest.importorskip("onnx", reason="needs the extra train")
    load_yunet_weights(network, yunet_path.read_bytes())
    features = np.random.default_rng(0).uniform(0, 1, (1, 4, 4, 64)).astype(np.float32)
    for name, stride in HIDDEN:
        x = features
        for part in ("point", "depth"):
            x = network.get_layer(f"{name}_{stride}_hidden_{part}")(x)
        np.testing.assert_allclose(x, features, atol=1e-6)


def test_the_bundled_weights_are_those_of_the_bundled_network(hopper):
    model = open_detector("detector")
    trained = face_detector_network(320, 320)
    load_weights(trained, model.read(DETECTOR_WEIGHTS))
    picture = np.zeros((1, 320, 320, 3), dtype=np.uint8)
    shown = hopper[:320, :320]
    picture[0, : shown.shape[0], : shown.shape[1]] = shown
    expected = trained.predict_on_batch(picture)
    runner = Interpreter(model_content=model.read(DETECTOR_NETWORK)).get_signature_runner()
    (name,) = runner.get_input_details()
    for key, exported in runner(**{name: picture}).items():
        assert np.corrcoef(np.asarray(expected[key]).ravel(), exported.ravel())[0, 1] > 0.97, key
