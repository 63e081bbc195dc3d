"""Share of photos with one face each in which a detector finds it, and its time a photo.

python tests/benchmarks/detection_rate.py FOLDER --detector PATH.onnx --detector mtcnn
"""

from __future__ import annotations

import argparse
import time

from asianage import list_images, load_image
from asianage.faces.detection import select_detector


def main() -> None:
    """Print a line per detector."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--detector", action="append", required=True)
    options = parser.parse_args()
    images = [load_image(path) for path in list_images(options.folder)]
    print(f"{'detector':<10} {'photos':>6} {'found':>8} {'further faces':>14} {'ms a photo':>11}")
    for name in options.detector:
        detector = select_detector(name)
        detector.detect(images[0])
        started = time.perf_counter()
        counts = [len(detector.detect(image)) for image in images]
        elapsed = 1000 * (time.perf_counter() - started) / len(images)
        found = sum(count > 0 for count in counts) / len(images)
        further = sum(max(count - 1, 0) for count in counts)
        print(f"{detector.name:<10} {len(images):>6} {found:>8.1%} {further:>14} {elapsed:>11.1f}")


if __name__ == "__main__":
    main()
