from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pyarrow", reason="needs the extra ray")
pytest.importorskip("fsspec", reason="needs the extra ray")

import pyarrow
from pyarrow import parquet

from asianage.apps.batch_inputs import find_photos
from asianage.apps.batch_job import HIDDEN, LIST, BatchJob, PartWriter, check_same, earlier_job, earlier_list
from asianage.models.folder import BUNDLED, BUNDLED_DETECTOR
from tests.conftest import draw_face


@pytest.fixture
def job(tmp_path, monkeypatch) -> BatchJob:
    """Seven photos, one of them broken, in parts of three."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for number in range(6):
        Image.fromarray(draw_face(30, "female", number)).save(f"photos/{number}.png")
    Path("photos/broken.jpg").write_bytes(b"no image")
    output = tmp_path / "out"
    (output / HIDDEN).mkdir(parents=True)
    job = BatchJob(
        output=str(output),
        source="photos",
        folder=str(tmp_path),
        inputs=find_photos("photos", None, f"{output}/{LIST}"),
        part_size=3,
        model_hash="1",
        distribution=False,
        num_threads=1,
        options={"detector": None},
    )
    job.save()
    return job


def write(job: BatchJob, *parts: int) -> dict[str, list[int]]:
    return PartWriter(job)({"part": np.array(parts)})


def hidden_files(job: BatchJob) -> list[str]:
    return sorted(path.name for path in Path(job.output, HIDDEN).iterdir())


def test_parts_hold_every_photo_once(job):
    assert job.num_parts == 3
    assert job.to_do() == [0, 1, 2]
    counts = write(job, 2, 0, 1)
    assert counts == {"part": [2, 0, 1], "photos": [1, 3, 3], "faces": [0, 3, 3], "errors": [1, 0, 0]}
    assert job.to_do() == []
    table = parquet.read_table(job.output)
    assert sorted(table["position"].to_pylist()) == list(range(7))
    assert sorted(table["file"].to_pylist()) == sorted(
        f"photos/{name}" for name in [*map("{}.png".format, range(6)), "broken.jpg"]
    )
    assert hidden_files(job) == ["job.json", "photos"]


def test_a_part_that_is_there_is_not_written_again(job):
    counts = write(job, 0)
    before = Path(job.part_address(0)).stat()
    assert write(job, 0) == counts
    assert Path(job.part_address(0)).stat().st_mtime_ns == before.st_mtime_ns
    assert job.to_do() == [1, 2]


def test_an_error_leaves_nothing(job, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(parquet, "write_table", fail)
    with pytest.raises(OSError, match="the disk is full"):
        write(job, 0)
    assert job.to_do() == [0, 1, 2]
    assert hidden_files(job) == ["job.json", "photos"]


def test_a_photo_that_workers_die_of_is_left_out(job):
    marks = [Path(job.output, HIDDEN, f"begun-000001-{name}") for name in "abc"]
    for mark, position in zip(marks, ("", "4", "4"), strict=True):
        mark.write_text(position)
    assert write(job, 1)["errors"] == [1]
    table = parquet.read_table(job.part_address(1))
    assert table["position"].to_pylist() == [3, 4, 5]
    assert table["file"].to_pylist() == ["photos/3.png", "photos/4.png", "photos/5.png"]
    assert table["error"].to_pylist() == [None, "The workers that read this photo died.", None]
    assert hidden_files(job) == ["job.json", "photos"]


def test_one_death_may_be_by_chance(job):
    Path(job.output, HIDDEN, "begun-000001-a").write_text("4")
    assert write(job, 1)["errors"] == [0]


def test_many_deaths_end_the_job(job):
    for number in range(10):
        Path(job.output, HIDDEN, f"begun-000001-{number}").write_text("")
    with pytest.raises(RuntimeError, match="10 workers have died of part 1"):
        write(job, 1)
    job.forget_attempts()
    assert write(job, 1)["faces"] == [3]


def test_the_mark_of_a_worker_names_the_photo_that_it_reads(job, monkeypatch):
    seen = []
    writer = PartWriter(job)
    predict = writer._predict

    def noting(photos, first, **options):
        seen.append([path.read_text() for path in Path(job.output, HIDDEN).glob("begun-*")])
        return predict(photos, first, **options)

    monkeypatch.setattr(writer, "_predict", noting)
    writer({"part": [0]})
    assert seen == [[""]]
    Path(job.output, HIDDEN, "begun-000001-a").write_text("")
    seen.clear()
    writer({"part": [1]})
    assert [sorted(marks) for marks in seen] == [["", "3"], ["", "4"], ["", "5"]]


def test_a_later_run_finds_the_same_job(job):
    earlier = earlier_job(job.output)
    assert earlier_list(earlier, job.output) == job.inputs
    moved = earlier_list(earlier, "/elsewhere")
    assert moved.files == ((f"/elsewhere/{LIST}", 7),)
    check_same(dataclasses.replace(job, num_threads=8), earlier)
    assert earlier_job(f"{job.output}/none") is None


@pytest.mark.parametrize(
    "change",
    [
        {"part_size": 4},
        {"source": "others"},
        {"model_hash": "2"},
        {"distribution": True},
        {"options": {"detector": "yunet"}},
        {"options": {"detector": None, "mirror": True}},
    ],
    ids=str,
)
def test_a_job_with_other_settings_is_refused(job, change):
    name = list(change.get("options", change))[-1]
    with pytest.raises(ValueError, match=f"`{name}` was"):
        check_same(dataclasses.replace(job, **change), earlier_job(job.output))


def test_changed_tables_are_refused(job):
    parquet.write_table(pyarrow.table({"path": ["a.png"]}), "a.parquet")
    job = dataclasses.replace(job, inputs=find_photos("a.parquet", None, ""))
    job.save()
    check_same(job, earlier_job(job.output))
    parquet.write_table(pyarrow.table({"path": ["a.png", "b.png"]}), "a.parquet")
    with pytest.raises(ValueError, match="`inputs` was other"):
        check_same(dataclasses.replace(job, inputs=find_photos("a.parquet", None, "")), earlier_job(job.output))


def test_a_folder_of_something_else_is_refused(job):
    with pytest.raises(FileExistsError, match="must be a new folder"):
        earlier_job("photos")
    settings = Path(job.output, HIDDEN, "job.json")
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "version": 3}))
    with pytest.raises(ValueError, match="another version"):
        earlier_job(job.output)


def test_parts_are_written_to_any_file_system(job):
    import fsspec

    fsspec.filesystem("memory").makedirs(f"/job/{HIDDEN}", exist_ok=True)
    there = dataclasses.replace(job, output="memory://job")
    there.save()
    assert write(there, 0)["faces"] == [3]
    assert there.to_do() == [1, 2]
    assert earlier_job("memory://job")["part_size"] == 3
    with fsspec.open(there.part_address(0)) as file:
        assert parquet.read_table(file).num_rows == 3


def test_settings_are_the_same_however_they_are_written(job):
    options = {"detector": None, "model": "compact", "mirror": False, "max_faces": None, "token": "secret"}
    check_same(dataclasses.replace(job, options=options), earlier_job(job.output))


def test_a_detector_is_known_by_its_content(job, tmp_path):
    for name, threshold in (("a", 0.5), ("b", 0.9)):
        shutil.copytree(BUNDLED / BUNDLED_DETECTOR, tmp_path / name)
        config = tmp_path / name / "config.json"
        values = json.loads(config.read_text("utf-8"))
        config.write_text(json.dumps({**values, "score_threshold": threshold}), "utf-8")
    one = dataclasses.replace(job, options={"detector": tmp_path / "a"})
    one.save()
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    check_same(dataclasses.replace(job, options={"detector": str(tmp_path / "copy")}), earlier_job(job.output))
    with pytest.raises(ValueError, match="`detector` was"):
        check_same(dataclasses.replace(job, options={"detector": tmp_path / "b"}), earlier_job(job.output))
