"""Run the cases of one kind in a process of their own, and collect how they ended."""

from __future__ import annotations

import collections
import faulthandler
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

KINDS = ("images", "folders", "tables", "commands")
"""Modules with ``prepare(work, seed, count)`` -> ``attempt(number)``, which returns the end of a case, or raises."""

LONGEST_SECONDS = 10.0
"""Processor time of a case, at most."""

PATIENCE = 300.0
"""Seconds after which a case that computes nothing hangs."""

MOST_MEGABYTES = 1000
"""Memory of the whole process."""


@dataclass
class Outcome:
    """How the cases of a kind ended."""

    kind: str
    ends: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    slowest: float = 0.0
    megabytes: float = 0.0

    def text(self) -> str:
        """Return the outcome in a few lines."""
        ends = ", ".join(f"{count:,} {end}" for end, count in self.ends.most_common())
        lines = [
            f"{self.kind}: {self.ends.total():,} cases in {self.seconds:.0f} s, the slowest took {self.slowest:.2f} s, "
            f"{self.megabytes:.0f} MB at most: {ends}"
        ]
        return "\n".join(lines + [f"  FAULT {fault}" for fault in self.faults])


def run_kind(kind: str, count: int, seed: int) -> Outcome:
    """Run cases 0 to `count` - 1 of a kind."""
    outcome, begun = Outcome(kind), time.monotonic()
    first = 0
    while first < count:
        with tempfile.TemporaryDirectory() as work:
            command = [sys.executable, "-m", "tests.fuzz.run", kind, str(seed), str(first), str(count), work]
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False, env=_environment(work)
            )
        first = _collect(outcome, done, first, count)
    outcome.seconds = time.monotonic() - begun
    if outcome.megabytes > MOST_MEGABYTES:
        outcome.faults.append(f"{outcome.megabytes:.0f} MB of memory")
    return outcome


def _environment(work: str) -> dict[str, str]:
    """Return the environment of the cases: no network, and no files of the user."""
    folders = {"HF_HOME": str(Path(work, "cache")), "HYPOTHESIS_STORAGE_DIRECTORY": str(Path(work, "hypothesis"))}
    return {**os.environ, **folders, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def _collect(outcome: Outcome, done: subprocess.CompletedProcess[str], first: int, count: int) -> int:
    """Add what a process did, and return the number of the case to go on with."""
    number = first
    for line in done.stdout.splitlines():
        if not line.startswith('{"case"'):
            continue
        case = json.loads(line)
        number = case["case"] + 1
        outcome.ends[case["end"]] += 1
        outcome.slowest = max(outcome.slowest, case["seconds"])
        outcome.megabytes = max(outcome.megabytes, case["megabytes"])
        if case["fault"]:
            outcome.faults.append(f"case {case['case']}: {case['fault']}")
    if done.returncode == 0:
        return count
    outcome.ends["ended the process"] += 1
    outcome.faults.append(f"case {number}: the process ended with {done.returncode}: {done.stderr[-1500:]}")
    return number + 1


def work_off(kind: str, seed: int, first: int, count: int, work: str) -> None:
    """Run cases in this process, and print a line of JSON for each."""
    attempt = importlib.import_module(f"tests.fuzz.{kind}").prepare(Path(work), seed, count)
    stdout = os.fdopen(os.dup(1), "w")
    for number in range(first, count):
        begun, fault = time.process_time(), ""
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        # Its signal ends the process, also within a library.
        signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
        try:
            end = attempt(number)
        except Exception as error:
            end, fault = "fault", f"{type(error).__name__}: {str(error)[:300]}"
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        seconds = time.process_time() - begun
        case = {"case": number, "end": end, "fault": fault, "seconds": seconds, "megabytes": _peak_megabytes()}
        print(json.dumps(case), file=stdout, flush=True)


def _peak_megabytes() -> float:
    """Return the largest memory of this process so far."""
    status = Path("/proc/self/status")
    if status.is_file():
        # `getrusage` would count the memory of the process that started this one.
        (line,) = (line for line in status.read_text("utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform == "linux" else 1e6)


if __name__ == "__main__":
    work_off(sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5])
