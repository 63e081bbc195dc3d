"""Accuracy, speed and size of the bundled network in each precision that it can be exported in, as a Markdown table.

python tests/benchmarks/precisions.py labels.csv --detector PATH.onnx
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from asianage.ages import AgeAxis, expected_age, softmax
from asianage.config import GENDERS
from asianage.hub import open_model
from asianage.runtime import LiteRTNetwork
from asianage.training.crops import cut_crops
from asianage.training.data.records import read_records
from asianage.training.export import PRECISIONS, to_tflite
from asianage.training.release import QUANTIZATION_SAMPLES
from asianage.training.restoring import restore_network

ROUNDS = 20
CALLS = 20


def main() -> None:
    """Print the table: one pass a face, on the faces of the split val."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("--detector", default="auto")
    options = parser.parse_args()
    model = open_model("compact")
    config = model.config
    every = [record for record in read_records(options.table) if record.age is not None and record.gender]
    train = [record for record in every if record.split == "train"]
    chosen = np.random.default_rng(0).choice(len(train), QUANTIZATION_SAMPLES, replace=False)
    records = [train[position] for position in chosen] + [record for record in every if record.split == "val"]
    with tempfile.TemporaryDirectory() as folder:
        cache = cut_crops(records, folder, size=config.image_size, margin=0, detector=options.detector)
        samples, crops = (
            np.stack([cache.inner(position) for position in cache.positions(split)]) for split in ("train", "val")
        )
        labels = [cache.records[position] for position in cache.positions("val")]
        files, networks = {}, {}
        for precision in PRECISIONS:
            files[precision] = Path(folder, f"{precision}.tflite")
            files[precision].write_bytes(to_tflite(restore_network(model), precision=precision, samples=samples))
            networks[precision] = LiteRTNetwork(
                files[precision], image_size=config.image_size, num_ages=config.max_age - config.min_age + 1
            )
        times: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
        for _ in range(ROUNDS):
            for precision, network in networks.items():
                started = time.perf_counter()
                for _ in range(CALLS):
                    network(crops[:1])
                times[precision].append(1000 * (time.perf_counter() - started) / CALLS)
        datasets = sorted({record.dataset for record in labels})
        print(f"| precision | {' | '.join(f'MAE {name}' for name in datasets)} | gender right | ms a face | MB |")
        print("|---|" + "---|" * (len(datasets) + 3))
        for precision, network in networks.items():
            age_logits, gender_logits = network(crops)
            error = np.abs(
                expected_age(AgeAxis(config.min_age, config.max_age), softmax(age_logits))
                - np.array([record.age for record in labels])
            )
            right = np.mean((gender_logits > 0) == np.array([record.gender == GENDERS[1] for record in labels]))
            maes = [np.mean(error[[record.dataset == name for record in labels]]) for name in datasets]
            size = files[precision].stat().st_size / 1e6
            cells = [*(f"{mae:.3f}" for mae in maes), f"{100 * right:.2f} %"]
            print(f"| {precision} | {' | '.join(cells)} | {statistics.median(times[precision]):.2f} | {size:.1f} |")


if __name__ == "__main__":
    main()
