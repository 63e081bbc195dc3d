from __future__ import annotations

import importlib.util
import shutil
import sys
import types

import pytest

from asianage.errors import DetectorUnavailableError, DownloadError, MissingExtraError, ModelFormatError
from asianage.faces.detection import BundledDetector, Detection, select_detector, yunet
from asianage.faces.detection.mtcnn import MTCNNDetector
from asianage.faces.detection.selection import detector_fingerprint, select_aligner
from asianage.faces.detection.yunet import YuNetDetector
from asianage.models.folder import BUNDLED, BUNDLED_DETECTOR, open_model_folder
from asianage.models.hub import HubAccess


class OwnDetector:
    name = "own"

    def detect(self, image):
        return [Detection((0.0, 0.0, 1.0, 1.0), None, 1.0)]


@pytest.fixture
def without_yunet(monkeypatch):
    pytest.importorskip("cv2", reason="needs the extra yunet")

    def fetch(file, access):
        raise DownloadError("the Hub is out of reach")

    monkeypatch.setattr(yunet, "fetch", fetch)


@pytest.fixture
def with_mtcnn(monkeypatch):
    module = types.ModuleType("mtcnn")
    module.MTCNN = lambda **options: object()
    monkeypatch.setitem(sys.modules, "mtcnn", module)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())


@pytest.fixture
def without_mtcnn(monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_a_detector_of_ones_own_is_taken_as_it_is():
    detector = OwnDetector()
    assert select_detector(detector) is detector


def test_yunet_is_fetched_with_the_options_of_the_hub(monkeypatch, yunet_path):
    asked = []
    monkeypatch.setattr(yunet, "fetch", lambda file, access: asked.append(access) or yunet_path)
    access = HubAccess(local_files_only=True)
    select_detector("yunet", access=access)
    assert asked == [access]


def test_detectors_of_the_same_name_have_different_fingerprints(tmp_path):
    bundled = BUNDLED / BUNDLED_DETECTOR
    for name in ("a", "b"):
        shutil.copytree(bundled, tmp_path / name / "model")
    other = tmp_path / "b" / "model" / "config.json"
    other.write_text(other.read_text().replace('"score_threshold": 0.68', '"score_threshold": 0.69', 1))
    same, different = (detector_fingerprint(str(tmp_path / name / "model")) for name in ("a", "b"))
    assert same == detector_fingerprint("auto") != different
    file = tmp_path / "yunet.onnx"
    file.write_bytes(b"one")
    before = detector_fingerprint(str(file))
    file.write_bytes(b"another")
    assert detector_fingerprint(str(file)) != before
    assert [detector_fingerprint(name) for name in (None, "yunet", "mtcnn")] == [None, "yunet", "mtcnn"]


def test_yunet_without_opencv_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    for detector in ("yunet", "face_detection_yunet_2023mar.onnx"):
        with pytest.raises(MissingExtraError, match=r"YuNet face detector needs the package `cv2`.*asianage\[yunet\]"):
            select_detector(detector)


@pytest.mark.parametrize("detector", [None, 5, object(), OwnDetector, types.SimpleNamespace(name="a", detect=1), []])
def test_other_objects_are_a_type_error(detector):
    with pytest.raises(TypeError, match=r"method `detect\(image\)`.*Received"):
        select_detector(detector)


@pytest.mark.parametrize("name", ["", "retina", "YuNet", "cascade.xml"])
def test_an_unknown_name_is_a_value_error(name):
    with pytest.raises(ValueError, match=f"Received: '{name}'"):
        select_detector(name)


def test_yunet_is_taken_where_its_weights_are(monkeypatch, yunet_path):
    monkeypatch.setattr(yunet, "fetch", lambda file, access: yunet_path)
    assert isinstance(select_detector("yunet"), YuNetDetector)


def test_a_path_is_yunet_from_that_file(yunet_path, without_yunet, tmp_path):
    assert isinstance(select_detector(str(yunet_path)), YuNetDetector)
    upper = tmp_path / "FACE.ONNX"
    upper.write_bytes(yunet_path.read_bytes())
    assert isinstance(select_detector(str(upper)), YuNetDetector)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        select_detector(str(tmp_path / "nowhere.onnx"))


def test_the_threshold_reaches_the_detector(yunet_path, hopper, without_yunet, with_mtcnn, monkeypatch):
    assert select_detector(yunet_path, score_threshold=0.99).detect(hopper) == []
    thresholds = []
    monkeypatch.setattr(MTCNNDetector, "__init__", lambda self, *, score_threshold: thresholds.append(score_threshold))
    select_detector("mtcnn", score_threshold=0.5)
    assert thresholds == [0.5]
    assert select_detector("auto", score_threshold=0.99).detect(hopper) == []
    assert select_detector("auto", min_face_size=400).detect(hopper) != []
    own = OwnDetector()
    assert select_detector(own, score_threshold=0.5) is own


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_that_is_no_share_is_refused(threshold):
    with pytest.raises(ValueError, match=r"`score_threshold` must lie in \[0, 1\]\. Received"):
        select_detector("auto", score_threshold=threshold)


def test_a_path_object_is_yunet_from_that_file(yunet_path, tmp_path):
    renamed = tmp_path / "weights"
    renamed.write_bytes(yunet_path.read_bytes())
    assert isinstance(select_detector(renamed), YuNetDetector)


def test_auto_is_the_detector_of_the_package_and_needs_nothing(without_yunet, without_mtcnn, hopper):
    detector = select_detector("auto")
    assert isinstance(detector, BundledDetector)
    assert detector.name == "asianage"
    (face,) = detector.detect(hopper)
    assert face.score > 0.9


def test_a_model_folder_is_a_detector_if_its_kind_says_so(tmp_path):
    shutil.copytree(BUNDLED / BUNDLED_DETECTOR, tmp_path / "mine")
    assert isinstance(select_detector(str(tmp_path / "mine")), BundledDetector)
    assert isinstance(select_detector(tmp_path / "mine"), BundledDetector)
    with pytest.raises(ModelFormatError, match="face detector is required"):
        select_detector(BUNDLED / "compact")
    opened = open_model_folder(tmp_path / "mine")
    assert isinstance(select_detector(opened), BundledDetector)
    with pytest.raises(ModelFormatError, match="face detector is required"):
        select_detector(open_model_folder(BUNDLED / "compact"))


def test_yunet_without_its_weights_names_the_remedies(without_yunet):
    with pytest.raises(DetectorUnavailableError) as caught:
        select_detector("yunet")
    message = str(caught.value)
    assert "the Hub is out of reach" in message
    assert "asianage download" in message
    assert 'detector="auto"' in message
    assert isinstance(caught.value.__cause__, DownloadError)


def test_mtcnn_by_name_needs_its_package(without_mtcnn):
    with pytest.raises(MissingExtraError, match=r"asianage\[mtcnn\]"):
        select_detector("mtcnn")


def test_an_address_is_refused_without_its_password():
    for name in ("https://user:secret@hub.example/yunet.onnx", "s3://secret/folder"):
        with pytest.raises(ValueError, match=r"Received an address\. Download the file\.") as caught:
            select_detector(name)
        assert "secret" not in str(caught.value)


def test_a_path_object_that_is_missing_gets_the_same_error_as_its_name(tmp_path):
    for name in (tmp_path / "no_folder", str(tmp_path / "no_folder")):
        with pytest.raises(ValueError, match="folder or Hub id of a face detector"):
            select_detector(name)


def test_a_detector_without_options_is_its_own_aligner(tmp_path):
    plain, strict = BundledDetector(), BundledDetector(score_threshold=0.99)
    assert select_aligner(plain) is plain
    assert select_aligner(strict) is not strict
    for other in (None, "yunet", "mtcnn", "missing.onnx", OwnDetector()):
        assert select_aligner(other).name == "asianage"
    with pytest.raises(ModelFormatError, match="face detector is required"):
        select_aligner(str(BUNDLED / "compact"))
