"""Fine-tune the bundled model on labeled pictures of one's own, one face each, and say what it gained.

python examples/fine_tune_own_faces.py FACES.csv OUTPUT [EPOCHS]

The table has a column `file` and `age`, `gender` or both; cells of these two may be empty. A column `split`, if there
is one, is filled in every row or in none. Every picture is taken as one tight, upright face (`detector=None`): leave
that argument out to have the faces found. Needs the extra `train`.
"""

from __future__ import annotations

import sys

from asianage.training import fine_tune


def main() -> None:
    """Fine-tune on the table named on the command line."""
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    table, output = sys.argv[1:3]
    epochs = int(sys.argv[3]) if len(sys.argv) == 4 else 10
    estimator = fine_tune("compact", table, output, epochs=epochs, detector=None)
    held_out = estimator.model.config.provenance["held_out"]
    for name, before in held_out["before"].items():
        print(f"{name}: {before:.3f} before, {held_out['after'][name]:.3f} after")
    print(f"model: {estimator.model.path}")


if __name__ == "__main__":
    main()
