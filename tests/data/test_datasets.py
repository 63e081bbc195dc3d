from __future__ import annotations

import pytest

from asianage.data import datasets, register_dataset
from asianage.data.datasets import Dataset
from asianage.data.records import DroppedFile, FaceRecord
from asianage.data.sources import read_source, special_figures
from asianage.data.special_figures import AgeRange, SpecialFigures


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch):
    monkeypatch.setattr(datasets, "REGISTERED", known := {})
    monkeypatch.setattr("asianage.data.sources.REGISTERED", known)


def register():
    @register_dataset
    class Passports(Dataset):
        name = "passports"
        figures = SpecialFigures(age_ranges=(AgeRange(name="adults", first=18, figures=("mae",)),))

        def has(self, path):
            return path.stem.startswith("p")

        def label(self, path):
            if not self.has(path):
                return DroppedFile(path, "another name")
            return FaceRecord(path, float(path.stem[1:]), None, dataset="passports")

    return Passports


def test_a_folder_is_read_by_the_class_that_knows_its_pictures(tmp_path):
    for name in ("p31.jpg", "p42.jpg", "q.jpg", "notes.txt"):
        (tmp_path / name).touch()
    register()
    table = read_source(tmp_path)
    assert [(record.age, record.dataset) for record in table.records] == [(31.0, "passports"), (42.0, "passports")]
    assert table.reasons() == {"another name": 1, "not a picture": 1}


def test_its_special_figures_are_known_and_a_class_without_a_name_is_refused():
    assert special_figures("passports") == SpecialFigures()
    register()
    assert [ages.name for ages in special_figures("passports").age_ranges] == ["adults"]
    with pytest.raises(ValueError, match="must have a `name`"):
        register_dataset(type("Nameless", (Dataset,), {}))


def test_known_layouts_stay_known(tmp_path):
    register()
    (tmp_path / "25" / "111").mkdir(parents=True)
    (tmp_path / "25" / "111" / "1-0.jpg").touch()
    assert read_source(tmp_path).records[0].dataset == "afad"
