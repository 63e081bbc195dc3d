from __future__ import annotations

import pickle

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
    assert str(error).startswith("2 image(s) could not be read; the first is number 3: too dark")
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
