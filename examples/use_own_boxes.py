"""Estimate faces that another program has found: its boxes take the place of the detector.

python examples/use_own_boxes.py PHOTO BOXES.json

The file holds one list of numbers per face: x_min, y_min, x_max, y_max, in pixels. `asianage.Detection` also takes
landmarks, which make the estimate a little better.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from asianage import AgeGenderEstimator


def main() -> None:
    """Predict the faces that the command line names."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    boxes = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    faces = AgeGenderEstimator().predict(sys.argv[1], faces=boxes)
    for face in faces:
        print(
            f"{[round(end) for end in face.box]}: {face.age:.0f} years, {face.gender} ({face.gender_probability:.0%})"
        )


if __name__ == "__main__":
    main()
