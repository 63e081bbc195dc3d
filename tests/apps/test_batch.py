from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("ray", reason="needs the extra ray")
pytest.importorskip("pyarrow", reason="needs the extra ray")

from pyarrow import parquet

from asianage import Detection
from asianage.apps import batch
from asianage.apps.batch import predict_batch
from asianage.apps.batch_job import HIDDEN, BatchJob, PartWriter
from asianage.apps.face_predictor import FacePredictor
from asianage.files import sole_writer
from tests.conftest import draw_face

ROOT = Path(__file__).resolve().parents[2]

PHOTOS = 24


@pytest.fixture(scope="module")
def local_ray():
    """Two processors of a Ray that the tests of this file share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        try:
            with batch._ray(None, 2):
                yield
        except RuntimeError as error:
            if "timed out during startup" in str(error):
                pytest.skip("needs a machine with time for Ray to start")
            raise


@pytest.fixture
def photos(tmp_path) -> Path:
    """24 photos of one face each, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(PHOTOS):
        Image.fromarray(draw_face(30, "female", number)).save(folder / f"{number:02}.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


def detector(flag: Path, *, deadly: str = "") -> object:
    """Return a detector that ends the first worker in its fourth photo, and all that read a deadly one.

    It is made in a function, so that Ray sends the class along.
    """

    class Deadly:
        name = "deadly"

        def __init__(self):
            self.seen = 0

        def detect(self, image):
            self.seen += 1
            if deadly:
                if image.mean() > 250:
                    os.kill(os.getpid(), signal.SIGKILL)
            elif self.seen == 4 and not flag.exists():
                flag.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return [Detection((4.0, 4.0, 44.0, 44.0))]

    return Deadly()


def rows_of(output: Path) -> list[tuple[int, int | None]]:
    """Return position and face of all rows, sorted."""
    table = parquet.read_table(output, columns=["position", "face"])
    return sorted(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


EXPECTED = [*((number, 1) for number in range(PHOTOS)), (PHOTOS, None)]


@pytest.mark.usefixtures("local_ray")
def test_a_job_goes_on_where_it_ended_and_survives_the_death_of_a_worker(photos, tmp_path, monkeypatch):
    output, flag = tmp_path / "out", tmp_path / "flag"
    options = {"part_size": 5, "workers": 2, "detector": detector(flag), "distribution": True}
    with monkeypatch.context() as patch:
        patch.setattr(batch, "_run", write_part_1)
        done = predict_batch(photos, output, **options)
    assert (done.parts, done.parts_before, done.photos) == (1, 0, 5)
    first = output / "part-000001.parquet"
    before = first.stat().st_mtime_ns

    # A new photo does not move the others into other parts.
    Image.fromarray(draw_face(30, "male", 99)).save(photos / "00a.png")
    done = predict_batch(photos, output, **options)
    assert flag.exists()
    assert (done.parts, done.parts_before, done.photos, done.faces, done.errors) == (4, 1, 20, 19, 1)
    assert first.stat().st_mtime_ns == before
    assert rows_of(output) == EXPECTED
    assert sorted(path.name for path in (output / HIDDEN).iterdir()) == ["job.json", "photos"]
    done = predict_batch(photos, output, **options)
    assert (done.parts, done.parts_before, done.photos) == (0, 5, 0)


def write_part_1(job: BatchJob, *_: object) -> list[dict[str, int]]:
    """Stand in for an earlier run, without Ray, that ended after one part."""
    quiet = dataclasses.replace(job, options={"detector": None})
    return [{name: values[0] for name, values in PartWriter(quiet)({"part": [1]}).items()}]


@pytest.mark.usefixtures("local_ray")
def test_a_dataset_of_ray_is_predicted(photos):
    import ray

    files = [str(path) for path in sorted(photos.iterdir())]
    dataset = ray.data.from_items([{"path": file, "number": number} for number, file in enumerate(files)])
    faces = dataset.map_batches(
        FacePredictor, fn_constructor_kwargs={"detector": None}, batch_size=8, batch_format="pyarrow", concurrency=1
    ).to_pandas()
    assert sorted(faces["number"]) == list(range(PHOTOS + 1))
    assert sorted(faces["file"]) == files
    assert faces["error"].notna().sum() == 1


def test_signals_are_answered_as_before():
    before = signal.getsignal(signal.SIGTERM)
    with batch._own_signals():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_cannot_begin_is_refused_before_ray_starts(photos, tmp_path):
    for name in ("part_size", "workers", "num_threads"):
        with pytest.raises(ValueError, match=f"`{name}` must be 1 or more"):
            predict_batch(photos, tmp_path / "out", **{name: 0})
    with pytest.raises(FileNotFoundError, match="nowhere"):
        predict_batch(tmp_path / "nowhere", tmp_path / "out", detector=None)
    with pytest.raises(FileNotFoundError, match="no_model"):
        predict_batch(photos, tmp_path / "out", model="no_model")
    with pytest.raises(FileExistsError, match="must be a new folder"):
        predict_batch(photos, photos, detector=None)
    with sole_writer(tmp_path / "out"), pytest.raises(BlockingIOError, match="Another one is writing"):
        predict_batch(photos, tmp_path / "out", detector=None)


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_photo_that_ends_workers_is_a_row_with_an_error(photos, tmp_path):
    Image.fromarray(np.full((48, 48, 3), 255, np.uint8)).save(photos / "07.png")
    output = tmp_path / "out"
    done = predict_batch(photos, output, part_size=5, workers=2, detector=detector(tmp_path, deadly="white"))
    assert done.errors == 2
    table = parquet.read_table(output, columns=["file", "error"]).to_pylist()
    assert len(table) == PHOTOS + 1
    (row,) = [row for row in table if row["file"].endswith("07.png")]
    assert row["error"] == "The workers that read this photo died."


@pytest.mark.slow
def test_a_killed_job_is_resumed_from_the_command_line(photos, tmp_path):
    output = tmp_path / "out"
    command = [sys.executable, "-m", "asianage", "batch", "photos", "out", "--part-size", "1", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    job = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(output.glob("*.parquet"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    before = len(list(output.glob("*.parquet")))
    assert 3 <= before < PHOTOS + 1
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "parts were there already" in done.stderr
    assert "1 photo could not be read" in done.stderr
    positions = parquet.read_table(output, columns=["position"])["position"].to_pylist()
    assert sorted(set(positions)) == list(range(PHOTOS + 1))
