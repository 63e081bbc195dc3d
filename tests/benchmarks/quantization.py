"""Accuracy, speed and size of the bundled network in each quantization that it can be exported in, as a Markdown table.

python tests/benchmarks/quantization.py labels.csv --detector PATH.onnx
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

import numpy as np

from asianage.data.crop_cache import cut_crops
from asianage.data.records import FaceRecord, read_records
from asianage.models.ages import estimated_age, softmax
from asianage.models.config import GENDERS
from asianage.models.litert import LiteRTNetwork
from asianage.models.pretrained import open_model
from asianage.networks.restore import restore_network
from asianage.training.export.litert import QUANTIZATIONS, to_tflite
from asianage.training.export.precision import calibration_faces

ROUNDS = 20
CALLS = 20


def crops_and_labels(
    records: list[FaceRecord], size: int, detector: str | None
) -> tuple[np.ndarray, np.ndarray, list[FaceRecord]]:
    """Return crops of training faces that set the ranges of int8, crops of val, and the labels of these."""
    every = [record for record in records if record.age is not None and record.gender]
    train = [record for record in every if record.split == "train"]
    chosen = calibration_faces(train, np.arange(len(train)), seed=0)
    used = [train[position] for position in chosen] + [record for record in every if record.split == "val"]
    with tempfile.TemporaryDirectory() as folder:
        cache = cut_crops(used, folder, size=size, margin=0, detector=detector)
        samples, crops = (np.stack([cache.inner(i) for i in cache.positions(split)]) for split in ("train", "val"))
        return samples, crops, [cache.records[i] for i in cache.positions("val")]


def milliseconds(networks: dict[str, LiteRTNetwork], crop: np.ndarray) -> dict[str, float]:
    """Return the median time of one crop, measured in turn so that the machine's load hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(ROUNDS):
        for name, network in networks.items():
            started = time.perf_counter()
            for _ in range(CALLS):
                network(crop)
            times[name].append(1000 * (time.perf_counter() - started) / CALLS)
    return {name: statistics.median(rounds) for name, rounds in times.items()}


def main() -> None:
    """Print the table: one pass a face, on the faces of the split val."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("--detector", default="auto", help='"none" takes every picture as one face')
    options = parser.parse_args()
    model = open_model("compact")
    size, axis, calibration = model.config.image_size, model.config.axis, model.config.calibration
    detector = None if options.detector == "none" else options.detector
    samples, crops, labels = crops_and_labels(read_records(options.table), size, detector)
    age, male = (np.array([r.age for r in labels]), np.array([r.gender == GENDERS[1] for r in labels]))
    datasets = sorted({record.dataset for record in labels})
    networks, megabytes = {}, {}
    for quantization in QUANTIZATIONS:
        content = to_tflite(restore_network(model), quantization=quantization, samples=samples)
        networks[quantization] = LiteRTNetwork(content, source=quantization, image_size=size, num_ages=axis.num_ages)
        megabytes[quantization] = len(content) / 1e6
    times = milliseconds(networks, crops[:1])
    print(f"| quantization | {' | '.join(f'MAE {name}' for name in datasets)} | gender right | ms a face | MB |")
    print("|---|" + "---|" * (len(datasets) + 3))
    for quantization, network in networks.items():
        age_logits, gender_logits = network(crops)
        distributions = softmax(age_logits, calibration.age_temperature)
        error = np.abs(estimated_age(axis, distributions, calibration.age_estimate) - age)
        maes = " | ".join(f"{error[[r.dataset == name for r in labels]].mean():.3f}" for name in datasets)
        right = 100 * np.mean((gender_logits > 0) == male)
        print(
            f"| {quantization} | {maes} | {right:.2f} % | {times[quantization]:.2f} | {megabytes[quantization]:.1f} |"
        )


if __name__ == "__main__":
    main()
