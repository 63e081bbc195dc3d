from __future__ import annotations

import inspect
import io
import json
import pickle
import threading

import numpy as np
import pytest
from PIL import Image

from asianage import (
    AgeGenderEstimator,
    BatchError,
    Detection,
    FacePrediction,
    ImageError,
    ModelFolder,
    ModelFormatError,
)
from asianage.faces import alignment
from asianage.models import folder as model_folder
from asianage.models.ages import estimated_age
from tests.prediction.fakes import FakeDetector, Tensor, noise


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
    estimate = estimator.model.config.calibration.age_estimate
    assert face.age == pytest.approx(estimated_age(face.age_axis, face.age_distribution[None], estimate)[0], abs=1e-3)
    assert face.gender in ("female", "male")
    assert 0.5 <= face.gender_probability <= 1.0
    assert face.probability_at_least(0) == pytest.approx(1.0, abs=1e-5)
    assert face.box == (0.0, 0.0, 64.0, 64.0)
    assert face.detector is None
    json.dumps(face.to_dict())


def test_an_image_without_a_face_gives_an_empty_list():
    estimator = AgeGenderEstimator(detector=FakeDetector([]))
    assert estimator.predict(noise(1)) == []
    assert estimator.predict([noise(1), noise(2)]) == [[], []]
    assert estimator.detect(noise(1)) == []


def test_without_images_there_are_no_results(estimator):
    assert estimator.predict([]) == []
    assert list(estimator.predict_stream([])) == []
    assert list(estimator.predict_stream_with_sources([])) == []
    assert estimator.predict_crops([]) == []
    arrays = estimator.estimate_crops([])
    assert len(arrays) == 0
    assert arrays.age_distributions.shape == (0, 101)


def test_faces_come_largest_first_with_the_detectors_name_and_score():
    detector = FakeDetector([Detection((0, 0, 50, 50), None, 0.8), Detection((100, 100, 250, 250), None, 0.9)])
    faces = AgeGenderEstimator(detector=detector).predict(noise(4, 320, 320))
    assert [face.box[2] - face.box[0] for face in faces] == pytest.approx([150, 50])
    assert [face.detection_score for face in faces] == [0.9, 0.8]
    assert {face.detector for face in faces} == {"fake"}


def test_many_faces_in_one_image_equal_the_same_faces_one_by_one(estimator):
    boxes = [(x, y, x + 38.0, y + 38.0) for x in range(0, 320, 40) for y in range(0, 320, 40)]
    image = noise(5, 320, 320)
    together = estimator.predict(image, faces=boxes)
    assert len(together) == 64
    for face in (together[0], together[40], together[63]):
        alone = estimator.predict(image, faces=[face.box])
        assert alone[0].age == pytest.approx(face.age, abs=1e-3)
        assert alone[0].gender_probability == pytest.approx(face.gender_probability, abs=1e-4)


def test_a_detected_face_is_predicted_as_its_crop(estimator):
    image = noise(6, 320, 320)
    box = (60.0, 50.0, 200.0, 210.0)
    detected = AgeGenderEstimator(detector=FakeDetector([Detection(box, None, 0.9)])).predict(image)[0]
    size = estimator.model.config.image_size
    crop = alignment.cut_crop(image, alignment.similarity_from_box(box), size)
    assert estimator.predict_crops([crop], align=False)[0].age == detected.age


def test_given_faces_take_the_place_of_the_detector(estimator):
    image = noise(6, 320, 320)
    boxes = [(60.0, 50.0, 100.0, 90.0), (100.0, 100.0, 200.0, 210.0)]
    landmarks = np.array([[130, 130], [170, 130], [150, 150], [135, 175], [165, 175]], np.float32)
    faces = estimator.predict(image, faces=boxes)
    assert [face.box for face in faces] == boxes
    assert {(face.detector, face.detection_score) for face in faces} == {(None, None)}
    assert estimator.predict(image, faces=np.array(boxes)) == faces
    assert estimator.predict(image, faces=[Detection(box) for box in boxes]) == faces
    assert estimator.predict(image, faces=faces) == faces
    aligned = estimator.predict(image, faces=[Detection(boxes[1], landmarks)])[0]
    np.testing.assert_array_equal(aligned.landmarks, landmarks)
    assert aligned.age != faces[1].age
    assert estimator.predict(image, faces=[]) == []
    detector = FakeDetector([Detection(box, None, 0.8) for box in boxes])
    found = AgeGenderEstimator(detector=detector).predict(image)
    assert [face.age for face in found] == [face.age for face in faces[::-1]]


def test_faces_can_be_given_for_one_image_only(estimator):
    with pytest.raises(ValueError, match="belong to one image"):
        estimator.predict([noise(1)], faces=[(0, 0, 9, 9)])
    with pytest.raises(ValueError, match="must be boxes"):
        estimator.predict(noise(1), faces=[(0, 0, 9)])


def test_detect_finds_faces_and_estimates_nothing(estimator):
    found = [Detection((0, 0, 20, 20), None, 0.8), Detection((10, 10, 50, 50), None, 0.9)]
    assert AgeGenderEstimator(detector=FakeDetector(found)).detect(noise(1)) == found[::-1]
    assert estimator.detect(noise(1)) == [Detection((0, 0, 64, 64))]


def test_faces_that_fail_a_condition_are_left_out():
    detector = FakeDetector([Detection((0, 0, side, side), None, side / 100) for side in (20, 30, 40, 50)])

    def sides(**conditions):
        return [face.box[2] for face in AgeGenderEstimator(detector=detector, **conditions).predict(noise(1))]

    assert sides() == [50, 40, 30, 20]
    assert sides(score_threshold=0.35) == [50, 40]
    assert sides(min_face_size=30) == [50, 40, 30]
    assert sides(max_faces=1) == [50]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score_threshold": 70}, r"`score_threshold` must lie in \[0, 1\]. Received: 70"),
        ({"max_faces": 0}, "`max_faces` must be None, or a whole number of 1 or more. Received: 0"),
        ({"channels": "gbr"}, '`channels` must be "rgb" or "bgr". Received: \'gbr\''),
        ({"interval_coverage": 0.42}, r"calibrated for: 0\.5, 0\.8, 0.9, 0.95"),
        ({"num_threads": 0}, "`num_threads` must be None, or a whole number of 1 or more"),
    ],
)
def test_an_option_out_of_range_is_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        AgeGenderEstimator(**options)


def test_crops_of_any_size_or_as_one_array_are_taken(estimator):
    size = estimator.model.config.image_size
    batch = np.stack([noise(seed, size, size) for seed in range(70)])
    faces = estimator.predict_crops(batch)
    assert len(faces) == 70
    assert faces[69].age == pytest.approx(estimator.predict_crops([batch[69]])[0].age, abs=1e-3)
    assert len(estimator.predict_crops([noise(1, 50, 70), noise(2, 300, 200)])) == 2
    assert len(estimator.predict_crops(noise(1))) == 1


@pytest.mark.parametrize("side", [64, None])
def test_estimates_of_crops_are_the_predictions_as_arrays(estimator, side):
    side = side or estimator.model.config.image_size
    crops = np.stack([noise(seed, side, side) for seed in range(5)])
    arrays = estimator.estimate_crops(crops)
    faces = estimator.predict_crops(crops, align=False)
    assert len(arrays) == 5
    np.testing.assert_array_equal(arrays.ages, [face.age for face in faces])
    np.testing.assert_array_equal(arrays.intervals, [face.age_interval for face in faces])
    np.testing.assert_array_equal(arrays.age_distributions, [face.age_distribution for face in faces])
    male = [face.gender_probability if face.gender == "male" else 1 - face.gender_probability for face in faces]
    np.testing.assert_allclose(arrays.male_probabilities, male, atol=1e-6)
    np.testing.assert_array_equal(estimator.estimate_crops(list(crops)).ages, arrays.ages)


def test_an_unreadable_crop_has_no_estimate(estimator):
    with pytest.raises(ImageError) as caught:
        estimator.estimate_crops([noise(1), b"nothing"])
    assert caught.value.__notes__ == ["This is the image at position 1."]


def test_features_are_the_same_alone_and_among_others(estimator):
    crops = [noise(1), noise(2)]
    features = estimator.features(crops)
    assert features.shape == (2, 720)
    assert features.dtype == np.float32
    assert np.abs(features[0] - features[1]).max() > 0.0
    np.testing.assert_array_equal(estimator.features(crops[1:]), features[1:])


def test_every_kind_of_input_gives_the_same_face(estimator, tmp_path):
    image = noise(7)
    path = tmp_path / "face.png"
    Image.fromarray(image).save(path)
    content = path.read_bytes()
    sources = [str(path), path, content, io.BytesIO(content), Image.open(path), image, image / 255.0, Tensor(image)]
    ages = [estimator.predict(source)[0].age for source in sources]
    assert ages == pytest.approx([ages[0]] * len(ages))


def test_bgr_holds_for_arrays_and_not_for_pictures(estimator, tmp_path):
    image = noise(7)
    bgr = image[:, :, ::-1]
    path = tmp_path / "face.png"
    Image.fromarray(image).save(path)
    opencv = AgeGenderEstimator(detector=None, channels="bgr")
    expected = estimator.predict(image)[0]
    assert expected.age != estimator.predict(bgr)[0].age
    for source in (bgr, path, Image.fromarray(image)):
        assert opencv.predict(source)[0] == expected
        assert opencv.predict([source])[0][0].age == expected.age
        assert opencv.predict_crops([source], align=False)[0] == expected
    size = estimator.model.config.image_size
    for side in (64, size):
        crops = np.stack([noise(seed, side, side) for seed in range(3)])
        ages = opencv.estimate_crops(crops[..., ::-1]).ages
        np.testing.assert_array_equal(ages, estimator.estimate_crops(crops).ages)


@pytest.mark.parametrize("wrong", [None, {"a.jpg": 1}, [[[1, 2, 3]]], 3])
@pytest.mark.parametrize("method", ["predict", "predict_crops", "estimate_crops"])
def test_what_is_neither_an_image_nor_images_is_a_type_error(estimator, wrong, method):
    with pytest.raises(TypeError, match=f"Received: {type(wrong).__name__}"):
        getattr(estimator, method)(wrong)


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


def test_one_bad_image_is_an_error_that_names_it(estimator, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.jpg"):
        estimator.predict(tmp_path / "missing.jpg")
    with pytest.raises(ImageError, match="bytes"):
        estimator.predict(b"")


def test_threads_get_what_a_single_thread_gets(estimator):
    images = [noise(seed) for seed in range(8)]
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
    one, other = estimator.predict_crops([crop, crop[:, ::-1]], align=False)
    assert estimator.mirror
    assert one.age == pytest.approx(other.age, abs=1e-3)


def test_intervals_grow_with_their_coverage():
    crop = noise(10)
    widths = []
    for coverage in (0.5, 0.8, 0.9, 0.95):
        low, high = AgeGenderEstimator(detector=None, interval_coverage=coverage).predict(crop)[0].age_interval
        widths.append(high - low)
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_a_saved_model_predicts_the_same(estimator, tmp_path):
    estimator.save_pretrained(tmp_path / "copy")
    again = AgeGenderEstimator(tmp_path / "copy", detector=None)
    assert again.predict(noise(1))[0].age == estimator.predict(noise(1))[0].age
    estimator.save_pretrained(tmp_path / "copy")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("something")
    with pytest.raises(FileExistsError, match="overwrite"):
        estimator.save_pretrained(tmp_path / "other")


@pytest.mark.parametrize("name", model_folder.bundled_names())
@pytest.mark.parametrize("load", [AgeGenderEstimator, AgeGenderEstimator.from_pretrained])
def test_a_bundled_model_is_loaded_by_its_name(load, name):
    for written in (name, name.upper()):
        assert load(written, detector=None).model.config.name == name
    assert repr(load(name)).startswith(f"AgeGenderEstimator(model={name!r}, path=")


def test_a_face_detector_is_no_estimator():
    folder = model_folder.BUNDLED / model_folder.BUNDLED_DETECTOR
    for model in ("detector", folder, model_folder.open_model_folder(folder)):
        with pytest.raises(ModelFormatError, match="Pass the detector as `detector=`"):
            AgeGenderEstimator.from_pretrained(model)


def test_an_opened_model_folder_is_taken_as_it_is(estimator):
    assert isinstance(estimator.model, ModelFolder)
    assert AgeGenderEstimator(estimator.model, detector=None).model is estimator.model
    with pytest.raises(ValueError, match="opened model folder"):
        AgeGenderEstimator(estimator.model, revision="main")
    with pytest.raises(TypeError, match="int"):
        AgeGenderEstimator(3)


def test_from_pretrained_spells_out_the_options_of_the_constructor():
    expected = inspect.signature(AgeGenderEstimator).parameters
    assert inspect.signature(AgeGenderEstimator.from_pretrained).parameters == expected
    assert {"detector", "channels", "max_faces", "revision", "local_files_only"} <= set(expected)
    assert "create_pr" in inspect.signature(AgeGenderEstimator().push_to_hub).parameters
    with pytest.raises(TypeError, match="detectr"):
        AgeGenderEstimator.from_pretrained("compact", detectr=None)


def test_a_wrong_detector_is_refused():
    with pytest.raises(ValueError, match="yunet"):
        AgeGenderEstimator(detector="haar").predict(noise(1))
    with pytest.raises(TypeError, match="detect"):
        AgeGenderEstimator(detector=object()).predict(noise(1))


def test_an_array_of_paths_is_many_images(estimator, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(noise(1)).save(path)
    assert len(estimator.predict(np.array([str(path)] * 3))) == 3


def test_another_process_gets_the_same_estimator(estimator, tmp_path, monkeypatch):
    estimator.save_pretrained(tmp_path / "copy")
    monkeypatch.chdir(tmp_path)
    detector = FakeDetector([Detection((0, 0, side, side), None, 0.9) for side in (20, 40, 50)])
    options = {"mirror": True, "interval_coverage": 0.5, "channels": "bgr", "max_faces": 1, "max_pixels": 5000}
    estimator = AgeGenderEstimator("./copy", detector=detector, **options)
    estimator.predict(noise(1))
    monkeypatch.chdir(tmp_path.parent)
    again = pickle.loads(pickle.dumps(estimator))
    assert again.mirror
    assert again.model == estimator.model
    assert len(again.predict(noise(1))) == 1
    assert again.predict(noise(1)) == estimator.predict(noise(1))
    with pytest.raises(ImageError, match="max_pixels=5000"):
        again.predict(noise(1, 100, 100))
