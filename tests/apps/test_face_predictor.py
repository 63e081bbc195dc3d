from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pyarrow", reason="needs the extra ray")

import pyarrow

from asianage import AgeGenderEstimator
from asianage.apps.face_predictor import FacePredictor, image_column
from tests.conftest import draw_face


@pytest.fixture
def photos(tmp_path, monkeypatch) -> list[str]:
    """Two photos, and a file that is none."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Image.fromarray(draw_face(30, "female", ord(name[0]))).save(name)
    Path("broken.jpg").write_bytes(b"no image")
    return ["a.png", "broken.jpg", "b.png"]


@pytest.fixture(scope="module")
def predictor() -> FacePredictor:
    return FacePredictor(detector=None)


def test_other_columns_stay_beside_the_faces(photos, predictor):
    batch = pyarrow.table({"name": ["Mei", "x", "Bo"], "path": photos, "year": [1990, None, 2000]})
    faces = predictor(batch)
    assert faces.column_names[:4] == ["name", "year", "file", "face"]
    assert faces["name"].to_pylist() == ["Mei", "x", "Bo"]
    assert faces["year"].to_pylist() == [1990, None, 2000]
    assert faces["file"].to_pylist() == photos
    assert faces["face"].to_pylist() == [1, None, 1]
    assert faces["age"][0].as_py() == pytest.approx(AgeGenderEstimator(detector=None).predict("a.png")[0].age, abs=0.01)
    assert "not an image" in faces["error"][1].as_py()


def test_a_photo_of_several_faces_repeats_its_other_columns():
    class TwoFaces:
        name = "two"

        def detect(self, image):
            return [((4, 4, 20, 20)), ((8, 8, 40, 40))]

    predictor = FacePredictor(detector=TwoFaces())
    photo = np.asarray(draw_face(30, "male", 0))
    faces = predictor({"image": [photo, photo], "name": np.array(["Mei", "Bo"])})
    assert faces["name"].to_pylist() == ["Mei", "Mei", "Bo", "Bo"]
    assert faces["face"].to_pylist() == [1, 2, 1, 2]
    assert faces["x_min"].to_pylist() == [8, 4, 8, 4]


def test_every_format_of_a_batch_gives_the_same(photos, predictor):
    pandas = pytest.importorskip("pandas")
    batch = pyarrow.table({"path": photos, "number": [1, 2, 3]})
    expected = predictor(batch)
    assert predictor(pandas.DataFrame({"path": photos, "number": [1, 2, 3]})) == expected
    arrays = {"path": np.array(photos, dtype=object), "number": np.array([1, 2, 3])}
    assert predictor(arrays) == expected


def test_encoded_images_and_those_of_data_sets_are_read(photos, predictor):
    content = Path("a.png").read_bytes()
    values = [{"bytes": content, "path": "there/a.png"}, {"bytes": None, "path": "a.png"}, None]
    faces = predictor(pyarrow.table({"image": values}))
    assert faces["file"].to_pylist() == ["there/a.png", "a.png", None]
    assert faces["age"][0] == faces["age"][1]
    assert faces["error"].to_pylist() == [None, None, "The value is missing."]
    assert predictor({"bytes": [content]})["age"][0] == faces["age"][0]


def test_addresses_are_fetched(photos, predictor, tmp_path):
    pytest.importorskip("fsspec")
    with zipfile.ZipFile("photos.zip", "w") as archive:
        archive.write("a.png")
    addresses = [
        f"file://{tmp_path}/a.png",
        f"zip://a.png::{tmp_path}/photos.zip",
        f"file://{tmp_path}/none.png",
        "nowhere://a",
    ]
    faces = predictor({"file": addresses * 20})
    assert faces["file"].to_pylist() == addresses * 20
    assert faces["face"].to_pylist() == [1, 1, None, None] * 20
    assert faces["age"][0] == faces["age"][1] == predictor({"file": ["a.png"]})["age"][0]
    assert faces["error"][2].as_py().startswith(f"file://{tmp_path}/none.png cannot be read: FileNotFoundError")
    assert "nowhere" in faces["error"][3].as_py()


def test_relative_paths_start_from_the_folder(photos, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    faces = FacePredictor(detector=None, folder=tmp_path)({"file": ["a.png"]})
    assert faces["file"].to_pylist() == ["a.png"]
    assert faces["error"].to_pylist() == [None]


def test_types_do_not_depend_on_what_is_found(photos):
    predictor = FacePredictor(detector=None, distribution=True)
    schemas = [predictor({"file": files}).schema for files in (["a.png"], ["broken.jpg"], [])]
    assert schemas[0] == schemas[1] == schemas[2]
    assert schemas[0].field("age_distribution").type == pyarrow.list_(pyarrow.float16())
    assert schemas[0].field("age").type == pyarrow.float32()


def test_the_distribution_is_that_of_the_estimator(photos):
    faces = FacePredictor(detector=None, distribution=True)({"file": ["broken.jpg", "a.png"]})
    expected = AgeGenderEstimator(detector=None).predict("a.png")[0].age_distribution
    assert faces["age_distribution"][0].as_py() is None
    np.testing.assert_allclose(faces["age_distribution"][1].as_py(), expected, atol=1e-4)


def test_photos_that_must_not_be_read_get_the_error(photos, predictor):
    faces = predictor.predict(photos, 10, error="The workers died.")
    assert faces["position"].to_pylist() == [10, 11, 12]
    assert faces["file"].to_pylist() == photos
    assert faces["error"].to_pylist() == ["The workers died."] * 3


def test_names_of_columns_must_not_meet(photos, predictor):
    with pytest.raises(ValueError, match=r"Received: age, gender"):
        predictor({"path": photos, "age": [1, 2, 3], "gender": ["male"] * 3})


@pytest.mark.parametrize("names", [[], ["a"], ["file", "image"]])
def test_the_column_of_photos_must_be_clear(names):
    with pytest.raises(ValueError, match="`column` must name"):
        image_column(names)
    assert image_column(["a", "photo"]) == "photo"


def test_any_column_can_be_named(photos):
    faces = FacePredictor("portrait", detector=None)(pyarrow.table({"portrait": photos, "path": [1, 2, 3]}))
    assert faces["path"].to_pylist() == [1, 2, 3]
