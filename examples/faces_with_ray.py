"""Add the faces of photos to a Parquet file, on many processors or machines. Needs the extra `ray`.

python examples/faces_with_ray.py PHOTOS.parquet FOLDER [WORKERS]

PHOTOS.parquet has a column `file`, `path`, `image`, `photo` or `bytes`; its other columns stay beside the faces. FOLDER
becomes a folder of Parquet files. `asianage batch` does the same in parts that a stopped job goes on from.
"""

from __future__ import annotations

import sys

import ray

from asianage.apps.face_predictor import FacePredictor


def main() -> None:
    """Predict the photos that the command line names."""
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    workers = int(sys.argv[3]) if len(sys.argv) == 4 else 1
    photos = ray.data.read_parquet(sys.argv[1])
    # Each worker loads the model once and then takes batches.
    faces = photos.map_batches(FacePredictor, concurrency=workers, batch_size=64, batch_format="pyarrow")
    faces.write_parquet(sys.argv[2])


if __name__ == "__main__":
    main()
