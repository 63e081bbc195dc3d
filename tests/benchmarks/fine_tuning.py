"""What fine-tuning on faces of one kind gives these, and takes from others, as a Markdown table.

python tests/benchmarks/fine_tuning.py labels.csv --kinds children women
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asianage import AgeGenderEstimator
from asianage.training import FaceRecord, evaluate, fine_tune, read_records

ADULT = 16
"""Years from which a face shows its gender."""

Choice = Callable[[FaceRecord], bool]


def is_adult(record: FaceRecord) -> bool:
    """Tell whether a face of All-Age-Faces is old enough to show its gender."""
    return record.dataset == "aaf" and (record.age or 0) >= ADULT


KINDS: dict[str, tuple[tuple[tuple[int, Choice], ...], Choice, Choice]] = {
    "from 50 years": (
        ((200, lambda r: r.dataset == "aaf" and (r.age or 0) >= 50),),
        lambda r: r.dataset == "aaf" and (r.age or 0) >= 50,
        lambda r: r.dataset == "aaf" and (r.age or 0) < 50,
    ),
    "children": (
        ((200, lambda r: r.dataset == "aaf" and (r.age or 0) < 13),),
        lambda r: r.dataset == "aaf" and (r.age or 0) < 13,
        lambda r: is_adult(r),
    ),
    "women": (
        ((80, lambda r: is_adult(r) and r.gender == "female"),),
        lambda r: is_adult(r) and r.gender == "female",
        lambda r: is_adult(r) and r.gender == "male",
    ),
    "290 women and 10 men": (
        (
            (290, lambda r: is_adult(r) and r.gender == "female"),
            (10, lambda r: is_adult(r) and r.gender == "male"),
        ),
        lambda r: is_adult(r) and r.gender == "female",
        lambda r: is_adult(r) and r.gender == "male",
    ),
    "AFAD from 30 to 39": (
        ((200, lambda r: r.dataset == "afad" and 30 <= (r.age or 0) < 40),),
        lambda r: r.dataset == "afad" and 30 <= (r.age or 0) < 40,
        lambda r: is_adult(r),
    ),
}
"""Kind -> how many training faces of which sort, the held-out faces of that kind, and the others."""


def figures(estimator: AgeGenderEstimator, faces: Sequence[FaceRecord]) -> str:
    """Return MAE in years, coverage of the 90 % interval and share of right genders."""
    overall = evaluate(estimator, list(faces)).to_dict()["all"]["overall"]
    return f"{overall['mae']:.1f}, {100 * overall['interval_coverage']:.0f} %, {100 * overall['gender_accuracy']:.0f} %"


def sample(faces: Sequence[FaceRecord], count: int) -> list[FaceRecord]:
    """Return some faces, or all if there are not more."""
    return random.Random(0).sample(list(faces), min(count, len(faces)))


def main() -> None:
    """Tune the bundled model on training faces of each kind, and measure it on validation faces of it and of others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("--detector", default="auto", help='"none" takes every picture as one face')
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--faces", type=int, default=300, help="largest number of faces to measure on")
    parser.add_argument("--train-faces", type=int, default=300, help="largest number of faces of a sort to tune on")
    options = parser.parse_args()
    detector = None if options.detector == "none" else options.detector
    known = [record for record in read_records(options.table) if record.age is not None and record.gender]
    parts = {split: [record for record in known if record.split == split] for split in ("train", "val")}
    print("MAE in years, coverage of the 90 % interval, right genders\n")
    print("| fine-tuned on | such faces before | after | others before | after | seconds |")
    print("|---|---|---|---|---|---|", flush=True)
    for kind in options.kinds:
        sorts, own, other = KINDS[kind]
        # Without their splits: fine-tuning holds out some of its own.
        learned = [
            replace(record, split="")
            for count, choice in sorts
            for record in sample(list(filter(choice, parts["train"])), min(count, options.train_faces))
        ]
        measured = [sample(list(filter(choice, parts["val"])), options.faces) for choice in (own, other)]
        before = AgeGenderEstimator(detector=detector)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            after = fine_tune("compact", learned, Path(folder, "run"), detector=detector, epochs=options.epochs)
            seconds = time.perf_counter() - started
            cells = [figures(estimator, faces) for faces in measured for estimator in (before, after)]
        counts = " + ".join(str(np.sum([choice(record) for record in learned])) for _, choice in sorts)
        print(f"| {kind} ({counts} faces) | {' | '.join(cells)} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
