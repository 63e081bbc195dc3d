"""What fine-tuning on faces from 50 years on gives these, and takes from younger ones, as a Markdown table.

python tests/benchmarks/fine_tuning.py labels.csv --detector PATH.onnx
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from asianage import AgeGenderEstimator
from asianage.training import FaceRecord, evaluate, fine_tune, read_records

FACES = (200, 100)
GROUPS = {"from 50 years": (50, np.inf), "under 50 years": (-np.inf, 50)}


def errors(estimator: AgeGenderEstimator, faces: list[FaceRecord]) -> list[float]:
    """Return the MAE of each of `GROUPS`."""
    evaluation = evaluate(estimator, faces)
    age = np.array([record.age for record in evaluation.records])
    off = np.abs(evaluation.age - age)
    return [float(off[(first <= age) & (age < end)].mean()) for first, end in GROUPS.values()]


def main() -> None:
    """Tune the bundled model on faces of All-Age-Faces' training part, and measure it on its validation part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("--detector", default="auto", help='"none" takes every picture as one face')
    options = parser.parse_args()
    detector = None if options.detector == "none" else options.detector
    known = [record for record in read_records(options.table) if record.dataset == "aaf" and record.age is not None]
    # Without their splits: fine-tuning holds out some of its own.
    old = [replace(record, split="") for record in known if record.split == "train" and (record.age or 0) >= 50]
    chosen = random.Random(0).sample(old, max(FACES))
    val = [record for record in known if record.split == "val"]
    columns = {"before": errors(AgeGenderEstimator(detector=detector), val)}
    with tempfile.TemporaryDirectory() as folder:
        for count in FACES:
            started = time.perf_counter()
            tuned = fine_tune("compact", chosen[:count], Path(folder, str(count)), detector=detector)
            columns[f"{count} faces, {time.perf_counter() - started:.0f} seconds"] = errors(tuned, val)
    print(f"| MAE, years | {' | '.join(columns)} |")
    print("|---|" + "---|" * len(columns))
    for row, group in enumerate(GROUPS):
        print(f"| {group} | {' | '.join(f'{maes[row]:.1f}' for maes in columns.values())} |")


if __name__ == "__main__":
    main()
