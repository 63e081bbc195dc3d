"""Errors of faces that are seen well and badly, as they are and made worse on purpose, as Markdown tables.

python tests/benchmarks/face_quality.py labels.csv --detector PATH.onnx
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter

from asianage import AgeGenderEstimator, load_image
from asianage.data.records import FaceRecord, read_records
from asianage.faces.crops import cut_face_crops
from asianage.faces.quality import face_quality


def shrunk(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes an image smaller."""

    def change(image: np.ndarray) -> np.ndarray:
        size = [max(1, round(side * factor)) for side in image.shape[1::-1]]
        return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.HAMMING))

    return change


def darkened(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes an image darker, rounded as a camera rounds."""
    return lambda image: (image * factor).round().astype(np.uint8)


def brightened(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes an image brighter; what is more than white is white."""
    return lambda image: np.minimum(image * factor, 255.0).round().astype(np.uint8)


def blurred(share: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what blurs an image by a share of its side."""

    def change(image: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(share * image.shape[1])))

    return change


WORSE = {
    "size": [shrunk(factor) for factor in (0.5, 0.3, 0.2, 0.15)],
    "brightness": [darkened(factor) for factor in (0.5, 0.25, 0.12, 0.06)],
    "overexposure": [brightened(factor) for factor in (1.5, 2.0, 3.0, 4.0)],
    "sharpness": [blurred(share) for share in (0.006, 0.012, 0.02, 0.03)],
    "turn": [],
}
BINS = {
    "size": [0, 16, 24, 32, 48, 64, 1e9],
    "brightness": [0, 8, 16, 32, 48, 64, 256],
    "overexposure": [0, 0.05, 0.1, 0.2, 0.4, 0.6, 1.001],
    "sharpness": [0, 0.004, 0.008, 0.016, 0.03, 0.06, 1e9],
    "turn": [0, 0.1, 0.2, 0.3, 0.4, 1e9],
}


def measure(
    estimator: AgeGenderEstimator, records: Sequence[FaceRecord], change: Callable[[np.ndarray], np.ndarray]
) -> list[dict[str, float]]:
    """Return quality, error of age and whether the gender is right, for each face that is found."""
    rows = []
    for record in records:
        image = change(load_image(record.path))
        largest = estimator.detect(image)[:1]
        if not largest:
            continue
        (face,) = estimator.predict(image, faces=largest)
        found = cut_face_crops(image, largest, estimator.model.config.image_size, detector=None)
        quality = face_quality(found.crops[0], largest[0].box, largest[0].landmarks)
        values = {name: getattr(quality, name) for name in BINS}
        error = abs(face.age - (record.age or 0.0))
        rows.append({**values, "error": error, "right": face.gender == record.gender})
    return rows


def main() -> None:
    """Print a table for each measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("--split", default="val")
    parser.add_argument("--faces", type=int, default=300)
    parser.add_argument("--detector", default="auto")
    options = parser.parse_args()
    estimator = AgeGenderEstimator(detector=options.detector)
    records = [r for r in read_records(options.table) if r.split == options.split and r.age is not None and r.gender]
    few = [records[i] for i in np.random.default_rng(0).permutation(len(records))[: options.faces]]
    as_they_are = measure(estimator, records, lambda image: image)
    for name, changes in WORSE.items():
        rows = as_they_are + [row for change in changes for row in measure(estimator, few, change)]
        print(f"\n| {name} | faces | MAE, years | gender right |\n|---|---|---|---|")
        for low, high in zip(BINS[name][:-1], BINS[name][1:], strict=True):
            inside = [row for row in rows if low <= row[name] < high]
            if inside:
                mae = np.mean([row["error"] for row in inside])
                right = np.mean([row["right"] for row in inside])
                until = f"{low:g} to {high:g}" if high < 1e9 else f"{low:g} and more"
                print(f"| {until} | {len(inside)} | {mae:.1f} | {right:.1%} |")


if __name__ == "__main__":
    main()
