"""Faces a second through `predict_crops`, and photos a second through `predict`.

python tests/benchmarks/throughput.py --detector PATH.onnx --photos FOLDER
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from asianage import AgeGenderEstimator, list_images

ROUNDS = 7


def rate(work: Callable[[], object], items: int) -> float:
    """Return the median of items a second over some rounds, after one that is not counted."""
    work()
    rates = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        rates.append(items / (time.perf_counter() - started))
    return statistics.median(rates)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--photos")
    parser.add_argument("--model", default="compact")
    parser.add_argument("--mirror", action="store_true")
    options = parser.parse_args()
    estimator = AgeGenderEstimator.from_pretrained(options.model, detector=options.detector, mirror=options.mirror)
    size = estimator.model.config.image_size
    crops = np.random.default_rng(0).integers(0, 256, (320, size, size, 3), dtype=np.uint8)
    one = crops[:1]
    batches = rate(lambda: estimator.predict_crops(crops, align=False), len(crops))
    print(f"predict_crops, batches of 32, all processors: {batches:.0f} faces/s")
    print(f"predict_crops, one crop a call: {1000 / rate(lambda: estimator.predict_crops(one, align=False), 1):.2f} ms")
    if options.photos:
        paths = list(list_images(options.photos))[:100]
        print(f"predict, list of files: {rate(lambda: estimator.predict(paths), len(paths)):.0f} photos/s")
        first = paths[0]
        print(f"predict, one file a call: {1000 / rate(lambda: estimator.predict(first), 1):.1f} ms")


if __name__ == "__main__":
    main()
