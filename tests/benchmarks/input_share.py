"""Share of the training time in which the network waits for data.

python tests/benchmarks/input_share.py residual-label-distribution DATA --dataset afad --epochs 2
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from dataclasses import replace
from pathlib import Path

from asianage.training import train
from asianage.training.recipes import RECIPES, TrainingRecipe


def main() -> None:
    """Train a few epochs and print the figures of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    alone = [name for name, recipe in RECIPES.items() if isinstance(recipe, TrainingRecipe) and not recipe.begins_with]
    parser.add_argument("recipe", choices=sorted(alone))
    parser.add_argument("data", help="table or folder, as `asianage train` takes it")
    parser.add_argument("--dataset")
    parser.add_argument("--split", default="predefined")
    parser.add_argument("--detector", default="none")
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    # Published weights do not change the time of a step.
    recipe = replace(RECIPES[options.recipe], epochs=options.epochs, pretrained="")
    with tempfile.TemporaryDirectory() as folder:
        train(
            recipe,
            options.data,
            folder,
            dataset=options.dataset,
            split=options.split,
            detector=None if options.detector == "none" else options.detector,
        )
        with Path(folder, "history.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                share = 100 * float(row["input_share"])
                print(f"{recipe.name}, epoch {row['epoch']}: {row['seconds']} s, waiting for data {share:.1f} %")


if __name__ == "__main__":
    main()
