from __future__ import annotations

import math
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from asianage import threads
from asianage.threads import processor_quota, submit, usable_processors

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


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, math.inf),
        ({"cpu.max": "max 100000\n"}, math.inf),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, math.inf),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu.max": "\n"}, math.inf),
    ],
)
def test_the_limit_of_a_container_is_read(files, quota, tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "CGROUPS", tmp_path)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert processor_quota() == quota


def test_processors_are_those_that_the_process_may_use(monkeypatch):
    assert usable_processors() >= 1
    monkeypatch.setattr(threads, "processor_quota", lambda: math.inf)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert usable_processors() == 3
    monkeypatch.delattr(threads.os, "sched_getaffinity")
    for count, processors in ((None, 1), (7, 7)):
        monkeypatch.setattr(threads.os, "cpu_count", lambda count=count: count)
        assert usable_processors() == processors
    for quota, processors in ((0.5, 1), (1.5, 2), (4.0, 4), (64.0, 7)):
        monkeypatch.setattr(threads, "processor_quota", lambda quota=quota: quota)
        assert usable_processors() == processors
