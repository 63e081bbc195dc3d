"""Every write of the package, interrupted at every step and on a disk that is full: the old is there, or the new."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from asianage.cli.drawings import DrawingFolder
from asianage.cli.output import CSV_COLUMNS
from asianage.cli.result_file import ResultFile
from asianage.data.crop_cache import cut_crops
from asianage.data.records import FaceRecord, write_records
from asianage.data.split_file import keep_split
from asianage.evaluation.report_folder import place_report
from asianage.files import write_csv, write_text
from asianage.models.config import ModelConfig
from asianage.models.folder import NETWORK, open_model_folder, write_model_folder
from tests.faults import check_every_fault, content, failing, full_disk

CONFIG = ModelConfig(name="old", architecture="residual", image_size=32)
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def model(name, size):
    def write(folder):
        files = {NETWORK: name.encode() * size, "model.weights.h5": b"w" * size}
        write_model_folder(folder / "model", dataclasses.replace(CONFIG, name=name), files, card=name, overwrite=True)

    return write


def report(text):
    def write(folder):
        complete = folder / ".complete"
        complete.mkdir(exist_ok=True)
        parts = {
            "predictions.csv": "file,dataset,split,x\n",
            "metrics.json": '{"datasets": {}, "all": {}}',
            "report.md": "",
        }
        for name, begin in parts.items():
            (complete / name).write_text(begin + ("" if name == "metrics.json" else text))
        place_report(complete, folder / "report", ["figure.png"])

    return write


def drawing(color):
    def write(folder):
        image = Image.new("RGB", (300, 300), color)
        drawings = DrawingFolder(folder)
        drawings.save("photo.png", image, [])

    return write


def split(folder_of_pictures, age):
    records = [FaceRecord(folder_of_pictures / f"{number}.png", age, "male", split="train") for number in range(3)]
    return lambda folder: keep_split(records, folder / "split.csv", fixed=False)


WRITERS = {
    "text": (lambda f: write_text(f / "a.txt", "old"), lambda f: write_text(f / "a.txt", "new" * 99), False),
    "table": (
        lambda f: write_csv(f / "a.csv", ["x"], [[1]]),
        lambda f: write_csv(f / "a.csv", ["x"], [[2]] * 99),
        False,
    ),
    "records": (
        lambda f: write_records([FaceRecord(f / "a.jpg", 1.0, None)], f / "a.csv", f),
        lambda f: write_records([FaceRecord(f / "a.jpg", 2.0, None)] * 9, f / "a.csv", f),
        False,
    ),
    "a model": (model("old", 10), model("new", 300), False),
    "a first model": (lambda f: (f / "x").touch(), model("new", 300), False),
    "a drawing": (drawing("red"), drawing("blue"), False),
    "a report": (report("old"), report("new" * 99), True),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_write_that_is_interrupted_at_any_step_leaves_the_old_or_the_new(kind, tmp_path):
    old, new, file_by_file = WRITERS[kind]
    assert check_every_fault(tmp_path, old, new, sizes=(0, 1, 50, 250), file_by_file=file_by_file) >= 2


def test_a_split_is_whole_or_told_from_one(tmp_path):
    pictures = tmp_path / "pictures"
    (tmp_path / "trials").mkdir()
    old, new = split(pictures, 20.0), split(pictures, 30.0)
    check_every_fault(tmp_path / "trials", old, new, sizes=(0, 20), file_by_file=True)


def test_crops_are_whole_or_not_there(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "face.png")
    (tmp_path / "trials").mkdir()

    def cut(age):
        records = [FaceRecord(tmp_path / "face.png", age, "male")]
        return lambda folder: cut_crops(records, folder / "crops", size=16, margin=0, detector=None, workers=1)

    check_every_fault(tmp_path / "trials", cut(20.0), cut(30.0))


HEADING = ",".join(CSV_COLUMNS) + "\n"


def row(name):
    return name + "," * (len(CSV_COLUMNS) - 1) + "\n"


@pytest.mark.parametrize("resume", [False, True])
def test_a_table_of_results_has_whole_rows_and_goes_on(tmp_path, resume):
    names = [f"{number}.jpg" for number in range(4)]
    whole = HEADING + "".join(map(row, names))

    def write(folder, *, resume):
        file = ResultFile(folder / "results.csv", HEADING)
        done = file.finished(names) if resume else {}
        with file.appending(resume=resume) as append:
            for name in names:
                if name not in done:
                    append(row(name))

    for size in range(0, len(whole), 7):
        folder = tmp_path / str(size)
        folder.mkdir()
        if resume:
            (folder / "results.csv").write_text(HEADING + row(names[0]))
        with pytest.raises(OSError, match="go on with --resume"), full_disk(size):
            write(folder, resume=resume)
        rest = (folder / "results.csv").read_text()
        assert whole.startswith(rest)
        assert rest.endswith("\n") or not rest
        write(folder, resume=True)
        assert content(folder) == {"results.csv": whole.encode()}


def test_a_fault_is_raised_at_its_step_and_nowhere_else(tmp_path):
    (tmp_path / "in").mkdir()
    with failing(tmp_path / "in", 2, OSError("here")):
        (tmp_path / "out").write_text("")
        (tmp_path / "in" / "first").write_text("")
        with pytest.raises(OSError, match="here"):
            (tmp_path / "in" / "second").write_text("")
        (tmp_path / "in" / "third").write_text("")
    assert sorted(content(tmp_path)) == ["in/first", "in/third", "out"]


TWO = """
import sys
from asianage.models.folder import BUNDLED, open_model_folder
from asianage.models.pretrained import save_model
model = open_model_folder(BUNDLED / sys.argv[1])
for _ in range(8):
    save_model(model, sys.argv[2], overwrite=True)
"""


def test_two_processes_that_write_one_model_leave_one_of_the_two(tmp_path):
    # Both may lose the race for a moment, but what is there is always whole.
    place = tmp_path / "model"
    running = [
        subprocess.Popen([sys.executable, "-c", TWO, name, place], stderr=subprocess.PIPE)
        for name in ("compact", "accurate")
    ]
    errors = [process.communicate()[1].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    open_model_folder(place).verify()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
