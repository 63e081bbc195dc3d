"""Run the fuzzers: ``python -m tests.fuzz [--seed N] [KIND=COUNT ...]``. It says how many and how long.

Every kind runs in a process of its own, which is started again after a case that ended it. A case may take ten seconds
of processor time.
"""

from __future__ import annotations

import argparse
import sys

from tests.fuzz.run import KINDS, run_kind

COUNTS = {"images": 10_000, "folders": 1_000, "tables": 5_000, "commands": 500}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("counts", nargs="*", metavar="KIND=COUNT", help=f"default: {COUNTS}")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts = {kind: int(count) for kind, count in (item.split("=") for item in given.counts)} or COUNTS
    if unknown := set(counts) - set(KINDS):
        parser.error(f"the kinds are {', '.join(KINDS)}. Received: {', '.join(unknown)}")
    faults = 0
    for kind, count in counts.items():
        outcome = run_kind(kind, count, given.seed)
        print(outcome.text(), flush=True)
        faults += len(outcome.faults)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
