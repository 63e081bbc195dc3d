"""`asianage train`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from asianage.cli import options


class ListRecipes(argparse.Action):
    """Print the recipes and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print name and description of each recipe."""
        from asianage.training.recipe_names import recipe_table

        rows = recipe_table()
        width = max(len(name) for name, _ in rows)
        print("\n".join(f"{name:{width}}  {description}" for name, description in rows))
        parser.exit()


COMPARED_OPTIONS = frozenset(
    ("detector", "quantization", "dataset", "split", "fold", "epochs", "seed", "batch_size", "learning_rate")
)
"""Options of the comparison of networks, and of every recipe that trains one."""

NETWORK_OPTIONS = COMPARED_OPTIONS | {"name", "initial", "pretrained", "teacher"}
"""Options of the recipes that make one model."""

SPLIT_OPTIONS = frozenset({"dataset", "split", "fold"})
"""Options of the baselines, which train no network."""

DETECTOR_OPTIONS = frozenset({"faces", "name", "epochs", "pretrained"})
"""Options of the recipe of the face detector."""


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("train", help="train a recipe on labeled faces; a stopped run goes on where it was")
    parser.add_argument("recipe", help="name of a recipe, .py file that defines RECIPE, or recipe.json of a run")
    options.add_faces(parser)
    options.add_run(parser)
    parser.add_argument("--dataset", metavar="NAME", help="only the faces of this data set (default: all)")
    parser.add_argument(
        "--split",
        default="predefined",
        choices=("predefined", "identity", "random", "study"),
        help="which faces train and which are measured: the column `split` (default), no person on both sides, a "
        "random fifth of the pictures, or as the study's notebooks did it",
    )
    parser.add_argument("--fold", type=int, default=0, help="which fifth is measured, for --split identity: 0 to 4")
    parser.add_argument("--epochs", type=int, help="passes over the faces (default: those of the recipe)")
    parser.add_argument("--seed", type=int, help="seed of weights, order and augmentation (default: the recipe's)")
    parser.add_argument("--batch-size", type=int, help="faces per step (default: that of the recipe)")
    parser.add_argument("--learning-rate", type=float, help="peak of the schedule (default: that of the recipe)")
    parser.add_argument("--list", action=ListRecipes, nargs=0, help="list the recipes and exit")
    parser.add_argument("--initial", metavar="MODEL", help="model to begin with (default: as the recipe)")
    parser.add_argument("--pretrained", type=Path, metavar="FILE", help="published weights that the recipe begins with")
    parser.add_argument(
        "--teacher", action="append", default=[], metavar="MODEL", help="model to distill from; may be repeated"
    )
    parser.add_argument(
        "--faces",
        action="append",
        default=[],
        type=Path,
        metavar="TABLE",
        help="for the recipe `detector`: table of single faces, with landmarks or without; may be repeated",
    )
    parser.set_defaults(run=run, defaults=vars(parser.parse_args(["RECIPE", "DATA", "OUTPUT"])))


def run(given: argparse.Namespace) -> int:
    """Train a recipe, or measure a baseline."""
    run_recipe, taken = _kind_of(given.recipe)
    _refuse_others(given, taken)
    return run_recipe(given)


def _kind_of(recipe: str) -> tuple[Callable[[argparse.Namespace], int], Collection[str]]:
    """Return what runs a recipe, and the options that it takes. Baselines need no Keras."""
    from asianage.training.study.baselines import BASELINES

    if recipe in BASELINES:
        return _run_baseline, SPLIT_OPTIONS
    from asianage.training.recipe_names import HEADS
    from asianage.training.recipes.detector import DETECTOR

    if recipe == DETECTOR.name:
        return _train_detector, DETECTOR_OPTIONS
    if recipe == HEADS:
        return _compare_heads, COMPARED_OPTIONS
    return _train, NETWORK_OPTIONS


def _refuse_others(given: argparse.Namespace, taken: Collection[str]) -> None:
    """Refuse options that are set and would be ignored."""
    known = NETWORK_OPTIONS | DETECTOR_OPTIONS
    ignored = sorted(name for name in known - set(taken) if getattr(given, name) != given.defaults[name])
    if ignored:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in ignored)
        raise ValueError(f"The recipe {given.recipe!r} does not take {options}. Run it without.")


def _train(given: argparse.Namespace) -> int:
    """Train a network for age and gender, or several."""
    from asianage.training.train import train

    estimator = train(
        given.recipe,
        options.labeled_faces(given, given.data),
        given.output,
        epochs=given.epochs,
        seed=given.seed,
        batch_size=given.batch_size,
        learning_rate=given.learning_rate,
        initial=given.initial,
        pretrained=given.pretrained,
        teachers=given.teacher,
        dataset=given.dataset,
        split=given.split,
        fold=given.fold,
        **options.begin_run(given),
    )
    print(f"model: {estimator.model.path}")
    return 0


def _compare_heads(given: argparse.Namespace) -> int:
    """Train one network with each way to learn an age, and print the table."""
    from asianage.training.compare_heads import TABLE, compare_heads

    progress = options.begin_run(given)["progress"]
    data = options.labeled_faces(given, given.data)
    settings = {name: getattr(given, name) for name in COMPARED_OPTIONS}
    compare_heads(data, given.output, **settings, progress=progress)
    print((given.output / TABLE).read_text("utf-8"), end="")
    return 0


def _train_detector(given: argparse.Namespace) -> int:
    """Train a face detector, whose data are photos with labeled faces."""
    from asianage.training.detector.train import train_detector

    progress = options.begin_run(given)["progress"]
    model = train_detector(
        given.data,
        given.output,
        faces=given.faces,
        epochs=given.epochs,
        name=given.name,
        pretrained=given.pretrained,
        progress=progress,
    )
    print(f"model: {model.path}")
    return 0


def _run_baseline(given: argparse.Namespace) -> int:
    """Measure a prediction that looks at no picture: it needs the labels alone."""
    from asianage.data.selection import select_dataset
    from asianage.data.sources import read_source
    from asianage.training.study.baselines import run_baseline

    records = select_dataset(read_source(options.labeled_faces(given, given.data)), given.dataset).records
    result = run_baseline(given.recipe, records, given.output, split=given.split, fold=given.fold)
    print(json.dumps(result, indent=1))
    return 0
