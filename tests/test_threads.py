from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from asianage.threads import submit

AT_EXIT = """
import atexit
import numpy as np
from asianage import AgeGenderEstimator

estimator = AgeGenderEstimator(detector=None, num_threads=2)
image = np.zeros((40, 40, 3), np.uint8)
atexit.register(lambda: print("found", len(estimator.predict([image] * 3)), estimator.estimate_crops([image] * 3)))
"""


def test_a_call_runs_in_the_pool():
    with ThreadPoolExecutor(1) as pool:
        assert submit(pool, threading.get_ident).result() != threading.get_ident()


def test_without_threads_a_call_runs_at_once(monkeypatch):
    def fail(thread):
        raise RuntimeError("can't start new thread")

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(threading.Thread, "start", fail)
        assert submit(pool, threading.get_ident).result() == threading.get_ident()
        with pytest.raises(ValueError, match="invalid literal"):
            submit(pool, int, "one").result()


def test_many_photos_are_predicted_while_the_interpreter_ends():
    done = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("found 3"), done.stderr
    assert "Traceback" not in done.stderr
