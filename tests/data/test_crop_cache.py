from __future__ import annotations

import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from asianage import AgeGenderEstimator
from asianage.data import crop_cache as crops_module
from asianage.data.crop_cache import cut_crops
from asianage.data.records import FaceRecord, read_records
from asianage.faces import alignment
from asianage.faces.crops import cut_face_crops
from asianage.faces.detection import Detection
from asianage.files import sole_writer


def seen_by_the_network(estimator, image):
    """Return the crops that a prediction hands to the network."""
    seen = []
    run = estimator._crops._network

    def spy(crops):
        seen.append(crops.copy())
        return run(crops)

    estimator._crops._network = spy
    estimator.predict(image)
    return seen[0] if seen else None


def test_training_and_prediction_cut_the_same_crop(shared_data, yunet_path, tmp_path):
    records = [
        *[FaceRecord(path, None, "male") for path in sorted((shared_data / "photos").glob("*.jpg"))[:10]],
        *[record for record in read_records(shared_data / "labels.csv") if record.dataset == "afad"][:10],
        *[record for record in read_records(shared_data / "labels.csv") if record.dataset == "utkface"][-10:],
    ]
    estimator = AgeGenderEstimator(detector=str(yunet_path))
    size = estimator.model.config.image_size
    cache = cut_crops(records, tmp_path / "crops", size=size, margin=16, detector=str(yunet_path))
    predicted = [seen_by_the_network(estimator, record.path) for record in records]
    assert sum(crops is not None for crops in predicted) >= 29
    for number, crops in enumerate(predicted):
        if crops is not None:
            np.testing.assert_array_equal(cache.inner(number), crops[0])


def test_a_picture_without_a_detected_face_is_the_same_crop_in_both(tiny_records, tmp_path):
    estimator = AgeGenderEstimator(detector=None)
    size = estimator.model.config.image_size
    cache = cut_crops(tiny_records[:3], tmp_path / "crops", size=size, margin=16, detector=None)
    for number, record in enumerate(tiny_records[:3]):
        np.testing.assert_array_equal(cache.inner(number), seen_by_the_network(estimator, record.path)[0])


def test_the_margin_shows_what_is_around_the_crop(tiny_records, tmp_path):
    cache = cut_crops(tiny_records[:1], tmp_path / "crops", size=32, margin=8, detector=None)
    assert cache.crops.shape == (1, 48, 48, 3)
    np.testing.assert_array_equal(cache.inner(0), cache.crops[0, 8:40, 8:40])


def test_crops_are_cut_once(tiny_records, tmp_path, monkeypatch):
    first = cut_crops(tiny_records[:5], tmp_path / "crops", size=32, margin=4, detector=None)
    monkeypatch.setattr(crops_module, "load_image", lambda path: pytest.fail("cut again"))
    again = cut_crops(tiny_records[:5], tmp_path / "crops", size=32, margin=4, detector=None)
    np.testing.assert_array_equal(first.crops, again.crops)


def test_other_records_or_another_size_are_cut_anew(tiny_records, tmp_path):
    cut_crops(tiny_records[:5], tmp_path / "crops", size=32, margin=4, detector=None)
    other = cut_crops(tiny_records[5:9], tmp_path / "crops", size=32, margin=4, detector=None)
    assert len(other.crops) == 4
    assert cut_crops(tiny_records[5:9], tmp_path / "crops", size=24, margin=4, detector=None).inner(0).shape[0] == 24


@pytest.mark.parametrize("file", ["crops.json", "crops.npy"])
def test_a_damaged_cache_is_cut_anew(file, tiny_records, tmp_path):
    whole = cut_crops(tiny_records[:3], tmp_path / "crops", size=32, margin=8, detector=None)
    expected = np.array(whole.crops)
    del whole
    content = (tmp_path / "crops" / file).read_bytes()
    (tmp_path / "crops" / file).write_bytes(content[: len(content) // 2])
    again = cut_crops(tiny_records[:3], tmp_path / "crops", size=32, margin=8, detector=None)
    np.testing.assert_array_equal(again.crops, expected)


def test_only_the_faces_of_the_wanted_splits_are_cut(tiny_records, tmp_path):
    records = [tiny_records[0], tiny_records[60], tiny_records[109]]
    cache = cut_crops(records, tmp_path / "crops", size=32, margin=4, detector=None, splits=("train", "test"))
    assert [record.split for record in cache.records] == ["train", "test"]
    assert len(cache.crops) == 2
    with pytest.raises(ValueError, match="none of the splits"):
        cut_crops(records[:1], tmp_path / "other", size=32, margin=4, detector=None, splits=("val",))


def test_the_largest_face_of_a_photo_is_cut(tmp_path, monkeypatch):
    class Two:
        name = "two"

        def detect(self, image):
            return [Detection((0, 0, 10, 10)), Detection((20, 20, 60, 60))]

    monkeypatch.setattr(crops_module, "select_detector", lambda name: Two())
    monkeypatch.setattr(crops_module, "detector_fingerprint", lambda name: name)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    cache = cut_crops([FaceRecord(tmp_path / "a.png", 1.0, None)], tmp_path / "c", size=16, margin=2, detector="two")
    expected = cut_face_crops(pixels, [Detection((20, 20, 60, 60))], 16, detector="two", margin=2)
    np.testing.assert_array_equal(cache.crops, expected.crops)


def test_pictures_that_have_changed_are_cut_anew_and_those_that_are_gone_are_not(tiny_records, tmp_path):
    records = [replace(record, path=tmp_path / record.path.name) for record in tiny_records[:3]]
    for before, after in zip(tiny_records, records, strict=False):
        shutil.copy(before.path, after.path)
    first = cut_crops(records, tmp_path / "crops", size=32, margin=4, detector=None).crops.copy()
    shutil.copy(tiny_records[9].path, records[1].path)
    second = cut_crops(records, tmp_path / "crops", size=32, margin=4, detector=None).crops.copy()
    assert [(a == b).all() for a, b in zip(first, second, strict=True)] == [True, False, True]
    records[0].path.unlink()
    third = cut_crops(records, tmp_path / "crops", size=32, margin=4, detector=None)
    np.testing.assert_array_equal(third.crops, second)


def test_a_folder_that_holds_something_else_is_left_alone(tiny_records, tmp_path):
    photos = tmp_path / "crops"
    photos.mkdir()
    (photos / "me.jpg").write_bytes(b"the only copy")
    with pytest.raises(FileExistsError, match="holds something else"):
        cut_crops(tiny_records[:3], photos, size=32, margin=4, detector=None)
    assert [file.name for file in photos.iterdir()] == ["me.jpg"]


def test_pictures_without_a_detected_face_are_counted(tiny_records, tmp_path, yunet_path, caplog):
    with caplog.at_level(logging.WARNING):
        cut_crops(tiny_records[:3], tmp_path / "crops", size=32, margin=4, detector=str(yunet_path))
    assert "no face was found in 3 of 3 pictures" in caplog.text


def test_unreadable_pictures_are_marked_and_reported(tiny_records, tmp_path, caplog):
    bad = tmp_path / "bad.jpg"
    bad.write_text("nothing")
    records = [tiny_records[0], FaceRecord(bad, 20.0, "male"), FaceRecord(tmp_path / "missing.jpg", 20.0, "male")]
    with caplog.at_level(logging.WARNING):
        cache = cut_crops(records, tmp_path / "crops", size=32, margin=4, detector=None)
    assert cache.readable.tolist() == [True, False, False]
    assert "bad.jpg" in caplog.text
    assert "missing.jpg" in caplog.text
    with pytest.raises(ValueError, match="None of the 2 pictures"):
        cut_crops(records[1:], tmp_path / "other", size=32, margin=4, detector=None)
    assert not (tmp_path / "other").exists()


def test_interrupted_cutting_leaves_no_cache_behind(tiny_records, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(alignment, "cut_crop", fail)
    with pytest.raises(KeyboardInterrupt):
        cut_crops(tiny_records[:3], tmp_path / "crops", size=32, margin=4, detector=None)
    monkeypatch.undo()
    assert not (tmp_path / "crops").exists()
    assert len(cut_crops(tiny_records[:3], tmp_path / "crops", size=32, margin=4, detector=None).crops) == 3


def test_two_processes_do_not_cut_into_one_folder(tiny_records, tmp_path):
    pytest.importorskip("fcntl", reason="this system has no such locks")
    (tmp_path / ".crops.partial").mkdir()
    with sole_writer(tmp_path / ".crops.partial"), pytest.raises(BlockingIOError, match="Another one is writing"):
        cut_crops(tiny_records[:3], tmp_path / "crops", size=32, margin=4, detector=None)
    assert [path.name for path in tmp_path.iterdir()] == [".crops.partial"]
    assert len(cut_crops(tiny_records[:3], tmp_path / "crops", size=32, margin=4, detector=None).crops) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["crops"]


def test_a_photo_loads_like_the_crop_of_its_bytes(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.png")
    cache = cut_crops([FaceRecord(tmp_path / "face.png", 1.0, None)], tmp_path / "c", size=64, margin=0, detector=None)
    np.testing.assert_array_equal(cache.inner(0), pixels)


def test_a_disk_that_is_too_full_is_refused_before_anything_is_cut(tiny_records, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=r"A cache of crops needs about .* GB"):
        cut_crops(tiny_records, tmp_path / "crops", size=32, margin=0, detector=None)
    assert list(tmp_path.iterdir()) == []
