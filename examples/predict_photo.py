"""Print the age and the gender of every face in a photo, and save the photo with boxes and labels.

python examples/predict_photo.py PHOTO [OUTPUT.jpg]
"""

from __future__ import annotations

import sys

from asianage import AgeGenderEstimator, draw_faces


def main() -> None:
    """Predict the photo that the command line names."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    faces = AgeGenderEstimator().predict(sys.argv[1])
    for number, face in enumerate(faces, start=1):
        low, high = face.age_interval
        print(
            f"face {number}: {face.gender} ({face.gender_probability:.0%}), {face.age:.0f} years ({low:.0f}-{high:.0f})"
        )
        print(f"  probability of 18 or more: {face.probability_at_least(18):.0%}")
    if len(sys.argv) == 3:
        draw_faces(sys.argv[1], faces).save(sys.argv[2])


if __name__ == "__main__":
    main()
