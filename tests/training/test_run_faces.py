from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.data.split_file import read_split
from asianage.training.run_faces import prepare_faces, study_classes
from asianage.training.run_folder import Run
from asianage.training.study.recipes import SIMPLE_CNN_AGE, SIMPLE_CNN_GENDER, STUDY_SIMPLE_CNN
from tests.data.people import people
from tests.training.tiny_recipe import TINY


@pytest.fixture
def faces(tiny_records):
    young = [replace(record, age=15.0 + record.age % 26) for record in tiny_records]
    # A copy in another split, which cleaning leaves out.
    return [*young[:100], replace(young[0], path=young[0].path, split="test")]


def test_the_study_is_not_repeated_on_a_part_of_its_pictures(tiny_records, tmp_path):
    gone = replace(tiny_records[0], path=tmp_path / "gone.jpg", age=20.0)
    with pytest.raises(FileNotFoundError, match=r"1 of \d+ pictures are missing.*gone\.jpg"):
        prepare_faces(STUDY_SIMPLE_CNN.runs(tmp_path), [gone, *tiny_records[1:]], Run(tmp_path), split="study")


def test_every_network_of_the_study_has_the_faces_that_it_had_in_the_study(tmp_path, monkeypatch):
    monkeypatch.setattr("asianage.training.run_faces.require_all", lambda records: None)
    table = [replace(face, age=15.0 + number % 26) for number, face in enumerate(people(300))]
    planned = STUDY_SIMPLE_CNN.runs(tmp_path)
    faces = prepare_faces(planned, table, Run(tmp_path), split="study")
    gender, female, male = faces.parts
    oldest = max(face.age for face in gender if face.split == "val")
    assert oldest < 40
    assert {face.gender for face in female} == {"female"}
    assert {face.age for face in male if face.split == "val"} == {face.age for face in male}
    learned = {face.path for part in faces.parts for face in part if face.split == "train"}
    assert {face.split for face in faces.whole if face.path in learned} == {"train"}
    assert any(face.split == "val" for face in faces.whole)
    root = Path(table[0].path.parent)
    for step, part in zip(planned, faces.parts, strict=True):
        assert len(read_split(step.folder / "split.csv", root)) == len(part)
    assert len(read_split(tmp_path / "split.csv", root)) == len(faces.whole)


def test_other_splits_are_shared_and_cleaned(faces, tmp_path):
    planned = STUDY_SIMPLE_CNN.runs(tmp_path)
    prepared = prepare_faces(planned, faces, Run(tmp_path), split="random")
    assert len(prepared.whole) == 100
    where = {face.path: face.split for face in prepared.whole}
    assert all(face.split == where[face.path] for part in prepared.parts for face in part)
    assert "duplicate" in (tmp_path / "left_out.csv").read_text("utf-8")


def test_class_folders_are_those_of_the_study():
    assert [study_classes(recipe) for recipe in (SIMPLE_CNN_AGE, SIMPLE_CNN_GENDER, TINY)] == ["age", "gender", "both"]
