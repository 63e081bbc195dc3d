from __future__ import annotations

import io
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage.errors import ImageError
from asianage.faces.detection import BundledDetector, Detection
from asianage.models.folder import BUNDLED, BUNDLED_DETECTOR, open_model_folder
from asianage.models.hub import HubAccess
from asianage.prediction import face_finder
from asianage.prediction.face_finder import CHUNK, FaceFinder
from tests.prediction.fakes import FakeDetector, noise

OPTIONS = {
    "max_pixels": 10_000_000,
    "channels": "rgb",
    "score_threshold": None,
    "min_face_size": None,
    "max_faces": None,
}
FACES = [Detection((0, 0, 20, 20), None, 0.5), Detection((0, 0, 40, 40), None, 0.9)]


def finder(detector, size=32, **changes):
    return FaceFinder(detector, size, **{**OPTIONS, **changes})


BLACK = np.zeros((64, 64, 3), dtype=np.uint8)


def test_a_detector_of_a_caller_gets_the_whole_photo_once():
    detector = FakeDetector(FACES)
    crops = finder(detector).cut(np.zeros((3000, 2000, 3), dtype=np.uint8))
    assert detector.seen == [(3000, 2000, 3)]
    assert crops.crops.shape == (2, 32, 32, 3)
    assert crops.detections == FACES[::-1]
    assert crops.detector == "fake"


def test_conditions_hold_for_what_is_detected_and_not_for_what_is_given():
    strict = finder(FakeDetector(FACES), score_threshold=0.8, min_face_size=30, max_faces=1)
    assert strict.cut(BLACK).detections == FACES[1:]
    assert strict.cut(BLACK, FACES).detections == FACES
    assert strict.cut(BLACK, [face.box for face in FACES]).detector is None


def test_the_path_of_a_detector_is_looked_up_where_it_was_given(tmp_path, monkeypatch):
    named = []
    monkeypatch.setattr(
        "asianage.prediction.face_finder.select_detector",
        lambda detector, **options: named.append(detector) or FakeDetector([]),
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "folder").mkdir(parents=True)
    names = ("yunet.onnx", Path("faces.onnx"), "owner/folder", "owner/name", "auto")
    finders = [finder(name) for name in names]
    monkeypatch.chdir("/")
    for one in finders:
        pickle.loads(pickle.dumps(one)).load_detector()
    absolute = [str(tmp_path / "yunet.onnx"), tmp_path / "faces.onnx", str(tmp_path / "owner" / "folder")]
    assert named == [*absolute, "owner/name", "auto"]


def test_without_a_detector_the_whole_image_is_the_face():
    crops = finder(None).cut(noise(1))
    assert crops.detections == [Detection((0, 0, 64, 64))]
    assert finder(None).load_detector() is None
    np.testing.assert_array_equal(crops.crops, finder(FakeDetector([])).cut_whole(noise(1)).crops)


def test_thresholds_reach_a_detector_that_is_loaded_by_name(monkeypatch):
    loaded = []

    def select(name, **options):
        loaded.append((name, options))
        return FakeDetector([])

    monkeypatch.setattr("asianage.prediction.face_finder.select_detector", select)
    access = HubAccess(local_files_only=True)
    named = finder("yunet", score_threshold=0.3, min_face_size=20, access=access)
    assert named.load_detector() is named.load_detector()
    assert loaded == [("yunet", {"score_threshold": 0.3, "min_face_size": 20, "access": access})]


def test_in_another_process_the_detector_is_loaded_anew():
    first = finder(FakeDetector(FACES), max_faces=1)
    first.cut(BLACK)
    again = pickle.loads(pickle.dumps(first))
    assert again.cut(BLACK).detections == FACES[1:]
    assert again.load_detector().seen != []


def test_crops_come_in_batches_of_the_size_that_the_network_takes():
    exact = np.stack([noise(seed, 32, 32) for seed in range(3)])
    (batch,) = finder(None).whole_crops(exact)
    assert batch is exact
    (batch,) = finder(None, channels="bgr").whole_crops(exact)
    np.testing.assert_array_equal(batch, exact[..., ::-1])
    batches = list(finder(None).whole_crops(noise(1) for _ in range(CHUNK + 1)))
    assert [len(batch) for batch in batches] == [0, CHUNK, 1]
    assert batches[1].shape[1:] == (32, 32, 3)
    assert [len(batch) for batch in finder(None).whole_crops([])] == [0]
    assert [len(batch) for batch in finder(None).whole_crops(noise(1))] == [0, 1]


@pytest.mark.parametrize(
    "changes",
    [
        *({"score_threshold": value} for value in (1.5, "0.5", float("nan"))),
        *({"max_faces": value} for value in (-1, 2.5, "3")),
        *({"min_face_size": value} for value in ("40", -1, float("nan"))),
        *({"max_pixels": value} for value in (None, 0, "1000")),
        {"channels": "RGB"},
    ],
)
def test_options_out_of_range_are_refused(changes):
    with pytest.raises(ValueError, match=f"`{next(iter(changes))}` must"):
        finder(None, **changes)


def test_boxes_are_aligned_by_the_face_that_they_show(hopper):
    with_landmarks = finder("auto").cut(hopper)
    (face,) = with_landmarks.detections
    for detector, faces in ((None, [face.box]), (FakeDetector([Detection(face.box)]), None)):
        crops = finder(detector).cut(hopper, faces)
        np.testing.assert_array_equal(crops.detections[0].landmarks, face.landmarks)
        np.testing.assert_array_equal(crops.crops, with_landmarks.crops)
        assert crops.warnings == [()]
    empty = finder(None).cut(hopper, [(0, 0, 80, 80)])
    assert empty.detections == [Detection((0, 0, 80, 80))]
    assert empty.warnings == [("no face",)]


def test_a_crop_is_aligned_by_its_face_and_taken_whole_without_one(hopper):
    expected = finder("auto").cut(hopper)
    found = finder(None).cut_one_face(hopper)
    assert found.detector == "asianage"
    assert np.abs(found.crops.astype(int) - expected.crops).mean() < 10
    nothing = finder(None).cut_one_face(BLACK)
    np.testing.assert_array_equal(nothing.crops, finder(None).cut_whole(BLACK).crops)
    assert (nothing.detector, nothing.warnings) == (None, [("no face",)])


@pytest.mark.parametrize("faces", [None, ["a face"], [(1, 2, 3)], [(5, 5, 5, 5)]])
def test_what_a_detector_of_a_caller_returns_is_checked(faces):
    class Wrong:
        name = "wrong"

        def detect(self, image):
            return faces

    with pytest.raises(TypeError, match="`detect` of the detector 'wrong' must return a list"):
        finder(Wrong()).cut(noise(1))


def jpeg(pixels) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=95)
    return content.getvalue()


def test_a_huge_jpeg_is_searched_at_half_its_size_and_its_faces_lie_where_they_are(hopper, monkeypatch):
    photo = jpeg(hopper)
    (whole,) = finder("auto").cut(photo).detections
    monkeypatch.setattr(face_finder, "HUGE_PIXELS", 300_000)
    halved = finder("auto")
    assert halved.load(photo)[0].shape == (300, 256, 3)
    (face,) = halved.cut(photo).detections
    np.testing.assert_allclose(face.box, whole.box, atol=16)
    np.testing.assert_allclose(face.landmarks, whole.landmarks, atol=4)
    # A given box is in pixels of the file.
    for box in (whole.box, whole):
        (given,) = halved.cut(photo, [box]).detections
        np.testing.assert_allclose(given.box, whole.box, atol=1e-3)
    assert finder(None).cut(photo).detections == [Detection((0, 0, 512, 600))]
    assert finder("auto").cut_whole(photo).detections == [Detection((0, 0, 512, 600))]
    np.testing.assert_allclose(halved.cut_one_face(photo).detections[0].box, whole.box, atol=16)


def test_whoever_looks_for_small_faces_gets_the_whole_file(hopper, monkeypatch):
    monkeypatch.setattr(face_finder, "HUGE_PIXELS", 300_000)
    assert finder("auto", min_face_size=10).load(jpeg(hopper))[1] == 1.0
    content = io.BytesIO()
    Image.fromarray(hopper).save(content, "PNG")
    assert finder("auto").load(content.getvalue())[1] == 1.0
    with pytest.raises(ImageError, match="more than max_pixels=200000"):
        finder("auto", max_pixels=200_000).load(jpeg(hopper))


@pytest.mark.parametrize("form", [str, Path, open_model_folder, lambda path: BundledDetector(open_model_folder(path))])
def test_the_aligner_is_the_named_model_before_and_after_a_search(hopper, tmp_path, form):
    config = shutil.copytree(BUNDLED / BUNDLED_DETECTOR, tmp_path / "mine") / "config.json"
    config.write_text(config.read_text().replace('"name": "asianage"', '"name": "mine"'))
    fresh, used = finder(form(config.parent)), finder(form(config.parent))
    used.cut(hopper)
    for one in (fresh, used, pickle.loads(pickle.dumps(used))):
        assert one.cut_one_face(hopper).detector == "mine"


@pytest.mark.parametrize("detector", ["auto", BundledDetector(score_threshold=0.99, min_face_size=300), None])
def test_the_aligner_has_no_conditions(hopper, detector):
    expected = finder(None).cut_one_face(hopper).detections
    strict, used = (finder(detector, score_threshold=0.99, min_face_size=300) for _ in range(2))
    used.cut(hopper)
    assert strict.cut_one_face(hopper).detections == used.cut_one_face(hopper).detections == expected


@pytest.mark.parametrize("name", ["yunet", "mtcnn", "no_such_file.onnx", Path("no_such_file.onnx")])
def test_faces_are_aligned_without_loading_a_detector_that_finds_no_landmarks_in_a_box(hopper, name):
    assert finder(name).cut_one_face(hopper).detector == "asianage"


def test_the_fault_of_a_detector_is_told_from_that_of_the_program(monkeypatch):
    def broken(faces, **conditions):
        raise TypeError("not the detector's fault")

    monkeypatch.setattr(face_finder, "filter_detections", broken)
    with pytest.raises(TypeError, match=r"^not the detector's fault"):
        finder(FakeDetector(FACES)).cut(BLACK)


@pytest.mark.parametrize(
    "face", [Detection((9, 9, 5, 5)), Detection((0, 0, float("nan"), 5)), Detection((0, 0, 5, 5), None, 99.5)]
)
def test_detections_of_a_detector_are_checked_like_boxes(face):
    with pytest.raises(TypeError, match="`detect` of the detector 'fake' must return"):
        finder(FakeDetector([face])).cut(BLACK)
