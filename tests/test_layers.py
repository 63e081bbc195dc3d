from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import asianage
from asianage.models.folder import bundled_names

ROOT = Path(__file__).resolve().parents[1]

HEAVY = [
    *("tensorflow", "keras", "torch", "jax", "matplotlib", "mtcnn", "cv2"),
    *("ray", "pandas", "polars", "pyarrow", "av", "supervision", "gradio"),
]
"""Packages that a prediction must not load."""

NEED_EXTRAS = (
    "asianage.training",
    "asianage.networks",
    *(
        f"asianage.evaluation.{name}"
        for name in (
            "report",
            "age_figures",
            "contact_sheet",
            "figure_style",
            "gender_figures",
            "study_figures",
            "threshold_figures",
            "training_curves",
        )
    ),
)
"""What may import Keras or Matplotlib."""

REPORT = f"""
import json, sys
print(json.dumps(sorted(set({HEAVY!r}) & set(sys.modules))))
"""


def loaded_by(code: str, *, said: str = "", times: int = 0) -> list[str]:
    """Return the heavy packages that are loaded after `code` has run in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code + REPORT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not said or done.stderr.count(said) == times
    return json.loads(done.stdout.splitlines()[-1])


def test_imports_go_downwards():
    pytest.importorskip("importlinter")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " 0 broken" in done.stdout


def test_the_check_for_heavy_packages_sees_them():
    if importlib.util.find_spec("matplotlib") is None:
        pytest.skip("needs matplotlib")
    assert loaded_by("import matplotlib") == ["matplotlib"]


def test_importing_the_package_loads_nothing_but_itself():
    code = """
import sys
before = set(sys.modules)
import asianage
new = {name.partition(".")[0] for name in set(sys.modules) - before}
assert not new & {"numpy", "PIL", "huggingface_hub", "ai_edge_litert"}, new
assert [name for name in sys.modules if name.startswith("asianage")] == ["asianage"]
"""
    assert loaded_by(code) == []


def test_public_names_are_there_and_load_nothing_heavy():
    assert sorted(asianage.__all__) == asianage.__all__
    code = """
import asianage
for name in asianage.__all__:
    assert name in dir(asianage)
    assert getattr(asianage, name).__name__ == name
"""
    assert loaded_by(code) == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'predict_brain'"):
        asianage.predict_brain  # noqa: B018


def test_everything_but_training_is_imported_without_the_extras():
    code = f"""
import importlib, pkgutil, sys
for name in {HEAVY!r}:
    sys.modules[name] = None
import asianage
for found in pkgutil.walk_packages(asianage.__path__, "asianage.", onerror=lambda name: None):
    if not found.name.startswith({NEED_EXTRAS!r}) and "__main__" not in found.name:
        importlib.import_module(found.name)
for name in {HEAVY!r}:
    del sys.modules[name]
assert "asianage.cli" in sys.modules and "asianage.faces.detection.mtcnn" in sys.modules
"""
    assert loaded_by(code) == []


def test_what_training_needs_is_told_and_baselines_need_nothing():
    code = f"""
import sys
for name in {HEAVY!r}:
    sys.modules[name] = None
from asianage import MissingExtraError, cli
from asianage.training import read_records, run_baseline
for name in ("train", "fine_tune", "save_report", "recipes"):
    try:
        exec("from asianage.training import " + name)
    except MissingExtraError as error:
        assert "asianage[train]" in str(error), error
    else:
        raise AssertionError(name)
assert not hasattr(sys.modules["asianage.training"], "trian")
for command in ("train residual x y", "fine-tune compact x y", "export compact --to keras"):
    assert cli.main(command.split()) == 2
for name in {HEAVY!r}:
    del sys.modules[name]
"""
    assert loaded_by(code, said="asianage[train]", times=3) == []


def test_importing_changes_nothing_in_the_process():
    code = """
import logging, os, random, warnings
def state():
    return (dict(os.environ), logging.root.handlers[:], logging.root.level, random.getstate(), warnings.filters[:])
import ai_edge_litert.interpreter, numpy, PIL.Image, huggingface_hub  # What these change is not ours.
before, seed = state(), numpy.random.get_state()[1].tolist()
limit = PIL.Image.MAX_IMAGE_PIXELS
import asianage, asianage.prediction.estimator, asianage.models.pretrained, asianage.prediction.drawing
import asianage.faces.detection, asianage.cli
assert state() == before
assert numpy.random.get_state()[1].tolist() == seed
assert PIL.Image.MAX_IMAGE_PIXELS == limit
"""
    loaded_by(code)


@pytest.mark.skipif(not bundled_names(), reason="needs a bundled model, which this checkout does not have")
def test_a_prediction_loads_nothing_heavy():
    code = """
import numpy as np
from asianage import AgeGenderEstimator
crop = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
faces = AgeGenderEstimator().predict_crops([crop] * 40, align=False)
assert len(faces) == 40 and 0 <= faces[0].age <= 100
assert len(AgeGenderEstimator(detector=None).predict(crop)) == 1
"""
    assert loaded_by(code) == []


@pytest.mark.skipif(not bundled_names(), reason="needs a bundled model, which this checkout does not have")
def test_a_prediction_with_the_default_detector_loads_nothing_heavy():
    code = """
import numpy as np
from asianage import AgeGenderEstimator
assert AgeGenderEstimator().predict(np.zeros((200, 300, 3), np.uint8)) == []
import sys
assert not {"huggingface_hub", "ssl", "importlib.metadata"} & set(sys.modules)  # They make a start longer.
"""
    assert loaded_by(code) == []
