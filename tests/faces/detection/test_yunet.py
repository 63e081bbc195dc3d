from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from asianage import load_image
from asianage.errors import DownloadError
from asianage.faces.detection import yunet
from asianage.faces.detection.yunet import YuNetDetector
from asianage.models import hub
from asianage.models.hub import YUNET

cv2 = pytest.importorskip("cv2", reason="needs the extra yunet")


@pytest.fixture(scope="module")
def detector(yunet_path):
    return YuNetDetector(yunet_path)


def contains(box: tuple[float, float, float, float], points: np.ndarray) -> bool:
    return bool(((points >= box[:2]) & (points <= box[2:])).all())


# --- loading -----------------------------------------------------------------------------------------------------


def test_the_weights_are_the_known_ones(yunet_path):
    assert hub.sha256_of(yunet_path) == YUNET.sha256


def test_loading_is_silent_and_leaves_the_log_level_alone(yunet_path, capfd):
    log = getattr(cv2.utils, "logging", None) or pytest.skip("this OpenCV has no log level")
    before = log.getLogLevel()
    for level in (log.LOG_LEVEL_WARNING, log.LOG_LEVEL_SILENT, log.LOG_LEVEL_ERROR):
        log.setLogLevel(level)
        try:
            YuNetDetector(yunet_path)
            assert log.getLogLevel() == level
            with pytest.raises(ValueError, match="as YuNet"):
                YuNetDetector(__file__)
            assert log.getLogLevel() == level
        finally:
            log.setLogLevel(before)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.onnx.*face_detection_yunet_2023mar\.onnx"):
        YuNetDetector(tmp_path / "nowhere.onnx")
    with pytest.raises(FileNotFoundError, match="There is no file"):
        YuNetDetector(tmp_path)


@pytest.mark.parametrize("content", [b"", b"This is not a network.", bytes(10_000)])
def test_a_file_that_is_no_network_is_refused(tmp_path, content):
    path = tmp_path / "face.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read .*face\.onnx as YuNet"):
        YuNetDetector(path)


def test_a_truncated_network_is_refused(tmp_path, yunet_path):
    path = tmp_path / "face.onnx"
    path.write_bytes(yunet_path.read_bytes()[:100_000])
    with pytest.raises(ValueError, match="cannot read"):
        YuNetDetector(path)


def test_another_network_is_refused_when_it_is_loaded(tmp_path):
    onnx = pytest.importorskip("onnx")
    shape = [1, 3, 32, 32]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["in"], ["out"])],
        "relu",
        [onnx.helper.make_tensor_value_info("in", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, shape)],
    )
    opset = onnx.helper.make_opsetid("", 11)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), tmp_path / "relu.onnx")
    with pytest.raises(ValueError, match="as YuNet"):
        YuNetDetector(tmp_path / "relu.onnx")


def test_neither_the_name_nor_the_folder_of_the_file_matter(tmp_path, yunet_path, hopper, monkeypatch):
    path = tmp_path / "顔 été" / "Détecteur.ONNX"
    path.parent.mkdir()
    path.write_bytes(yunet_path.read_bytes())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name in (path, "~/顔 été/Détecteur.ONNX"):
        assert len(YuNetDetector(name).detect(hopper)) == 1


def test_without_a_path_the_weights_are_fetched(monkeypatch, yunet_path, hopper):
    asked = []

    def fetch(file, access):
        asked.append((file, access))
        return yunet_path

    monkeypatch.setattr(yunet, "fetch", fetch)
    assert len(YuNetDetector().detect(hopper)) == 1
    assert asked == [(YUNET, None)]


def test_weights_that_cannot_be_fetched_are_a_download_error(monkeypatch):
    def fetch(file, access):
        raise DownloadError("no network")

    monkeypatch.setattr(yunet, "fetch", fetch)
    with pytest.raises(DownloadError, match="no network"):
        YuNetDetector()


# --- one known face ----------------------------------------------------------------------------------------------


def test_the_face_of_the_sample_photo_is_found(detector, hopper):
    (face,) = detector.detect(hopper)
    # Read off the photo by eye.
    assert face.box == pytest.approx((185, 115, 355, 335), abs=20)
    assert face.landmarks == pytest.approx(
        np.array([[226, 191], [307, 189], [266, 238], [230, 272], [304, 272]]), abs=12
    )
    assert 0.9 < face.score <= 1.0
    assert contains(face.box, face.landmarks)


def test_landmarks_are_left_and_right_as_seen_in_the_image(detector, hopper):
    for image in (hopper, np.ascontiguousarray(hopper[:, ::-1])):
        (face,) = detector.detect(image)
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_mouth[0] < nose[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("scale", [0.2, 0.5, 2.0, 4.0])
def test_the_size_of_the_photo_changes_the_result_little(detector, hopper, scale):
    (expected,) = detector.detect(hopper)
    resized = np.asarray(Image.fromarray(hopper).resize([round(side * scale) for side in hopper.shape[1::-1]]))
    (face,) = detector.detect(resized)
    distance = np.linalg.norm(expected.landmarks[1] - expected.landmarks[0])
    errors = np.linalg.norm(face.landmarks / scale - expected.landmarks, axis=1) / distance
    assert errors.max() < 0.1


def test_a_face_that_fills_its_photo_is_found(detector, hopper):
    tight = np.ascontiguousarray(hopper[110:340, 180:360])
    (face,) = detector.detect(tight)
    (expected,) = detector.detect(hopper)
    np.testing.assert_allclose(face.landmarks, expected.landmarks - [180, 110], atol=12)


@pytest.mark.parametrize("shape", [(320, 320), (1000, 700), (16, 4000), (4000, 16), (16, 16), (37, 53)])
def test_where_there_is_no_face_there_is_none(detector, shape):
    random = np.random.default_rng(0)
    for image in (np.zeros((*shape, 3)), np.full((*shape, 3), 255), random.integers(0, 256, (*shape, 3))):
        assert detector.detect(image.astype(np.uint8)) == []


def test_faces_below_the_threshold_are_left_out(yunet_path, hopper):
    assert YuNetDetector(yunet_path, score_threshold=0.99).detect(hopper) == []


def test_one_detector_serves_several_threads(detector, hopper):
    # Of different sizes, each small enough to be searched once.
    images = [np.ascontiguousarray(hopper[top:460, 100:440]) for top in (20, 50, 80)]
    images.append(np.zeros((200, 300, 3), np.uint8))
    expected = [detector.detect(image) for image in images]
    assert [len(faces) for faces in expected] == [1, 1, 1, 0]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(detector.detect, images * 10))
    assert results == expected * 10


# --- real photos -------------------------------------------------------------------------------------------------


def test_faces_of_real_photos_are_found(detector, shared_data):
    paths = sorted((shared_data / "photos").rglob("*.jpg"))[::5]
    assert len(paths) == 60
    found = []
    for path in paths:
        image = load_image(path)
        faces = detector.detect(image)
        found.append(len(faces) > 0)
        # One person fills much of each photo.
        if faces:
            assert faces[0].area > 0.05 * image.shape[0] * image.shape[1]
    assert np.mean(found) >= 0.99


def test_all_faces_of_a_mosaic_are_found(detector, shared_data):
    paths = sorted((shared_data / "photos").rglob("*.jpg"))[:12]
    tiles = [np.asarray(Image.fromarray(load_image(path)).resize((300, 340))) for path in paths]
    mosaic = np.vstack([np.hstack(tiles[start : start + 4]) for start in (0, 4, 8)])
    faces = detector.detect(mosaic)
    assert len(faces) == 12
    centers = [((face.box[0] + face.box[2]) / 600, (face.box[1] + face.box[3]) / 680) for face in faces]
    assert {(int(x), int(y)) for x, y in centers} == {(x, y) for x in range(4) for y in range(3)}
    assert [face.area for face in faces] == sorted((face.area for face in faces), reverse=True)


def test_landmarks_are_close_to_the_annotated_ones(detector, shared_data):
    with (shared_data / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == "aaf" and row["split"] == "test"][:60]
    columns = [name for name in rows[0] if name.endswith(("_x", "_y"))]
    assert len(columns) == 10
    errors = []
    for row in rows:
        faces = detector.detect(load_image(shared_data / row["file"]))
        if faces:
            annotated = np.array([float(row[name]) for name in columns]).reshape(5, 2)
            distance = np.linalg.norm(annotated[1] - annotated[0])
            errors.append(np.linalg.norm(faces[0].landmarks - annotated, axis=1).mean() / distance)
    assert len(errors) >= 59
    assert np.mean(errors) < 0.09
