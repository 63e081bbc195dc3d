"""Photos a second of batches with 1 and 2 workers beside `predict_stream`, and where the time of a photo goes.

python tests/benchmarks/batch.py FOLDER [--photos N]

The rate of a batch counts from its first finished part to its last: a long job hardly notices the start of its workers.
Processor time does not depend on what else runs on the machine.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet

from asianage import AgeGenderEstimator, list_images, load_image
from asianage.apps.batch import predict_batch
from asianage.faces.crops import cut_face_crops


def stages(photos: list[Path]) -> None:
    """Print the milliseconds of one processor that each step of a photo takes."""
    estimator = AgeGenderEstimator(num_threads=1)
    finder, crops = estimator._finder, estimator._crops
    detector = finder.load_detector()
    estimator.predict(photos[0])
    spent = dict.fromkeys(("read", "find faces", "cut crops", "age and gender"), 0.0)
    faces = 0

    def measured(step: str, started: float) -> float:
        now = time.process_time()
        spent[step] += now - started
        return now

    for photo in photos:
        started = time.process_time()
        image = load_image(photo)
        started = measured("read", started)
        found = detector.detect(image)
        started = measured("find faces", started)
        cut = cut_face_crops(image, found, finder.size, detector=detector.name)
        started = measured("cut crops", started)
        faces += len(next(crops.predict([cut]))) if len(cut.crops) else 0
        measured("age and gender", started)
    for step, seconds in spent.items():
        print(f"{step:<15} {1000 * seconds / len(photos):6.1f} ms of a processor a photo")
    print(f"{'sum':<15} {1000 * sum(spent.values()) / len(photos):6.1f} ms, {faces / len(photos):.1f} faces a photo")


def stream(photos: list[Path], threads: int) -> None:
    """Print the rate of `predict_stream`."""
    estimator = AgeGenderEstimator(num_threads=threads)
    estimator.predict(photos[0])
    started, used = time.perf_counter(), time.process_time()
    for _ in estimator.predict_stream(photos):
        pass
    seconds, used = time.perf_counter() - started, time.process_time() - used
    print(
        f"predict_stream, {threads} thread(s): {len(photos) / seconds:.1f} photos/s, "
        f"{1000 * used / len(photos):.1f} ms of a processor a photo"
    )


def batch(photos: list[Path], workers: int, part_size: int) -> None:
    """Print the rate of a batch."""
    with tempfile.TemporaryDirectory() as folder:
        names, output = Path(folder, "photos.txt"), Path(folder, "out")
        names.write_text("".join(f"{path.resolve()}\n" for path in photos))
        done = predict_batch(names, output, workers=workers, part_size=part_size)
        ends = sorted(path.stat().st_mtime for path in output.glob("*.parquet"))
        rows = pyarrow.parquet.read_table(output).num_rows
    rate = part_size * (len(ends) - workers) / max(ends[-1] - ends[workers - 1], 1e-9)
    print(
        f"batch, {workers} worker(s): {rate:.1f} photos/s; with the start {done.photos / done.seconds:.1f} photos/s "
        f"of {done.photos} photos, {rows} rows"
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--part-size", type=int, default=20)
    parser.add_argument("--only-stages", action="store_true")
    options = parser.parse_args()
    photos = list(itertools.islice(itertools.cycle(list_images(options.folder)), options.photos))
    sizes = np.array([load_image(path).shape[:2] for path in sorted(set(photos))[:50]])
    print(f"{len(photos)} photos, median {np.median(sizes.prod(axis=1)) / 1e6:.2f} megapixels")
    stages(photos[:100])
    if not options.only_stages:
        for threads in (1, 2):
            stream(photos, threads)
        for workers in (1, 2):
            batch(photos, workers, options.part_size)


if __name__ == "__main__":
    main()
