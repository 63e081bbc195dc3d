"""Hand work to threads: as many as a container may run, and only where threads can be started."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


CGROUPS = Path("/sys/fs/cgroup")
"""Where Linux tells the limits of a container."""


def processor_quota() -> float:
    """Return how many processors a container may keep busy, infinity without a limit."""
    for names in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = " ".join((CGROUPS / name).read_text("ascii") for name in names).split()
            if float(quota) > 0:  # "max" is no number, and -1 means no limit.
                return float(quota) / float(period)
    return math.inf


def usable_processors() -> int:
    """Return how many processors this process may use, on its machine and in its container."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(count, processor_quota() + 0.5)))


def submit(
    pool: Executor, call: Callable[Arguments, Result], *arguments: Arguments.args, **options: Arguments.kwargs
) -> Future[Result]:
    """Submit a call to a pool, or run it in the calling thread if no thread can be started.

    No thread can be started while the interpreter shuts down, as in `atexit` functions, or at the limit of threads.
    """
    try:
        return pool.submit(call, *arguments, **options)
    except RuntimeError:
        future: Future[Result] = Future()
        try:
            future.set_result(call(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future
