from __future__ import annotations

import io
import math
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from asianage.data.records import FaceRecord
from asianage.data.sources import read_source
from asianage.data.tables import is_table, read_table

ROWS = [
    {"file": "a.jpg", "age": 25, "gender": "F"},
    {"file": "b.jpg", "age": "30-39", "gender": None},
    {"file": "c.jpg", "age": None, "gender": "m"},
]
EXPECTED = [
    FaceRecord("a.jpg", 25.0, "female"),
    FaceRecord("b.jpg", None, None, age_low=30, age_high=39),
    FaceRecord("c.jpg", None, "male"),
]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}


@pytest.fixture
def images():
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for _ in range(2)]


def test_lists_and_dictionaries_are_tables():
    for table in (ROWS, COLUMNS, [{"File": row["file"], "Age": row["age"], "Gender": row["gender"]} for row in ROWS]):
        assert is_table(table)
        assert read_table(table) == EXPECTED
    assert read_source(ROWS).records == EXPECTED
    assert not is_table(EXPECTED)
    assert not is_table([])


def test_data_frames_of_pandas_are_tables():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({**COLUMNS, "age": ["25", "30-39", None]})
    assert read_source(frame).records == EXPECTED
    numbers = pandas.DataFrame({"file": ["a.jpg", "b.jpg"], "age": [25, math.nan], "gender": ["f", math.nan]})
    assert [(record.age, record.gender) for record in read_table(numbers)] == [(25.0, "female"), (None, None)]


def test_missing_values_of_pandas_are_unknown_and_whole_numbers_are_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"file": ["a.jpg", "b.jpg"], "age": [25, None], "identity": [7, None]})
    for table in (frame, frame.convert_dtypes()):
        records = read_table(table)
        assert [(record.age, record.identity) for record in records] == [(25.0, "7"), (None, "")]
    with pytest.raises(ValueError, match="the picture is empty"):
        read_table(pandas.DataFrame({"file": [None], "age": [3]}).convert_dtypes())


def test_class_labels_of_datasets_are_their_names():
    groups = SimpleNamespace(names=["0-2", "3-9", "20-29", "more than 70"])
    genders = SimpleNamespace(names=["Male", "Female"])
    rows = [{"file": f"{age}.jpg", "age": age, "gender": gender} for age, gender in ((2, 0), (3, 1), (-1, 1))]

    class Dataset(list):
        column_names = ("file", "age", "gender")

        @property
        def features(self):
            return {"file": None, "age": groups, "gender": genders}

    records = read_table(Dataset(rows))
    assert [record.age_range for record in records] == [(20.0, 29.0), (70.0, 120.0), None]
    assert [record.gender for record in records] == ["male", "female", "female"]


def test_data_frames_of_polars_are_tables():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({**COLUMNS, "age": ["25", "30-39", None]})
    assert read_source(frame).records == EXPECTED


def test_tables_of_arrow_are_tables():
    pyarrow = pytest.importorskip("pyarrow")
    assert read_source(pyarrow.table({**COLUMNS, "age": ["25", "30-39", None]})).records == EXPECTED


def test_a_dataset_of_the_hub_has_images_and_class_labels(images, tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "age": datasets.Value("int32"),
            "gender": datasets.ClassLabel(names=["Male", "Female"]),
        }
    )
    dataset = datasets.Dataset.from_dict({"image": images, "age": [25, 30], "gender": [1, 0]}, features=features)
    records = read_source(dataset, pictures=tmp_path / "pictures").records
    assert [(record.age, record.gender) for record in records] == [(25.0, "female"), (30.0, "male")]
    for record, image in zip(records, images, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(record.path)), np.asarray(image))


def test_images_in_a_table_are_written_once_under_their_content(images, tmp_path):
    content = io.BytesIO()
    images[0].save(content, "PNG")
    rows = [
        {"image": images[0], "age": 20},
        {"image": {"bytes": content.getvalue(), "path": None}, "age": 20},
        {"image": np.asarray(images[1]), "age": 30},
        {"image": {"bytes": None, "path": "d.jpg"}, "age": 40},
    ]
    records = read_table(rows, pictures=tmp_path, root="faces")
    assert [records[1].path.stem, records[1].age] == [f"{records[0].path.stem}-1", records[0].age]
    assert len(list(tmp_path.iterdir())) == 3
    assert records[3].path.as_posix() == "faces/d.jpg"
    assert read_table(rows, pictures=tmp_path, root="faces") == records


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([{"name": "a.jpg", "age": 3}], "must have a column `file`"),
        ([{"file": "a.jpg"}], "must have a column `file`"),
        ([{"file": "a.jpg", "age": 3}, {"file": "b.jpg", "age": "old"}], "Row 1 of the table: `age` must be"),
        ([{"file": "a.jpg", "gender": 1}], "Row 0 of the table: .*gender_labels"),
        ([{"file": " ", "age": 3}], "the file name is empty"),
        ([{"image": None, "age": 3}], "the picture is empty"),
        ([{"image": np.zeros((16, 16, 3), np.uint8), "age": 3}], "Pass `pictures`"),
        ({"file": [], "age": []}, "holds no rows"),
        ({"file": ["a.jpg"], "age": [17], "Age ": [40]}, "must have every column once"),
        ([{"file": "a.jpg", "age": 3}, {"file": "a.jpg", "age": 4}], "Row 1 of the table: .* is in row 0 too"),
    ],
)
def test_an_unusable_table_is_refused(table, message):
    with pytest.raises(ValueError, match=message):
        read_table(table)


def test_a_list_of_something_else_is_refused():
    with pytest.raises(TypeError, match="Received: a list of int"):
        read_source([1, 2])
