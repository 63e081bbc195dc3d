"""Write one line per face of all photos in a folder to a CSV file, and list the photos that cannot be read.

python examples/predict_folder.py FOLDER FACES.csv
"""

from __future__ import annotations

import csv
import sys

from asianage import AgeGenderEstimator, list_images


def main() -> None:
    """Predict the folder that the command line names."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, table = sys.argv[1:]
    stream = AgeGenderEstimator().predict_stream_with_sources(
        list_images(folder),
        on_error=lambda position, path, error: print(f"{path}: {error}", file=sys.stderr),
        progress=sys.stderr.isatty(),
    )
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = None
        for path, faces in stream:
            for face in faces:
                row = {"file": path, **face.to_row()}
                if writer is None:
                    writer = csv.DictWriter(file, fieldnames=row)
                    writer.writeheader()
                writer.writerow(row)


if __name__ == "__main__":
    main()
