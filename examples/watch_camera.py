"""Print who is in front of a camera, until Control-C. Needs the extra `video`.

python examples/watch_camera.py NUMBER [FRAMES]

The first camera of the machine has the number 0. FRAMES ends it after so many frames.
"""

from __future__ import annotations

import contextlib
import itertools
import sys

from asianage.apps.video import predict_video


def main() -> None:
    """Watch the camera that the command line names."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    frames = int(sys.argv[2]) if len(sys.argv) == 3 else None
    with contextlib.suppress(KeyboardInterrupt):
        for frame in itertools.islice(predict_video(int(sys.argv[1])), frames):
            people = [
                f"#{seen.person or '?'} {seen.average.gender} {seen.average.age:.0f}"
                + (f" [{', '.join(seen.average.warnings)}]" if seen.average.warnings else "")
                for seen in frame.people
            ]
            print(f"{frame.time:.1f} s: {'; '.join(people) or 'nobody'}", flush=True)


if __name__ == "__main__":
    main()
