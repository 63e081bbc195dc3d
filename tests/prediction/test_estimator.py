from __future__ import annotations

import io
import json
import pickle
import threading

import numpy as np
import pytest
from PIL import Image

from asianage import AgeGenderEstimator, BatchError, FacePrediction, ImageError
from asianage.faces import alignment
from asianage.faces.detection import Detection
from asianage.models import folder as model_folder


class FakeDetector:
    """Finds one face for every bright square of 40 pixels that was painted at a known place."""

    name = "fake"

    def __init__(self, detections):
        self._detections = detections

    def detect(self, image):
        scale = max(image.shape[:2]) / 320
        return [face.mapped(scale) for face in self._detections]


def noise(seed: int, height: int = 320, width: int = 320) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def estimator() -> AgeGenderEstimator:
    return AgeGenderEstimator(detector=None)


def test_one_image_gives_a_list_of_faces_and_many_give_lists_in_order(estimator):
    single = estimator.predict(noise(1))
    assert [type(face) for face in single] == [FacePrediction]
    many = estimator.predict(noise(seed) for seed in (2, 1, 3))
    assert len(many) == 3
    assert many[1][0].age == pytest.approx(single[0].age, abs=1e-4)
    assert many[0][0].age != many[1][0].age


def test_a_prediction_is_complete_and_consistent(estimator):
    face = estimator.predict(noise(1))[0]
    low, high = face.age_interval
    assert 0 <= low <= face.age <= high <= 100
    assert face.interval_coverage == 0.9
    assert face.age_distribution.shape == (101,)
    assert face.age_distribution.sum() == pytest.approx(1.0, abs=1e-5)
    assert face.age == pytest.approx(float(face.age_distribution @ np.arange(101)), abs=1e-3)
    assert face.gender in ("female", "male")
    assert 0.5 <= face.gender_probability <= 1.0
    assert face.probability_at_least(0) == pytest.approx(1.0, abs=1e-5)
    assert face.box == (0.0, 0.0, 320.0, 320.0)
    assert face.detector is None
    json.dumps(face.to_dict())


def test_an_image_without_a_face_gives_an_empty_list():
    estimator = AgeGenderEstimator(detector=FakeDetector([]))
    assert estimator.predict(noise(1)) == []
    assert estimator.predict([noise(1), noise(2)]) == [[], []]


def test_faces_come_largest_first_with_the_detectors_name_and_score():
    detector = FakeDetector([Detection((0, 0, 50, 50), None, 0.8), Detection((100, 100, 250, 250), None, 0.9)])
    faces = AgeGenderEstimator(detector=detector).predict(noise(4))
    assert [face.box[2] - face.box[0] for face in faces] == pytest.approx([150, 50])
    assert [face.detection_score for face in faces] == [0.9, 0.8]
    assert {face.detector for face in faces} == {"fake"}


def test_many_faces_in_one_image_equal_the_same_faces_one_by_one():
    boxes = [(x, y, x + 38.0, y + 38.0) for x in range(0, 320, 40) for y in range(0, 320, 40)]
    image = noise(5)
    together = AgeGenderEstimator(detector=FakeDetector([Detection(b, None, 0.9) for b in boxes])).predict(image)
    assert len(together) == 64
    for face in (together[0], together[40], together[63]):
        alone = AgeGenderEstimator(detector=FakeDetector([Detection(face.box, None, 0.9)])).predict(image)
        assert alone[0].age == pytest.approx(face.age, abs=1e-3)
        assert alone[0].gender_probability == pytest.approx(face.gender_probability, abs=1e-4)


def test_a_detected_face_is_predicted_as_its_crop(estimator):
    image = noise(6)
    box = (60.0, 50.0, 200.0, 210.0)
    detected = AgeGenderEstimator(detector=FakeDetector([Detection(box, None, 0.9)])).predict(image)[0]
    size = estimator.model.config.image_size
    crop = alignment.cut_crop(image, alignment.similarity_from_box(box), size)
    assert estimator.predict_crops([crop])[0].age == detected.age


def test_crops_of_any_size_or_as_one_array_are_taken(estimator):
    size = estimator.model.config.image_size
    batch = np.stack([noise(seed, size, size) for seed in range(70)])
    faces = estimator.predict_crops(batch)
    assert len(faces) == 70
    assert faces[69].age == pytest.approx(estimator.predict_crops([batch[69]])[0].age, abs=1e-3)
    assert len(estimator.predict_crops([noise(1, 50, 70), noise(2, 300, 200)])) == 2
    assert len(estimator.predict_crops(noise(1))) == 1


def test_every_kind_of_input_gives_the_same_face(estimator, tmp_path):
    image = noise(7)
    path = tmp_path / "face.png"
    Image.fromarray(image).save(path)
    content = path.read_bytes()
    sources = [str(path), path, content, io.BytesIO(content), Image.open(path), image, image / 255.0]
    ages = [estimator.predict(source)[0].age for source in sources]
    assert ages == pytest.approx([ages[0]] * len(ages))


def test_a_bad_image_in_a_batch_leaves_the_others_done(estimator, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("not an image")
    images = [noise(1), bad, noise(2), tmp_path / "missing.jpg"]
    with pytest.raises(BatchError) as caught:
        estimator.predict(images)
    assert set(caught.value.errors) == {1, 3}
    assert [len(faces) for faces in caught.value.results] == [1, 0, 1, 0]

    seen = {}
    results = estimator.predict(images, on_error=lambda position, image, error: seen.update({position: (image, error)}))
    assert [len(faces) for faces in results] == [1, 0, 1, 0]
    assert seen[1][0] == bad
    assert isinstance(seen[1][1], ImageError)
    assert isinstance(seen[3][1], FileNotFoundError)


def test_a_bad_crop_leaves_the_others_done(estimator):
    with pytest.raises(BatchError) as caught:
        estimator.predict_crops([noise(1), b"nothing", noise(2)])
    assert [prediction is None for prediction in caught.value.results] == [False, True, False]


def test_one_bad_image_is_an_error_that_names_it(estimator, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.jpg"):
        estimator.predict(tmp_path / "missing.jpg")
    with pytest.raises(ImageError, match="bytes"):
        estimator.predict(b"")
    with pytest.raises(TypeError, match="int"):
        estimator.predict(3)


@pytest.mark.parametrize("method", ["predict", "predict_crops"])
def test_nothing_to_do_is_an_error(estimator, method):
    with pytest.raises(ValueError, match="at least one image"):
        getattr(estimator, method)([])


def test_the_stream_keeps_order_and_reads_no_further_ahead_than_it_says(estimator):
    started = []

    def images():
        for seed in range(100):
            started.append(seed)
            yield noise(seed, 64, 64)

    stream = estimator.predict_stream(images(), batch_size=8)
    first = next(stream)
    assert len(started) <= 17
    rest = list(stream)
    expected = [estimator.predict(noise(seed, 64, 64))[0].age for seed in (0, 50, 99)]
    assert [first[0].age, rest[49][0].age, rest[98][0].age] == pytest.approx(expected, abs=1e-3)


def test_a_stream_can_be_left_early(estimator):
    stream = estimator.predict_stream((noise(seed, 64, 64) for seed in range(1000)), batch_size=4)
    next(stream)
    stream.close()
    assert threading.active_count() < 20


def test_a_stream_needs_a_positive_batch_size(estimator):
    with pytest.raises(ValueError, match="batch_size"):
        next(estimator.predict_stream([noise(1)], batch_size=0))


def test_threads_get_what_a_single_thread_gets(estimator):
    images = [noise(seed, 96, 96) for seed in range(8)]
    expected = [estimator.predict(image)[0].age for image in images]
    results: dict[int, list[float]] = {}

    def work(number: int) -> None:
        results[number] = [estimator.predict(image)[0].age for image in images]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results[number] == expected for number in range(4))


def test_mirror_averaging_does_not_depend_on_the_side():
    estimator = AgeGenderEstimator(detector=None, mirror=True)
    size = estimator.model.config.image_size
    crop = noise(9, size, size)
    one, other = estimator.predict_crops([crop, crop[:, ::-1]])
    assert one.age == pytest.approx(other.age, abs=1e-3)


def test_intervals_grow_with_their_coverage():
    crop = noise(10)
    widths = []
    for coverage in (0.5, 0.8, 0.9, 0.95):
        low, high = AgeGenderEstimator(detector=None, interval_coverage=coverage).predict(crop)[0].age_interval
        widths.append(high - low)
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    with pytest.raises(ValueError, match=r"calibrated for: 0\.5, 0\.8, 0.9, 0.95"):
        AgeGenderEstimator(interval_coverage=0.42)


def test_a_saved_model_predicts_the_same(estimator, tmp_path):
    estimator.save_pretrained(tmp_path / "copy")
    again = AgeGenderEstimator.from_pretrained(tmp_path / "copy", detector=None)
    assert again.predict(noise(1))[0].age == estimator.predict(noise(1))[0].age
    estimator.save_pretrained(tmp_path / "copy")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("something")
    with pytest.raises(FileExistsError, match="overwrite"):
        estimator.save_pretrained(tmp_path / "other")


def test_the_bundled_model_is_found_by_name():
    assert "compact" in model_folder.bundled_names()
    assert AgeGenderEstimator.from_pretrained("compact", detector=None).model.config.name == "compact"


def test_a_wrong_detector_is_refused():
    with pytest.raises(ValueError, match="yunet"):
        AgeGenderEstimator(detector="haar").predict(noise(1))
    with pytest.raises(TypeError, match="detect"):
        AgeGenderEstimator(detector=object()).predict(noise(1))


def test_an_array_that_is_filled_again_and_again_is_taken_as_it_was(estimator):
    frames = [noise(seed, 64, 64) for seed in range(12)]
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
        Image.fromarray(noise(seed, 64, 64)).save(path)
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
            yield noise(seed, 64, 64)

    for faces in estimator.predict_stream(images(), batch_size=1):
        given.append(faces)
    assert len(given) == 4


def test_what_was_read_before_the_source_broke_is_finished(estimator):
    def images():
        for seed in range(5):
            yield noise(seed, 64, 64)
        yield b"no picture"
        raise ConnectionError("the camera is gone")

    results = []
    with pytest.raises(ConnectionError, match="camera") as caught:
        results.extend(estimator.predict_stream(images()))
    assert [len(faces) for faces in results] == [1, 1, 1, 1, 1, 0]
    assert "the first is number 5" in caught.value.__notes__[0]


def test_a_detector_that_fails_on_one_image_leaves_the_others_done():
    class Fragile(FakeDetector):
        def detect(self, image):
            if image.max() == 0:
                raise RuntimeError("nothing to see")
            return super().detect(image)

    images = [noise(1), np.zeros((64, 64, 3), np.uint8), noise(2)]
    with pytest.raises(BatchError, match="nothing to see") as caught:
        AgeGenderEstimator(detector=Fragile([Detection((0, 0, 99, 99), None, 0.9)])).predict(images)
    assert [len(faces) for faces in caught.value.results] == [1, 0, 1]


def test_one_image_is_no_stream(estimator, tmp_path):
    for image in ("photo.jpg", noise(1), tmp_path / "photo.jpg"):
        with pytest.raises(TypeError, match="call `predict`"):
            next(estimator.predict_stream(image))


def test_an_array_of_paths_is_many_images(estimator, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(noise(1, 64, 64)).save(path)
    assert len(estimator.predict(np.array([str(path)] * 3))) == 3


def test_a_name_instead_of_a_model_is_refused_with_the_way_to_load_it():
    with pytest.raises(TypeError, match="from_pretrained"):
        AgeGenderEstimator("accurate")


def test_another_process_gets_the_same_estimator(tmp_path, monkeypatch):
    AgeGenderEstimator().save_pretrained(tmp_path / "copy")
    monkeypatch.chdir(tmp_path)
    estimator = AgeGenderEstimator.from_pretrained("./copy", detector=None, mirror=True, interval_coverage=0.5)
    monkeypatch.chdir(tmp_path.parent)
    again = pickle.loads(pickle.dumps(estimator))
    assert again.mirror
    one, other = (each.predict(noise(1))[0] for each in (estimator, again))
    assert (one.age, one.age_interval) == (other.age, other.age_interval)
