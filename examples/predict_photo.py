"""Print age and gender of every face in a photo, and save the photo with boxes and labels.

python examples/predict_photo.py PHOTO [OUTPUT.jpg]
"""

from __future__ import annotations

import sys

from asianage import AgeGenderEstimator, draw_faces


def main() -> None:
    """Predict the photo named on the command line."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    estimator = AgeGenderEstimator()
    faces = estimator.predict(sys.argv[1])
    for number, face in enumerate(faces, start=1):
        low, high = face.age_interval
        gender = f"{face.gender} ({face.gender_probability:.0%})"
        print(f"face {number}: {gender}, {face.age:.0f} years ({low:.0f}-{high:.0f})")
        print(f"  18 or older with probability {face.probability_at_least(18):.2f}")
    if len(sys.argv) > 2:
        draw_faces(sys.argv[1], faces).save(sys.argv[2])


if __name__ == "__main__":
    main()
