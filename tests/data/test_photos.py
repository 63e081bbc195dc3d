from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from asianage.data.photos import (
    BOX,
    LabeledFace,
    Photo,
    photos_sha256,
    read_detection_folder,
    read_photos,
    write_photos,
)
from asianage.faces.detection import LANDMARK_COLUMNS

POINTS = np.arange(10, dtype=np.float32).reshape(5, 2)


def write(path, columns, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_the_faces_of_a_photo_are_collected(tmp_path):
    table = write(
        tmp_path / "photos.csv",
        ("file", *BOX, "label", "source", "split"),
        ("a.jpg", 1, 2, 30, 40, "masked", "street", "train"),
        ("b.jpg", 5, 5, 20, 25, "unknown", "street", "val"),
        ("a.jpg", 50, 60, 70, 90, "unmasked", "street", "train"),
    )
    first, second = read_photos(table, tmp_path / "photos", is_complete=True)
    assert (first.path, first.dataset, first.split) == (tmp_path / "photos" / "a.jpg", "street", "train")
    assert [face.box for face in first.faces] == [(1, 2, 30, 40), (50, 60, 70, 90)]
    assert [face.label for face in first.faces] == ["masked", "unmasked"]
    assert first.faces[0].is_sure
    assert not second.faces[0].is_sure


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a.jpg", "validation")], r"line 2: `split` must be train, val, test or empty. Received: 'validation'"),
        ([("a.jpg", "train"), ("a.jpg", "test")], "line 3: .*must be of one split"),
        ([("", "train")], "line 2: the file name is empty"),
    ],
)
def test_pictures_that_would_be_used_nowhere_or_twice_are_refused(rows, message, tmp_path):
    table = write(tmp_path / "photos.csv", ("file", "split"), *rows)
    with pytest.raises(ValueError, match=message):
        read_photos(table, is_complete=True)


def test_the_hash_of_photos_knows_splits_and_faces(tmp_path):
    def hashed(*rows):
        table = write(tmp_path / "photos.csv", ("file", *BOX, "split"), *rows)
        return photos_sha256(read_photos(table, is_complete=True))

    first = hashed(("a.jpg", 1, 2, 30, 40, " Train "))
    assert first == hashed(("a.jpg", 1, 2, 30, 40, "train"))
    assert len({first, hashed(("a.jpg", 1, 2, 30, 41, "train")), hashed(("a.jpg", 1, 2, 30, 40, "val"))}) == 3


def test_a_folder_of_detection_data_has_three_kinds(tmp_path):
    write(tmp_path / "photos.csv", ("file", *BOX), ("a.jpg", 1, 2, 30, 40))
    write(tmp_path / "landmarks.csv", ("file", *LANDMARK_COLUMNS, *BOX), ("b.jpg", *range(10), "", "", "", ""))
    write(tmp_path / "no_faces.csv", ("file", "source", "split"), ("c.jpg", "street", "test"))
    photo, empty, face = read_detection_folder(tmp_path)
    assert (photo.is_complete, empty.is_complete, face.is_complete) == (True, True, False)
    assert empty.faces == ()
    assert empty.path == tmp_path / "no_faces" / "c.jpg"
    assert face.faces[0].box is None
    np.testing.assert_array_equal(face.faces[0].landmarks, POINTS)


def test_photos_are_written_and_read_again(tmp_path):
    faces = LabeledFace((1, 2, 3, 4), None, "masked"), LabeledFace(None, POINTS)
    photos = [Photo(tmp_path / "a.jpg", faces, True, "d", "val"), Photo(tmp_path / "deep" / "b.jpg")]
    write_photos(photos, tmp_path / "table.csv", tmp_path)
    for photo, again in zip(photos, read_photos(tmp_path / "table.csv", is_complete=True), strict=True):
        assert (photo.path, photo.dataset, photo.split) == (again.path, again.dataset, again.split)
        for face, face_again in zip(photo.faces, again.faces, strict=True):
            assert (face.box, face.label) == (face_again.box, face_again.label)
            np.testing.assert_array_equal(face.landmarks, face_again.landmarks)


@pytest.mark.parametrize("box", [(1, 2, "", 4), (1, 2, "wide", 4), (1, 2, "nan", 4)])
def test_a_part_of_a_box_is_refused_with_its_line(box, tmp_path):
    table = write(tmp_path / "t.csv", ("file", *BOX), ("a.jpg", 1, 2, 3, 4), ("b.jpg", *box))
    with pytest.raises(ValueError, match=r"t\.csv, line 3: x_min, y_min, x_max, y_max must all be numbers"):
        read_photos(table, is_complete=True)


def test_a_box_without_area_is_refused(tmp_path):
    with pytest.raises(ValueError, match="x_min < x_max"):
        read_photos(write(tmp_path / "t.csv", ("file", *BOX), ("a.jpg", 5, 2, 5, 4)), is_complete=True)


def test_a_table_without_files_and_a_folder_without_tables_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must have the column `file`"):
        read_photos(write(tmp_path / "t.csv", BOX, (1, 2, 3, 4)), is_complete=True)
    with pytest.raises(FileNotFoundError, match=r"photos\.csv, no_faces\.csv, landmarks\.csv"):
        read_detection_folder(tmp_path)


def test_the_shared_detection_data_can_be_read(shared_data):
    photos = read_detection_folder(shared_data / "detection")
    assert sum(photo.is_complete and not photo.faces for photo in photos) == 200
    assert sum(not photo.is_complete for photo in photos) == 687 + 2737 + 664
    labels = read_photos(shared_data / "labels.csv", is_complete=False)
    aaf = [photo for photo in labels if photo.dataset == "aaf"]
    assert all(photo.faces[0].landmarks is not None for photo in aaf[:50])


def test_names_are_found_in_both_forms_of_unicode(tmp_path):
    composed, apart = (unicodedata.normalize(form, "café.jpg") for form in ("NFC", "NFD"))
    (tmp_path / apart).touch()
    (photo,) = read_photos(write(tmp_path / "t.csv", ("file",), (composed,)), is_complete=True)
    assert photo.path == tmp_path / apart
