"""Write one row per face of all photos in a folder to a Parquet file. Needs pyarrow.

python examples/folder_to_parquet.py FOLDER FACES.parquet

A photo without a face has one row, and so has a photo that cannot be read; its column `error` says why.
"""

from __future__ import annotations

import sys

import pyarrow
import pyarrow.parquet

from asianage import list_images, predict_table


def main() -> None:
    """Predict the folder that the command line names."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, file = sys.argv[1:]
    table = pyarrow.table(predict_table(list_images(folder), progress=sys.stderr.isatty()))
    pyarrow.parquet.write_table(table, file)
    print(f"{table.num_rows} rows, {table['error'].drop_null().length()} of them with an error")


if __name__ == "__main__":
    main()
