"""How a run is carried out, what lies in its folder, and what a stopped run goes on from."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asianage import __version__
from asianage.faces.detection.selection import detector_fingerprint
from asianage.files import sole_writer, write_text
from asianage.models.folder import check_target
from asianage.models.hub import sha256_of

BEST_WEIGHTS = "best.weights.h5"
HISTORY = "history.csv"
INPUTS = "inputs.json"
LEFT_OUT = "left_out.csv"
PROGRESS = "progress.json"
PICTURES = "pictures"
RECIPE = "recipe.json"
SPLIT = "split.csv"

RUN = "run.json"
"""File that marks the folder of a run."""

_CHECKPOINTS = "checkpoint-?.weights.h5"

MODEL, REPORT, CROPS = "model", "report", "crops"

_OWN = (
    MODEL,
    REPORT,
    CROPS,
    PICTURES,
    BEST_WEIGHTS,
    HISTORY,
    INPUTS,
    LEFT_OUT,
    PROGRESS,
    RECIPE,
    SPLIT,
    RUN,
    "metrics.json",
)
"""What a run may write or replace in its folder, besides the folders of its parts."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a training is carried out: everything that is no choice of the recipe.

    Attributes:
        output: Folder of the run.
        detector: Face detector, as in `AgeGenderEstimator`; None takes every picture as one face.
        quantization: "int8", "float16" or "float32" of the exported network.
        progress: Whether to show progress bars.
    """

    output: Path
    detector: str | None = "auto"
    quantization: str = "int8"
    progress: bool = False


def read_state(file: Path) -> Any:
    """Read a JSON file of a run, and name it where it is damaged."""
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{file} is damaged: {error}. Choose another output folder, or delete {file.parent} to begin anew."
        ) from error


@dataclass(slots=True)
class RunState:
    """How far a run has come.

    Attributes:
        epochs: Number of epochs, at most.
        patience: Epochs without a better one after which the run ends; 0 always goes to the end.
        history: One row for each epoch that is done, with the loss and ``val_score``, of which less is better.
    """

    epochs: int
    patience: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path, *, epochs: int, patience: int = 0) -> RunState:
        """Return the state of the run in `folder`, or of a new run if there is none."""
        file = folder / PROGRESS
        return cls(epochs, patience, read_state(file)["history"] if file.is_file() else [])

    @property
    def epoch(self) -> int:
        """Number of epochs that are done."""
        return len(self.history)

    @property
    def checkpoint(self) -> str:
        """Name of the file with the state after the last epoch.

        Two names take turns, so that the file of the epoch before stays whole while the next one is written.
        """
        return f"checkpoint-{self.epoch % 2}.weights.h5"

    @property
    def earlier_checkpoint(self) -> str:
        """Name of the file with the state after the epoch before."""
        return f"checkpoint-{(self.epoch + 1) % 2}.weights.h5"

    @property
    def is_finished(self) -> bool:
        """Whether all epochs are done, or none of the last `patience` was better than the best before."""
        scores = [row["val_score"] for row in self.history]
        if not scores or len(scores) >= self.epochs:
            return len(scores) >= self.epochs
        return 0 < self.patience <= len(scores) - 1 - scores.index(min(scores))

    def add(self, row: dict[str, float]) -> bool:
        """Append the row of an epoch, and tell whether it is the best so far."""
        is_best = all(row["val_score"] < before["val_score"] for before in self.history)
        self.history.append(row)
        return is_best

    def write(self, folder: Path) -> None:
        """Write the table of the epochs, and what a stopped run goes on from. The checkpoint must be there already."""
        # A run of an older version goes on with more columns.
        columns = list(dict.fromkeys(name for row in self.history for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        write_text(folder / HISTORY, text.getvalue())
        write_text(folder / PROGRESS, json.dumps({"epoch": self.epoch, "history": self.history}))


@contextlib.contextmanager
def held_run_folder(output: Path, inputs: Iterable[Any] = ()) -> Iterator[None]:
    """Mark the folder of a run, and keep it for this process while the block runs.

    Args:
        output: The folder; made if missing. One that was made is removed if the block fails before it wrote anything.
        inputs: What the run reads. Paths of files and folders must not be among what a run writes.

    Raises:
        BlockingIOError: Another process trains there.
        FileExistsError: `output` holds files that the run would replace and that are not of a run.
        NotADirectoryError: `output` is a file.
        ValueError: An input is a part of the run, or the run would lie in a folder that is an input.
    """
    _check_folder(output, inputs)
    made = [folder for folder in (output, *output.parents) if not folder.exists()]
    output.mkdir(parents=True, exist_ok=True)
    with sole_writer(output):
        is_new = not (output / RUN).exists()
        if is_new:
            write_text(output / RUN, json.dumps({"asianage_version": __version__}) + "\n")
        try:
            yield
        except BaseException:
            if is_new and [file.name for file in output.iterdir()] == [RUN]:
                (output / RUN).unlink()
                with contextlib.suppress(OSError):
                    for folder in made:
                        folder.rmdir()
            raise


def _check_folder(output: Path, inputs: Iterable[Any]) -> None:
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"`output` must be a folder. Received: the file {output}.")
    place = output.resolve()
    for source in inputs:
        if not isinstance(source, str | os.PathLike):
            continue
        if Path(source).resolve() in [place / name for name in _OWN]:
            raise ValueError(f"A run must not replace what it reads. Received: {source} in the folder {output}.")
        if Path(source).is_dir() and place.is_relative_to(Path(source).resolve()):
            raise ValueError(
                f"A run must not lie in what it reads. Received: {output} in {source}. Choose another folder."
            )
    if not _is_run(output) and (present := [name for name in _OWN if os.path.lexists(output / name)]):
        raise FileExistsError(
            f"{output} holds {present[0]}, which is not of a run and would be replaced. Choose another output folder."
        )
    if (output / MODEL).exists():
        check_target(output / MODEL, overwrite=True)


def _is_run(folder: Path) -> bool:
    """Tell whether there is a run in a folder. Runs of older versions are known by their settings."""
    places = (folder, *(path for path in folder.glob("*") if path.is_dir()))
    marks = (folder / RUN, folder / f"{SPLIT}.sha256", *(place / INPUTS for place in places))
    return any(mark.is_file() for mark in marks)


def delete_leftovers(folder: Path) -> None:
    """Delete what only an unfinished run needs: its checkpoints, its crops, and pictures of a table in memory."""
    for checkpoint in folder.glob(_CHECKPOINTS):
        checkpoint.unlink()
    for name in (CROPS, PICTURES):
        shutil.rmtree(folder / name, ignore_errors=True)


def check_settings(folder: Path, name: str, settings: Mapping[str, Any], *, may_grow: bool = True) -> None:
    """Refuse other settings than those that a run was begun with.

    Args:
        folder: Folder of the run.
        name: File of the settings, `RECIPE` or `INPUTS`.
        settings: Plain JSON values.
        may_grow: Whether more `epochs` are the same settings: the run goes on, if it still has a checkpoint.

    Raises:
        ValueError: A run in `folder` was begun with others. The message names each setting that differs.
    """
    file = folder / name
    if not (folder / PROGRESS).is_file() or not file.is_file():
        return
    before, now = (dict(_flattened(values)) for values in (read_state(file), settings))
    if may_grow and any(folder.glob(_CHECKPOINTS)) and int(now.get("epochs", 0)) > int(before.get("epochs", 0)) > 0:
        before["epochs"] = now["epochs"]
    _require_same(folder, before, now)


def _require_same(folder: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    differences = [
        f"`{key}` was {before.get(key, 'not set')} and is {now.get(key, 'not set')}"
        for key in dict.fromkeys([*before, *now])
        if before.get(key) != now.get(key)
    ]
    if differences:
        raise ValueError(
            f"{folder} holds a run that was begun with other settings: {'; '.join(differences)}. Go on with the same "
            "settings, or choose another output folder."
        )


def keep_run(run: Run, *, pretrained: str | os.PathLike[str] | None = None) -> None:
    """Write down how several runs in one folder are carried out, and refuse another way once one of them has begun.

    Args:
        run: Folder, detector and quantization of all of them.
        pretrained: File of published weights.

    Raises:
        ValueError: The runs in the folder were begun in another way.
    """
    settings = {
        "detector": detector_fingerprint(run.detector),
        "quantization": run.quantization,
        "pretrained": None if pretrained is None else sha256_of(Path(pretrained)),
    }
    file = run.output / INPUTS
    if file.is_file() and any(run.output.rglob(PROGRESS)):
        _require_same(run.output, dict(_flattened(read_state(file))), dict(_flattened(settings)))
    write_text(file, json.dumps(settings, indent=2))


def keep_settings(folder: Path, name: str, settings: Mapping[str, Any]) -> None:
    """Write down the settings of a run, and refuse those that `check_settings` refuses."""
    check_settings(folder, name, settings)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / name, json.dumps(settings, indent=2))


def _flattened(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each value as JSON, with a dotted name that leads to it."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value)
