"""`asianage train` and `asianage evaluate`: the training half on the command line."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from asianage.errors import MissingExtraError


def add_commands(commands: Any) -> None:
    """Add the parsers of this module to the subparsers of the command line."""
    train = commands.add_parser("train", help="train a recipe on labeled faces; a stopped run goes on where it was")
    train.add_argument("recipe", help="name of a recipe, for instance compact")
    train.add_argument("data", type=Path, help="CSV table with file, age and/or gender; or folder, such as AFAD's")
    train.add_argument("output", type=Path, help="folder of the run; its folder `model` becomes the model")
    train.add_argument("--dataset", metavar="NAME", help="only the faces of this data set (default: all)")
    train.add_argument(
        "--split",
        default="predefined",
        choices=("predefined", "identity", "study"),
        help="who trains and who measures: the column `split` (default), nobody in two splits, or as the study did",
    )
    train.add_argument("--fold", type=int, default=0, help="which fifth is measured, for --split identity: 0 to 4")
    train.add_argument("--name", help="name of the model (default: that of the recipe)")
    train.add_argument("--epochs", type=int, help="passes over the faces (default: those of the recipe)")
    train.add_argument("--initial", help="model to begin with: bundled name, folder or Hub id (default: as the recipe)")
    train.add_argument("--pretrained", type=Path, metavar="FILE", help="published weights that the recipe begins with")
    train.add_argument(
        "--teacher", action="append", default=[], metavar="MODEL", help="model to learn from too; may be given again"
    )
    train.add_argument("--detector", default="auto", help='as for predict; "none" takes every picture as one face')
    train.add_argument("--precision", default="int8", choices=("int8", "float16", "float32"), help="of the network")
    train.set_defaults(run=_train)

    tune = commands.add_parser("fine-tune", help="train a model further on faces of one's own")
    tune.add_argument("model", help="model to begin with: bundled name, folder or Hub id")
    tune.add_argument("data", type=Path, help="CSV table with file, age and/or gender, or a folder of faces")
    tune.add_argument("output", type=Path, help="folder of the run; its folder `model` becomes the model")
    tune.add_argument("--epochs", type=int, default=10, help="passes over the faces (default: %(default)s)")
    tune.add_argument("--learning-rate", type=float, default=3e-4, help="peak of the schedule (default: %(default)s)")
    tune.add_argument("--name", help="name of the model (default: that of the first with -fine-tuned)")
    tune.add_argument("--detector", default="auto", help='as for predict; "none" takes every picture as one face')
    tune.add_argument("--precision", default="int8", choices=("int8", "float16", "float32"), help="of the network")
    tune.set_defaults(run=_fine_tune)

    export = commands.add_parser("export", help="write a model in another format, compared with the original")
    export.add_argument("model", help="bundled name, model folder or Hub id")
    export.add_argument("--to", required=True, choices=("keras", "saved_model", "onnx", "tflite", "int8"), dest="form")
    export.add_argument("--output", type=Path, metavar="PATH", help="where to write (default: the model's name)")
    export.add_argument("--samples", type=Path, metavar="DIR", help="pictures of one face each, to quantize for int8")
    export.set_defaults(run=_export)

    evaluate = commands.add_parser("evaluate", help="measure a model on labeled faces")
    evaluate.add_argument("data", type=Path, help="CSV table with file, age and/or gender, or a folder of faces")
    evaluate.add_argument("--split", help="only the rows of this split, for instance test")
    evaluate.add_argument(
        "--model", default="compact", help="bundled name, model folder or Hub id (default: %(default)s)"
    )
    evaluate.add_argument("--detector", default="auto", help='as for predict; "none" takes every picture as one face')
    evaluate.add_argument("--mirror", action="store_true", help="average with the mirror image")
    evaluate.add_argument("--output", type=Path, metavar="DIR", help="write tables, figures and all predictions there")
    evaluate.set_defaults(run=_evaluate)


def _train(options: argparse.Namespace) -> int:
    from asianage.training.study.baselines import BASELINES

    if options.recipe in BASELINES:
        return _run_baseline(options)
    try:
        from asianage.training.train import find_recipe, train
    except ModuleNotFoundError as error:
        raise _missing(error, "train") from error
    recipe = find_recipe(options.recipe)
    if options.epochs is not None:
        recipe = recipe.changed(epochs=options.epochs)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    estimator = train(
        recipe,
        options.data,
        options.output,
        name=options.name,
        initial=options.initial,
        pretrained=options.pretrained,
        teachers=options.teacher,
        dataset=options.dataset,
        split=options.split,
        fold=options.fold,
        detector=None if options.detector == "none" else options.detector,
        precision=options.precision,
        progress=sys.stderr.isatty(),
    )
    print(f"model: {estimator.model.path}")
    return 0


def _run_baseline(options: argparse.Namespace) -> int:
    """Measure what can be said without looking: labels are enough, and no network is trained."""
    from asianage.data.selection import select_dataset
    from asianage.data.sources import read_source
    from asianage.data.splits import split_records
    from asianage.training.study.baselines import run_baseline

    records = select_dataset(read_source(options.data), options.dataset).records
    if options.split != "predefined":
        records = split_records(records, options.split, fold=options.fold)
    result = run_baseline(options.recipe, records, options.output)
    print(json.dumps(result, indent=1))
    return 0


def _fine_tune(options: argparse.Namespace) -> int:
    try:
        from asianage.training.fine_tune import fine_tune
    except ModuleNotFoundError as error:
        raise _missing(error, "train") from error
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    estimator = fine_tune(
        options.model,
        options.data,
        options.output,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        name=options.name,
        detector=None if options.detector == "none" else options.detector,
        precision=options.precision,
        progress=sys.stderr.isatty(),
    )
    print(f"model: {estimator.model.path}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from asianage.data.sources import read_source
    from asianage.evaluation.evaluate import evaluate
    from asianage.prediction.estimator import AgeGenderEstimator

    if options.output is not None:
        # Figures need Matplotlib, tables do not. Better known before the work than after it.
        try:
            from asianage.evaluation.report import save_report
        except ModuleNotFoundError as error:
            raise _missing(error, "train") from error
    records = [record for record in read_source(options.data).records if options.split in (None, record.split)]
    if not records:
        raise ValueError(f"{options.data} has no rows of the split {options.split!r}.")
    estimator = AgeGenderEstimator.from_pretrained(
        options.model, detector=None if options.detector == "none" else options.detector, mirror=options.mirror
    )
    result = evaluate(estimator, records, progress=sys.stderr.isatty())
    if options.output is not None:
        save_report(result, options.output)
    print(result.to_markdown())
    return 0


def _export(options: argparse.Namespace) -> int:
    from asianage.faces.images import list_images
    from asianage.models.folder import WEIGHTS
    from asianage.models.pretrained import open_model

    try:
        from asianage.training.export.conversion import export_model
    except ModuleNotFoundError as error:
        raise _missing(error, "train") from error
    samples = None if options.samples is None else list(list_images(options.samples))
    model = open_model(options.model, files=(WEIGHTS,))
    try:
        exported = export_model(model, options.form, options.output, samples=samples)
    except ModuleNotFoundError as error:
        raise _missing(error, "onnx") from error
    print(f"{exported.path}: largest differences from the Keras network on synthetic crops:")
    print(f"  probability of an age {exported.probability_difference:.2g}")
    print(f"  expected age          {exported.age_difference:.2g} years")
    print(f"  probability of male   {exported.gender_difference:.2g}")
    return 0


def _missing(error: ModuleNotFoundError, extra: str) -> ImportError:
    """Return what to tell of a package that is not installed; a fault of this package is returned as it is."""
    name = error.name or ""
    return error if name.startswith("asianage") else MissingExtraError(name, extra, "This command")
