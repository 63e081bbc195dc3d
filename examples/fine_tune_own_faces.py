"""Fine-tune a bundled model on your own face crops, and print the gain. Needs the extra `train`.

    python examples/fine_tune_own_faces.py FACES.csv OUTPUT [EPOCHS]

The table has the column `file`, and `age`, `gender` or both. Every picture is one tight, upright face. Leave out
`detector=None` for photos in which the faces must be found.
"""

from __future__ import annotations

import sys

from asianage.training import fine_tune


def main() -> None:
    """Fine-tune on the table that the command line names."""
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    table, output = sys.argv[1:3]
    epochs = int(sys.argv[3]) if len(sys.argv) == 4 else 10
    estimator = fine_tune("compact", table, output, epochs=epochs, detector=None)
    held_out = estimator.model.config.provenance["held_out"]
    # Names such as val_mae_ and val_gender_, with the name of the data set behind if the table has several.
    for name, before in held_out["before"].items():
        print(f"{name.strip('_')}: {before:.3f} before, {held_out['after'][name]:.3f} after")
    print(f"model: {estimator.model.path}")


if __name__ == "__main__":
    main()
