"""Print who is in a video, from when to when, with one steady estimate per person. Needs the extra `video`.

python examples/people_of_a_video.py VIDEO [EVERY]

EVERY is 1 for all frames, 5 for every fifth: less work, and people who move fast may get two numbers.
"""

from __future__ import annotations

import sys

from asianage.apps.video import predict_video


def main() -> None:
    """Predict the video that the command line names."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    every = int(sys.argv[2]) if len(sys.argv) == 3 else 1
    last = {}
    for frame in predict_video(sys.argv[1], every=every, progress=sys.stderr.isatty()):
        for seen in frame.people:
            if seen.person is not None:
                last[seen.person] = (seen, frame.time)
    for person, (seen, until) in sorted(last.items()):
        low, high = seen.average.age_interval
        print(
            f"person {person}: {seen.since:.1f} to {until:.1f} s, {seen.average.age:.0f} years ({low:.0f}-{high:.0f}), "
            f"{seen.average.gender} ({seen.average.gender_probability:.0%}), from {seen.frames} frames"
        )


if __name__ == "__main__":
    main()
