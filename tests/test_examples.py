from __future__ import annotations

import csv
import importlib.util
import io
import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage import AgeGenderEstimator, load_image
from asianage.models import folder as model_folder
from tests.conftest import draw_face
from tests.docs.command import centered_faces

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
COMPACT = model_folder.BUNDLED / "compact"


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs an example in this process and returns what it prints."""

    def run_example(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with centered_faces():
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run_example


@pytest.fixture
def photo(tmp_path) -> Path:
    Image.fromarray(draw_face(30, "female", 0, side=160)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def crop(tmp_path) -> Path:
    size = model_folder.open_model_folder(COMPACT).config.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.png")
    return tmp_path / "face.png"


NEEDED = {
    "faces_with_ray.py": "ray",
    "fine_tune_own_faces.py": "tensorflow",
    "my_recipe.py": "tensorflow",
    "folder_to_parquet.py": "pyarrow",
    "serve_uploads.py": "fastapi",
}
"""Examples -> the optional package that they import first."""


def test_each_example_is_short_and_explains_itself_without_arguments(monkeypatch):
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text("utf-8").splitlines()) < 60, path
        needed = NEEDED.get(path.name)
        # TensorFlow and Ray are slow to import.
        if needed is None or (needed not in ("tensorflow", "ray") and importlib.util.find_spec(needed)):
            monkeypatch.setattr(sys, "argv", [path.name])
            with pytest.raises(SystemExit, match=f"python examples/{path.name} [A-Z]"):
                runpy.run_path(str(path), run_name="__main__")


def test_the_photo_example_prints_and_draws_a_face(run, photo, tmp_path):
    output = run("predict_photo.py", photo, tmp_path / "labeled.jpg")
    assert re.match(r"face 1: (fe)?male \(\d+%\), \d+ years \(\d+-\d+\)\n  probability of 18 or more: \d+%\n", output)
    assert load_image(tmp_path / "labeled.jpg").shape == load_image(photo).shape


def test_the_folder_example_writes_a_line_per_face(run, photo, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    run("predict_folder.py", tmp_path, tmp_path / "faces.csv")
    (row,) = csv.DictReader((tmp_path / "faces.csv").open(encoding="utf-8"))
    assert row["file"] == str(photo)
    assert 0 <= float(row["age"]) <= 100


def test_the_parquet_example_writes_a_row_per_face_and_per_broken_file(run, photo, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    assert run("folder_to_parquet.py", tmp_path, tmp_path / "faces.parquet") == "2 rows, 1 of them with an error\n"
    rows = parquet.read_table(tmp_path / "faces.parquet").to_pylist()
    assert [Path(row["file"]).name for row in rows] == ["broken.jpg", "photo.png"]
    assert rows[0]["error"]
    assert 0 <= rows[1]["age"] <= 100


def test_the_example_with_own_boxes_estimates_these_faces(run, photo, tmp_path):
    (tmp_path / "boxes.json").write_text("[[40, 40, 120, 120], [10, 20, 60, 70]]")
    lines = run("use_own_boxes.py", photo, tmp_path / "boxes.json").splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["[40, 40, 120, 120]", "[10, 20, 60, 70]"]
    assert all(re.search(r": \d+ years, (fe)?male \(\d+%\)$", line) for line in lines)


@pytest.mark.slow
def test_the_ray_example_adds_faces_to_a_table(run, photo, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra ray")
    pictures = pytest.importorskip("pyarrow").table({"file": [str(photo), "missing.jpg"], "name": ["Mei", "Bo"]})
    parquet.write_table(pictures, tmp_path / "photos.parquet")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        run("faces_with_ray.py", tmp_path / "photos.parquet", tmp_path / "faces")
    finally:
        ray.shutdown()
    rows = parquet.read_table(tmp_path / "faces").to_pylist()
    assert [row["name"] for row in rows] == ["Mei", "Bo"]
    assert rows[1]["error"]


@pytest.fixture
def clip(hopper, tmp_path) -> Path:
    """A video of a face that stands still, of half a second."""
    pytest.importorskip("av", reason="needs the extra video")
    pytest.importorskip("trackers", reason="needs the extra video")
    from tests.apps.videos import write_video

    face = np.asarray(Image.fromarray(hopper[:420, 80:420]).resize((136, 168)))
    return write_video(tmp_path / "clip.mp4", [face] * 5)


def test_the_video_example_names_each_person_once(run, clip, monkeypatch):
    output = run("people_of_a_video.py", clip)
    assert re.fullmatch(
        r"person 1: 0\.\d to 0\.4 s, \d+ years \(\d+-\d+\), (fe)?male \(\d+%\), from \d frames\n", output
    )


def test_the_camera_example_prints_a_line_per_frame(run, clip, monkeypatch):
    from asianage.apps import video

    opened = []

    def from_the_clip(source):
        opened.append(source)
        return original(clip)

    original = video.predict_video
    monkeypatch.setattr(video, "predict_video", from_the_clip)
    lines = run("watch_camera.py", 0, 3).splitlines()
    assert opened == [0]
    assert len(lines) == 3
    assert re.fullmatch(r"0\.2 s: #1 (fe)?male \d+( \[[a-z, ]+\])?", lines[2])


def test_the_upload_example_answers_with_faces_and_refuses_what_is_no_photo(photo, monkeypatch):
    testclient = pytest.importorskip("fastapi.testclient", reason="needs fastapi and httpx")
    pytest.importorskip("python_multipart", reason="needs python-multipart")
    with centered_faces():
        example = runpy.run_path(str(EXAMPLES / "serve_uploads.py"))
        client = testclient.TestClient(example["app"])
        answer = client.post("/faces", files={"photo": photo.read_bytes()})
        assert answer.status_code == 200
        (face,) = answer.json()
        assert 0 <= face["age"] <= 100
        assert face["gender"] in ("female", "male")
        assert client.post("/faces", files={"photo": b"no image"}).status_code == 415
        small_file = io.BytesIO()
        Image.new("L", (6000, 6000)).save(small_file, "PNG")
        assert client.post("/faces", files={"photo": small_file.getvalue()}).status_code == 415
        large = b" " * (example["MAX_BYTES"] + 1)
        assert client.post("/faces", files={"photo": large}).status_code == 413


def test_the_notebook_runs_from_top_to_bottom(monkeypatch):
    matplotlib = pytest.importorskip("matplotlib", reason="needs the extra train")
    matplotlib.use("agg")
    notebook = json.loads((EXAMPLES / "tour.ipynb").read_text("utf-8"))
    namespace: dict[str, object] = {}
    for cell in notebook["cells"]:
        assert not cell.get("outputs")  # Pictures of people, and differences between machines.
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), namespace)
    assert [face.gender for face in namespace["faces"]] == ["male"]
    matplotlib.pyplot.close("all")


def test_litert_alone_predicts_what_the_estimator_predicts(run, crop):
    face = AgeGenderEstimator(detector=None).predict(crop)[0]
    low, high = face.age_interval
    expected = f"{face.age:.1f} years ({low:.1f}-{high:.1f}), {face.gender} ({face.gender_probability:.1%})\n"
    network, config = COMPACT / model_folder.NETWORK, COMPACT / model_folder.CONFIG
    assert run("run_without_asianage.py", network, config, crop) == expected


@pytest.mark.slow
def test_onnxruntime_alone_predicts_what_the_estimator_predicts(run, crop, tmp_path):
    pytest.importorskip("tf2onnx", reason="needs the extra onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    from asianage.cli import main

    assert main(["export", "compact", "--to", "onnx", "--output", str(tmp_path / "compact.onnx")]) == 0
    output = run("run_without_asianage.py", tmp_path / "compact.onnx", COMPACT / model_folder.CONFIG, crop)
    age = float(re.search(r"([\d.]+) years \(", output)[1])
    # The bundled network is quantized, the exported one is not.
    assert age == pytest.approx(AgeGenderEstimator(detector=None).predict(crop)[0].age, abs=3)


@pytest.mark.slow
def test_the_fine_tuning_example_prints_the_gain(run, tmp_path):
    pytest.importorskip("tensorflow", reason="needs the extra train")
    lines = ["file,age,gender"]
    for number in range(12):
        gender = ("female", "male")[number % 2]
        Image.fromarray(draw_face(20 + number, gender, number, side=96)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{20 + number},{gender}")
    (tmp_path / "faces.csv").write_text("\n".join(lines))
    output = run("fine_tune_own_faces.py", tmp_path / "faces.csv", tmp_path / "tuned", 1)
    assert "val_score: " in output
    assert "val_mae: " in output
    assert AgeGenderEstimator(tmp_path / "tuned" / "model", detector=None).predict(tmp_path / "0.png")


def test_the_recipe_example_is_a_data_set_a_backbone_and_a_recipe(tmp_path):
    pytest.importorskip("keras", reason="needs the extra train")
    from asianage.data import read_source
    from asianage.training.fit.network import build_network
    from asianage.training.recipes.recipe_file import read_recipe

    recipe = read_recipe(EXAMPLES / "my_recipe.py")
    (tmp_path / "0007_31_F.jpg").touch()
    [record] = read_source(tmp_path).records
    assert (record.dataset, record.identity, record.age, record.gender) == ("studio", "0007", 31.0, "female")
    assert {layer.name for layer in build_network(recipe).layers} >= {"pool", "age_logits", "gender_logit"}


def test_the_container_is_made_of_files_that_are_there_and_is_not_run_as_root():
    lines = (EXAMPLES / "Dockerfile").read_text("utf-8").splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert "examples/serve_uploads.py" in copied
    assert all((EXAMPLES.parent / name).exists() for name in copied)
    user = next(number for number, line in enumerate(lines) if line.startswith("USER "))
    assert lines[user] != "USER root"
    assert not [line for line in lines[user:] if line.startswith("RUN ")]
    (command,) = [json.loads(line.removeprefix("CMD ")) for line in lines if line.startswith("CMD ")]
    assert command[:2] == ["uvicorn", "serve_uploads:app"]
