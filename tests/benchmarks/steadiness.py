"""How far the estimate of a face moves when its photo changes a little, as a Markdown table.

python tests/benchmarks/steadiness.py labels.csv --detector PATH.onnx
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from asianage import AgeGenderEstimator, load_image
from asianage.data.records import read_records


def moved(shift: float = 0.0, zoom: float = 1.0, angle: float = 0.0) -> Callable[[np.ndarray], np.ndarray]:
    """Return what moves an image by a share of its side, zooms it and turns it by degrees, edges repeated."""

    def change(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        cosine, sine = np.cos(np.radians(angle)) / zoom, np.sin(np.radians(angle)) / zoom
        border = max(height, width) // 2
        center = np.array([width, height]) / 2
        linear = np.array([[cosine, -sine], [sine, cosine]])
        offset = center + border - linear @ (center + shift * width)
        padded = Image.fromarray(np.pad(image, ((border, border), (border, border), (0, 0)), mode="edge"))
        coefficients = np.column_stack([linear, offset]).ravel().tolist()
        turned = padded.transform((width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
        return np.asarray(turned)

    return change


def recompressed(image: np.ndarray) -> np.ndarray:
    """Return an image after a JPEG of quality 50."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=50)
    return load_image(file.getvalue())


def halved(image: np.ndarray) -> np.ndarray:
    """Return an image of half the resolution."""
    return np.asarray(Image.fromarray(image).reduce(2))


CHANGES = {
    "mirror image": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "JPEG of quality 50": recompressed,
    "shift by 5 %": moved(shift=0.05),
    "zoom by 10 %": moved(zoom=1.1),
    "rotation by 10 degrees": moved(angle=10.0),
    "half the resolution": halved,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("--split", default="val")
    parser.add_argument("--faces", type=int, default=300)
    parser.add_argument("--detector", default="auto", help='"none" changes the pictures as if they were the crops')
    parser.add_argument("--mirror", action="store_true")
    parser.add_argument("--model", default="compact")
    options = parser.parse_args()
    detector = None if options.detector == "none" else options.detector
    estimator = AgeGenderEstimator.from_pretrained(options.model, detector=detector, mirror=options.mirror)
    records = [record for record in read_records(options.table) if record.split == options.split]
    chosen = np.random.default_rng(0).permutation(len(records))[: options.faces]
    images = [load_image(records[position].path) for position in chosen]
    faces = [found[0] if found else None for found in estimator.predict(images)]
    print("| change of the photo | the age moves by, years | 95 of 100 by less than | gender changes | faces |")
    print("|---|---|---|---|---|")
    for name, change in CHANGES.items():
        changed = estimator.predict([change(image) for image in images])
        pairs = [(old, new[0]) for old, new in zip(faces, changed, strict=True) if old is not None and new]
        moves = np.array([abs(old.age - new.age) for old, new in pairs])
        flips = np.mean([old.gender != new.gender for old, new in pairs])
        print(f"| {name} | {moves.mean():.2f} | {np.quantile(moves, 0.95):.1f} | {flips:.1%} | {len(pairs)} |")


if __name__ == "__main__":
    main()
