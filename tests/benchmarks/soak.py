"""Predict photos of mixed sizes, some of them broken, for minutes: memory, threads, files and results stay the same.

python tests/benchmarks/soak.py MINUTES [PHOTO_OR_FOLDER ...]

Exit status 1 if a result differs, or if more is held in the last third of the time than in the first.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from asianage import AgeGenderEstimator, list_images

BATCH = 16

LIMITS = (("memory, MB", 30), ("threads", 0), ("open files", 0))
"""What is watched, and how much more of it the last third of the time may hold than the most of the first third."""


def make_photos(sources: list[Path]) -> list[bytes]:
    """Return photos of several sizes and formats, and damaged ones among them, encoded."""
    chance, photos = random.Random(0), []
    for number in range(60):
        if sources:
            picture = Image.open(sources[number % len(sources)]).convert("RGB")
        else:
            pixels = np.random.default_rng(number).integers(0, 256, (9, 7, 3), dtype=np.uint8)
            picture = Image.fromarray(pixels)
        side = chance.choice((40, 160, 480, 900, 1600))
        picture = picture.resize((side, side * chance.choice((3, 4, 6)) // 4))
        content = io.BytesIO()
        picture.save(content, chance.choice(("JPEG", "PNG", "WEBP", "TIFF")))
        data = content.getvalue()
        photos.append(data[: len(data) // 2] if number % 7 == 3 else data)
    return photos


def state() -> tuple[float, int, int]:
    """Return resident memory in MB, number of threads, and number of open files, as Linux tells them."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, threading.active_count(), len(os.listdir("/proc/self/fd"))


def rounds(photos: list[bytes], seed: int) -> Iterator[int]:
    """Yield positions of photos, in another order in each round, without an end."""
    chance = random.Random(seed)
    while True:
        order = list(range(len(photos)))
        chance.shuffle(order)
        yield from order


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("minutes", type=float)
    parser.add_argument("photos", nargs="*", type=Path)
    given = parser.parse_args()
    files = [file for path in given.photos for file in (list_images(path) if path.is_dir() else [path])]
    photos = make_photos(sorted(files)[:60])
    estimator = AgeGenderEstimator()

    def results(positions: list[int]) -> list[list[dict]]:
        stream = estimator.predict_stream(
            [photos[position] for position in positions], batch_size=BATCH, on_error=lambda *failure: None
        )
        return [[face.to_dict() for face in faces] for faces in stream]

    calm = results(list(range(len(photos))))
    positions, count, different = rounds(photos, 1), 0, 0
    begun, seen = time.monotonic(), [state()]
    while time.monotonic() - begun < 60 * given.minutes:
        part = list(itertools.islice(positions, len(photos)))
        different += sum(found != calm[position] for position, found in zip(part, results(part), strict=True))
        count += len(part)
        seen.append(state())
    minutes = (time.monotonic() - begun) / 60
    print(f"{count:,} photos in {minutes:.1f} min, {different} results differ from the calm run")
    # The allocator takes memory until every size of photo has met every other: the first third shows how much it takes.
    third = max(1, len(seen) // 3)
    is_flat = True
    for (name, slack), values in zip(LIMITS, zip(*seen, strict=True), strict=True):
        early, late = max(values[:third]), statistics.median(values[-third:])
        is_flat &= late <= early + slack
        print(f"{name}: {values[0]:.0f} at first, at most {early:.0f} in the first third, {late:.0f} in the last")
    return int(different > 0 or not is_flat)


if __name__ == "__main__":
    sys.exit(main())
