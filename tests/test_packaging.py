from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
import zipfile
import zlib
from pathlib import Path

import pytest

import asianage
from asianage.models import folder as model_folder
from tests.lowest_versions import lowest_versions

ROOT = Path(__file__).resolve().parents[1]

MAX_WHEEL_BYTES = 15e6

DETECTOR = model_folder.BUNDLED / model_folder.BUNDLED_DETECTOR

HEAVY = {"tensorflow", "keras", "torch", "matplotlib", "mtcnn", "opencv-python-headless"}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_a_prediction_needs_none_of_the_heavy_packages(project):
    assert not {requirement.split(">")[0] for requirement in project["dependencies"]} & HEAVY


def test_every_requirement_has_a_lower_bound(project):
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    assert all(">=" in line for line in [*project["dependencies"], *extras] if not line.startswith("asianage["))


def test_the_version_is_stated_once():
    assert importlib.metadata.version("asianage") == asianage.__version__


def test_bundled_models_are_whole_and_small():
    for name in model_folder.bundled_names():
        model = model_folder.open_model_folder(model_folder.BUNDLED / name)
        assert set(model.config.files) == {model_folder.NETWORK, model_folder.WEIGHTS, model_folder.METRICS}
        assert all(len(model.read(file)) < 8e6 for file in model.config.files)


def test_the_bundled_detector_is_whole_and_small():
    detector = model_folder.require_detector(model_folder.open_model_folder(DETECTOR))
    assert {model_folder.DETECTOR_NETWORK, model_folder.LANDMARKS_NETWORK} <= set(detector.config.files)
    assert sum(len(detector.read(file)) for file in detector.config.files) < 1e6


def test_the_wheel_stays_below_its_limit():
    files = [path for path in Path(asianage.__file__).parent.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(len(zlib.compress(path.read_bytes())) for path in files) < MAX_WHEEL_BYTES - 1e5


def test_the_citation_names_this_version():
    assert f"\nversion: {asianage.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


def test_no_text_of_the_project_names_a_home_folder():
    for path in [
        *ROOT.glob("asianage/**/*.py"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("*.md"),
        *ROOT.glob("examples/*.py"),
    ]:
        text = path.read_text("utf-8")
        assert f"{Path.home()}/" not in text
        assert "/home/" not in text


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_model_and_nothing_else(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"asianage", f"asianage-{asianage.__version__}.dist-info"}
    needed = (model_folder.NETWORK, model_folder.CONFIG, model_folder.CARD)
    models = [f"models/bundled/{name}/{file}" for name in model_folder.bundled_names() for file in needed]
    models += [f"models/bundled/{path.parent.name}/{path.name}" for path in DETECTOR.iterdir()]
    for file in ("py.typed", "data/split_list.csv.xz", "training/train.py", *models):
        assert f"asianage/{file}" in names
    assert not any(name.endswith((".jpg", ".jpeg", ".png")) for name in names)
    models_size = sum(file.stat().st_size for file in model_folder.BUNDLED.glob("*/*"))
    assert wheel.stat().st_size < min(models_size + 5e5, MAX_WHEEL_BYTES)


def test_the_workflows_test_every_python_that_the_package_states(project):
    yaml = pytest.importorskip("yaml", reason="comes with the extra docs")
    stated = {name.rpartition(" ")[2] for name in project["classifiers"] if "Python :: 3." in name}
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8"))["jobs"]
    assert {"linux", "prediction", "wheel", "docs"} <= set(jobs)
    for name in ("linux", "prediction"):
        assert set(jobs[name]["strategy"]["matrix"]["python"]) == stated
    commands = [step["run"] for step in jobs["linux"]["steps"] if "run" in step]
    assert commands == ["bash .ci/run"]


def test_the_lowest_versions_are_those_of_the_core_and_of_the_wanted_extras():
    pyproject = """
    [project]
    dependencies = ["numpy>=1.26", "pillow>=11.2"]
    optional-dependencies.docs = ["mkdocstrings[python]>=0.25", "asianage[test]"]
    optional-dependencies.video = ["av>=14.2"]
    """
    lines = ["numpy==1.26", "pillow==11.2", "mkdocstrings==0.25"]
    assert lowest_versions(pyproject, ["docs"]) == lines
