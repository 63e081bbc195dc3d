from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage import BatchError, predict_table, to_rows, to_table
from asianage.faces.detection import LANDMARK_COLUMNS
from asianage.models.ages import AgeAxis
from asianage.prediction.table import MISSING, TABLE_COLUMNS
from tests.conftest import draw_face
from tests.prediction.test_face_prediction import AXIS, prediction

YOUNG, OLD = prediction(age=20.0), prediction(age=60.0, gender="male", warnings=("small", "dark"))


@pytest.fixture
def photos(tmp_path, monkeypatch) -> list[str]:
    """Two photos, and a file that is none."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Image.fromarray(draw_face(30, "female", ord(name[0]))).save(name)
    Path("broken.jpg").write_bytes(b"no image")
    return ["a.png", "broken.jpg", "b.png"]


def test_each_face_is_a_row_and_an_image_without_one_too():
    table = to_table([[YOUNG, OLD], [], [OLD]], ["a.jpg", Path("b.jpg"), "c.jpg"])
    assert tuple(table) == TABLE_COLUMNS
    assert table["position"] == [0, 0, 1, 2]
    assert table["file"] == ["a.jpg", "a.jpg", "b.jpg", "c.jpg"]
    assert table["face"] == [1, 2, None, 1]
    assert table["age"] == [20.0, 60.0, None, 60.0]
    assert table["gender"] == ["female", "male", None, "male"]
    assert table["warnings"] == ["", "small, dark", None, "small, dark"]
    assert table["error"] == [None] * 4


def test_rows_and_columns_are_the_same():
    results = [[YOUNG], [], [OLD, OLD]]
    rows, table = to_rows(results, landmarks=True), to_table(results, landmarks=True)
    assert [{name: values[row] for name, values in table.items()} for row in range(4)] == rows


def test_the_faces_of_one_photo_have_one_name():
    assert to_table([YOUNG, OLD])["position"] == to_table([YOUNG, OLD], "a.jpg")["position"] == [0, 0]
    assert to_table([YOUNG, OLD], Path("a.jpg"))["file"] == ["a.jpg", "a.jpg"]
    assert to_table([], "a.jpg")["file"] == ["a.jpg"]
    assert to_table([])["file"] == []


def test_crops_are_one_face_each():
    table = to_table([YOUNG, OLD], ["a.jpg", "b.jpg"])
    assert table["position"] == [0, 1]
    assert table["face"] == [1, 1]
    error = BatchError({1: ValueError("broken")}, [YOUNG, None, OLD])
    table = to_table(error.results, errors=error.errors)
    assert table["face"] == [1, None, 1]
    assert table["error"] == [None, "broken", None]


def test_sources_of_a_stream_are_the_names():
    stream = iter([("a.jpg", [YOUNG]), (b"bytes", [OLD, YOUNG]), (Path("c.jpg"), [])])
    assert to_table(stream)["file"] == ["a.jpg", None, None, "c.jpg"]


def test_landmarks_and_distribution_come_on_request():
    blind = prediction(landmarks=None)
    table = to_table([YOUNG, blind], landmarks=True, distribution=True)
    assert set(table) == {*TABLE_COLUMNS, *LANDMARK_COLUMNS, "age_distribution"}
    assert (table["left_eye_x"], table["mouth_right_y"]) == ([40.1, None], [90.0, None])
    np.testing.assert_allclose(table["age_distribution"][0], YOUNG.age_distribution, atol=1e-5)
    assert len(table["age_distribution"][1]) == AXIS.num_ages == AgeAxis().num_ages


@pytest.mark.parametrize("results", ["a.jpg", YOUNG, {"a.jpg": [YOUNG]}, None, [["a.jpg"]], [1], [[1]]], ids=repr)
def test_what_is_no_result_is_refused(results):
    with pytest.raises(TypeError, match="what `predict`"):
        to_table(results)


@pytest.mark.parametrize("files", [["a.jpg"], ["a.jpg"] * 3, [], "a.jpg"], ids=repr)
def test_names_belong_to_images(files):
    with pytest.raises(ValueError, match="one name per image"):
        to_table([[YOUNG], [OLD]], files)


def test_an_error_of_a_stream_stays_what_it_is():
    def stream():
        yield [YOUNG]
        raise ValueError("the camera is gone")

    with pytest.raises(ValueError, match="the camera is gone"):
        to_table(stream(), ["a.jpg", "b.jpg"])


def test_json_and_csv_take_the_rows():
    rows = to_rows([[YOUNG, OLD], []], ["a.jpg", "b.jpg"], distribution=True)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    read = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [row["age"] for row in read] == ["20.0", "60.0", ""]


def test_pandas_takes_the_table():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(to_table([[YOUNG, OLD], []], ["a.jpg", "b.jpg"]))
    assert frame.shape == (3, len(TABLE_COLUMNS))
    assert frame["age"].mean() == 40.0
    assert frame["age"].dtype == "float64"


def test_polars_takes_the_table_whatever_comes_first():
    polars = pytest.importorskip("polars")
    results = [*([] for _ in range(200)), [YOUNG]]
    frame = polars.DataFrame(to_table(results, errors={200: ValueError("x")}))
    assert frame["age"].to_list()[-1] == 20.0
    assert frame.schema["age"] == polars.Float64


def test_arrow_takes_the_table():
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(to_table([[YOUNG, OLD]], ["a.jpg"], distribution=True))
    assert table.num_rows == 2
    assert table.schema.field("gender").type == pyarrow.string()
    assert table.schema.field("age_distribution").type == pyarrow.list_(pyarrow.float64())


def test_a_list_of_paths_becomes_a_table(photos, estimator):
    table = predict_table([*photos, None, float("nan"), "", Path("a.png")], estimator)
    assert table["position"] == list(range(7))
    assert table["file"] == [*photos, None, None, None, "a.png"]
    assert table["face"] == [1, None, 1, None, None, None, 1]
    assert [error is None for error in table["error"]] == [True, False, True, False, False, False, True]
    assert "not an image" in table["error"][1]
    assert table["error"][3:6] == [MISSING] * 3
    assert table["age"][0] == round(estimator.predict("a.png")[0].age, 2)
    assert predict_table([], estimator) == {name: [] for name in TABLE_COLUMNS}


def test_encoded_images_and_wrong_values_have_rows_too(photos, estimator):
    table = predict_table(iter([Path("a.png").read_bytes(), 3, ["a.png"], "there_is_none.jpg"]), estimator)
    assert table["file"] == [None, None, None, "there_is_none.jpg"]
    assert table["face"] == [1, None, None, None]
    assert ["must be a path" in str(error) for error in table["error"][1:3]] == [True, True]
    assert "There is no file" in table["error"][3]


def test_columns_of_pandas_are_predicted(photos, estimator):
    pandas = pytest.importorskip("pandas")
    expected = predict_table([*photos, None], estimator)
    frame = pandas.DataFrame({"photo": [*photos, None]}, index=[7, 8, 9, 10])
    for column in (frame["photo"], frame["photo"].astype("object"), frame["photo"].astype("string")):
        table = predict_table(column, estimator)
        assert table["age"] == expected["age"]
        assert table["error"] == expected["error"]
    assert predict_table(pandas.Series([float("nan"), float("nan")]), estimator)["error"] == [MISSING] * 2
    joined = frame.reset_index().join(pandas.DataFrame(expected).set_index("position"))
    assert joined["photo"].tolist()[:3] == joined["file"].tolist()[:3]
    with pytest.raises(TypeError, match=r"table\['file'\]"):
        predict_table(frame, estimator)


def test_columns_of_polars_and_arrow_are_predicted(photos, estimator):
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    expected = predict_table([*photos, None], estimator)
    frame = polars.DataFrame({"photo": [*photos, None]})
    assert predict_table(frame["photo"], estimator) == expected
    assert predict_table(pyarrow.table(frame)["photo"], estimator) == expected
    for table in (frame, pyarrow.table(frame), {"photo": photos}):
        with pytest.raises(TypeError, match=r"table\['file'\]"):
            predict_table(table, estimator)


@pytest.mark.parametrize(
    "images",
    ["a.png", Path("a.png"), b"bytes", np.zeros((64, 64, 3), np.uint8), 3, None],
    ids=lambda value: type(value).__name__,
)
def test_one_image_is_no_column(images, estimator):
    with pytest.raises(TypeError, match="Pass a list"):
        predict_table(images, estimator)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_text_is_written_as_text(photos, estimator):
    odd = Path(os.fsdecode(b"caf\xe9.png"))
    try:
        odd.write_bytes(Path(photos[0]).read_bytes())
    except OSError:
        pytest.skip("this file system takes no such names")
    missing = odd.with_name(os.fsdecode(b"no\xe9.png"))
    table = predict_table([odd, missing], estimator=estimator)
    assert table["file"][0].endswith("caf\\xe9.png")
    assert "no\\xe9.png" in table["error"][-1]
    json.dumps({name: [str(value) for value in values] for name, values in table.items()}, ensure_ascii=False).encode()
