"""Time the search for faces on one thread, beside OpenCV's `FaceDetectorYN` on the same pixels.

python tests/benchmarks/search_speed.py PHOTO --yunet FILE  # needs the extra `yunet`
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from asianage.faces.detection.networks import FaceNetwork
from asianage.models.folder import BUNDLED, BUNDLED_DETECTOR, DETECTOR_NETWORK

SIDES = (320, 640)
ROUNDS = 20
CALLS = 10
SCORE = 0.5


def main() -> None:
    """Measure in turn, round by round, so that the machine's load hits both alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--yunet", type=Path, required=True, help="YuNet's ONNX file")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    file = BUNDLED / BUNDLED_DETECTOR / DETECTOR_NETWORK
    search = FaceNetwork(file.read_bytes(), source=str(file))
    photo = Image.open(options.photo).convert("RGB")
    print(f"{'side':>4} {'OpenCV ms':>10} {'search ms':>10} {'times as fast':>14}")
    for side in SIDES:
        pixels = np.asarray(photo.resize((side, side), Image.Resampling.BILINEAR))
        bgr = np.ascontiguousarray(pixels[:, :, ::-1])
        yunet = cv2.FaceDetectorYN.create(str(options.yunet), "", (side, side), SCORE)
        calls = {
            "opencv": lambda yunet=yunet, bgr=bgr: yunet.detect(bgr),
            "search": lambda pixels=pixels: search(pixels, SCORE),
        }
        rounds: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(ROUNDS):
            for name, call in calls.items():
                started = time.perf_counter()
                for _ in range(CALLS):
                    call()
                rounds[name].append(1000 * (time.perf_counter() - started) / CALLS)
        opencv, ours = (statistics.median(rounds[name]) for name in ("opencv", "search"))
        print(f"{side:>4} {opencv:>10.2f} {ours:>10.2f} {opencv / ours:>14.2f}")


if __name__ == "__main__":
    main()
