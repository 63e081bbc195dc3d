"""Time of `import asianage`, and from the start of the command to its first result.

python tests/benchmarks/start_up.py PHOTO --detector PATH.onnx
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

ROUNDS = 9


def seconds(command: list[str]) -> float:
    """Return the median time of a whole process, after one run that is not counted."""
    times = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo")
    parser.add_argument("--detector", default="auto")
    options = parser.parse_args()
    empty = seconds([sys.executable, "-c", "pass"])
    imported = seconds([sys.executable, "-c", "import asianage"])
    command = [sys.executable, "-m", "asianage", "predict", options.photo, "--detector", options.detector]
    print(f"python -c pass: {1000 * empty:.0f} ms")
    print(f"import asianage: {1000 * (imported - empty):.0f} ms on top")
    print(f"asianage predict PHOTO, from start to end: {1000 * seconds(command):.0f} ms")


if __name__ == "__main__":
    main()
