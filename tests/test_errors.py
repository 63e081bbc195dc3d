from __future__ import annotations

import pickle
import re
import subprocess
import sys

import pytest

import asianage
from asianage import errors


@pytest.mark.parametrize(
    ("own", "built_in"),
    [
        (errors.ImageError, ValueError),
        (errors.ModelFormatError, ValueError),
        (errors.BatchError, ValueError),
        (errors.DownloadError, OSError),
        (errors.DetectorUnavailableError, RuntimeError),
        (errors.MissingExtraError, ImportError),
    ],
)
def test_own_errors_are_caught_as_the_built_in_ones(own, built_in):
    assert issubclass(own, built_in)
    assert getattr(asianage, own.__name__) is own


def test_a_missing_extra_names_the_command_that_installs_it():
    error = errors.MissingExtraError("mtcnn", "mtcnn", "The MTCNN face detector")
    assert "The MTCNN face detector needs the package `mtcnn`" in str(error)
    assert 'pip install "asianage[mtcnn]"' in str(error)


def test_a_batch_error_tells_the_first_failure_and_keeps_everything():
    failures = {3: errors.ImageError("too dark"), 7: FileNotFoundError("gone")}
    error = errors.BatchError(failures, [["a"], [], []])
    assert str(error).startswith("2 images could not be read. At position 3: too dark")
    assert error.errors == failures
    assert error.results == [["a"], [], []]
    failures.clear()
    assert list(error.errors) == [3, 7]
    assert errors.BatchError({0: ValueError("bad")}).results == []


def test_simple_errors_survive_the_way_back_from_a_worker_process():
    for error in (errors.ImageError("dark"), errors.ModelFormatError("old"), errors.DownloadError("far")):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert str(copy) == str(error)


def test_errors_with_content_survive_the_way_back_from_a_worker_process():
    copy = pickle.loads(pickle.dumps(errors.BatchError({2: ValueError("bad")}, [["a"]])))
    assert list(copy.errors) == [2]
    assert copy.results == [["a"]]
    missing = errors.MissingExtraError("mtcnn", "mtcnn", "Detection")
    assert str(pickle.loads(pickle.dumps(missing))) == str(missing)


def test_a_missing_extra_is_named_alike_in_python_and_on_the_command_line():
    code = """
import sys
sys.modules["keras"] = sys.modules["tensorflow"] = None
from asianage import MissingExtraError
from asianage.cli import main
for statement in ("from asianage.training import train", "import asianage.training.export", "import asianage.networks"):
    try:
        exec(statement)
    except MissingExtraError as error:
        print(error, file=sys.stderr)
assert main(["train", "any", "faces.csv", "run"]) == 2
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    for line in lines:
        assert re.search(r'needs the package `(keras|cv2)`\. Install it with: pip install "asianage\[train\]"$', line)


def test_the_package_that_a_block_needs_is_named_and_other_errors_pass():
    with (
        pytest.raises(errors.MissingExtraError, match="Flying needs the package `no_such_package`"),
        errors.needs_extra("wings", "Flying"),
    ):
        import no_such_package.part  # noqa: F401
    with (
        pytest.raises(ModuleNotFoundError, match=r"asianage\.no_such_module"),
        errors.needs_extra("wings", "Flying"),
    ):
        import asianage.no_such_module  # noqa: F401
    with pytest.raises(ImportError, match="no_such_name"), errors.needs_extra("wings", "Flying"):
        from json import no_such_name  # noqa: F401
