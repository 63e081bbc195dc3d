from __future__ import annotations

import json

import pytest

from asianage.evaluation.report_folder import check_report_folder, place_report

FIGURES = ("worst_ages.png",)
PARTS = {
    "predictions.csv": "file,dataset,split,age\na.jpg,x,test,20\n",
    "metrics.json": json.dumps({"datasets": {}, "all": {}}),
    "report.md": "# Report",
}


def report(folder, **changes):
    folder.mkdir(exist_ok=True)
    for name, text in {**PARTS, **changes}.items():
        (folder / name).write_text(text)
    return folder


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("present", [[], ["notes.txt"], list(PARTS), ["predictions.csv"], [*PARTS, *FIGURES]])
def test_a_new_folder_and_an_earlier_report_are_taken(tmp_path, present):
    for name in present:
        (tmp_path / name).write_text(PARTS.get(name, "old"))
    complete = report(tmp_path / "complete", **{"report.md": "new"})
    place_report(complete, tmp_path, FIGURES)
    complete.rmdir()
    assert content(tmp_path) == {
        **PARTS,
        "report.md": "new",
        **({"notes.txt": "old"} if "notes.txt" in present else {}),
    }


@pytest.mark.parametrize(
    "present",
    [
        {"predictions.csv": "time,price\n"},
        {"metrics.json": PARTS["metrics.json"]},
        {**PARTS, "metrics.json": "{}"},
        {**PARTS, "metrics.json": "not JSON"},
        {**PARTS, "predictions.csv": ""},
        {"worst_ages.png": "my photo"},
        {"report.md": "my report"},
    ],
)
def test_files_of_others_are_never_replaced(tmp_path, present):
    complete, place = report(tmp_path / "complete"), tmp_path / "place"
    place.mkdir()
    for name, text in present.items():
        (place / name).write_text(text)
    with pytest.raises(FileExistsError, match="which is not of a report"):
        place_report(complete, place, FIGURES)
    assert content(place) == present


def test_what_is_read_is_not_replaced(tmp_path, monkeypatch):
    report(tmp_path)
    monkeypatch.chdir(tmp_path)
    check_report_folder(tmp_path, FIGURES, inputs=[tmp_path / "other.csv"])
    with pytest.raises(ValueError, match="must not replace"):
        check_report_folder(tmp_path, FIGURES, inputs=[tmp_path / ".." / tmp_path.name / "predictions.csv"])
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        check_report_folder(tmp_path / "file", FIGURES)
