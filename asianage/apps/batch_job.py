"""A folder of results that grows by whole parts: what is to be done, what is done, and how one part is done."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import os
import posixpath
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asianage.apps.batch_inputs import BatchInputs
from asianage.apps.face_predictor import FacePredictor
from asianage.faces.detection.selection import detector_fingerprint
from asianage.models.folder import DetectorFolder
from asianage.models.hub import HubAccess
from asianage.prediction.estimator import AgeGenderEstimator

if TYPE_CHECKING:
    import numpy as np

HIDDEN = "_job"
"""Folder in the output, which readers of Parquet files skip for its name."""

SETTINGS = f"{HIDDEN}/job.json"

LIST = f"{HIDDEN}/photos"
"""The names of the photos of a folder or a list, as a Parquet file."""

_VERSION = 2

_NO_SETTINGS = frozenset(
    {"model", "num_threads", "revision", "sha256", "token", "endpoint", "cache_dir", "local_files_only"}
    | {"force_download"}
)
"""Options that change no row beside the model, whose hash is kept."""

_SUSPECT = 2
"""A photo that so many workers died of is not read again."""

_DEADLY = "The workers that read this photo died."
"""Error of such a photo."""

_MOST_DEATHS = 10
"""Workers that may die of one part."""

_COUNTS = b"asianage"
"""Key of a part's metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """What is read, how it is predicted, and where the parts go.

    Attributes:
        output: Address of the folder of the parts.
        source: What the user named as the input.
        folder: Folder that relative paths start from.
        inputs: The photos.
        part_size: Photos of a part.
        model_hash: SHA-256 of the model's config.json.
        distribution: Whether there is a column `age_distribution`.
        num_threads: Processors of a worker.
        options: Arguments of `asianage.AgeGenderEstimator`.
    """

    output: str
    source: str
    folder: str
    inputs: BatchInputs
    part_size: int
    model_hash: str
    distribution: bool
    num_threads: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_parts(self) -> int:
        """Number of parts, of which the last one may be smaller."""
        return -(-len(self.inputs) // self.part_size)

    def part_address(self, part: int) -> str:
        """Return where a part goes."""
        return posixpath.join(self.output, f"part-{part:06d}.parquet")

    def to_do(self) -> list[int]:
        """Return the parts that are not there."""
        system, path = filesystem(self.output)
        there = {posixpath.basename(name) for name in system.ls(path, detail=False)}
        return [part for part in range(self.num_parts) if posixpath.basename(self.part_address(part)) not in there]

    def forget_attempts(self) -> None:
        """Remove what the workers of an earlier run, which were all ended, have left."""
        system, folder = filesystem(posixpath.join(self.output, HIDDEN))
        for name in _files_named(system, folder, "begun-"):
            system.rm_file(name)

    def save(self) -> None:
        """Write what a later run needs to go on."""
        system, path = filesystem(self.output)
        with _replacing(system, posixpath.join(path, SETTINGS), posixpath.join(path, HIDDEN)) as content:
            content.write(json.dumps({"version": _VERSION, **self._plain()}, indent=2).encode())

    def _plain(self) -> dict[str, Any]:
        plain = dataclasses.asdict(dataclasses.replace(self, options={}))
        return json.loads(json.dumps({**plain, "options": _settings(self.options)}))


def earlier_job(output: str) -> dict[str, Any] | None:
    """Return the settings of the job that an output folder belongs to, None for a new folder.

    Raises:
        FileExistsError: The folder holds something else.
        ValueError: A newer version of this package wrote it.
    """
    system, path = filesystem(output)
    settings = posixpath.join(path, SETTINGS)
    if not system.exists(settings):
        if system.exists(path) and any(posixpath.basename(name) != HIDDEN for name in system.ls(path, detail=False)):
            raise FileExistsError(f"The output must be a new folder or that of an earlier run. Received: {output}.")
        return None
    plain = json.loads(system.cat_file(settings))
    if plain.get("version") != _VERSION:
        raise ValueError(f"{output} was begun by another version of asianage. Choose a new folder.")
    return plain


def earlier_list(earlier: Mapping[str, Any], output: str) -> BatchInputs | None:
    """Return the photos of a folder or a list, as the earlier run has kept their names; None for Parquet files."""
    ((address, rows), *_), column = earlier["inputs"]["files"], earlier["inputs"]["column"]
    return BatchInputs(((posixpath.join(output, LIST), rows),), column) if address.endswith(f"/{LIST}") else None


def check_same(job: BatchJob, earlier: Mapping[str, Any]) -> None:
    """Check that a job is that of an earlier run.

    Raises:
        ValueError: The settings or the Parquet files differ.
    """
    now = job._plain()
    if earlier_list(earlier, job.output) is not None:
        now["inputs"] = earlier["inputs"]
    for name, value in now.items():
        # Neither where the output is seen from nor the number of processors changes a row.
        if name not in ("output", "num_threads") and value != earlier.get(name):
            before, after = "other", ""
            if name == "options":
                known = earlier["options"]
                name = next(key for key in {**value, **known} if value.get(key) != known.get(key))
                before, after = repr(known.get(name)), f" Received: {value.get(name)!r}."
            elif name != "inputs":
                before, after = repr(earlier.get(name)), f" Received: {value!r}."
            raise ValueError(
                f"{job.output} must be continued with the settings that it was begun with. `{name}` was "
                f"{before}.{after} Choose a new folder for other settings."
            )


class PartWriter:
    """Predicts and writes parts. Ray makes one per worker."""

    def __init__(self, job: BatchJob) -> None:
        self._job = job
        self._predict = FacePredictor(
            distribution=job.distribution, num_threads=job.num_threads, folder=job.folder, **job.options
        ).predict

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, list[int]]:
        """Write the parts with these numbers, and return how much is in each."""
        counts = [{"part": int(part), **self._written(int(part))} for part in batch["part"]]
        return {name: [count[name] for count in counts] for name in counts[0]}

    def _written(self, part: int) -> dict[str, int]:
        from pyarrow import parquet

        system, address = filesystem(self._job.part_address(part))
        if system.exists(address):
            # The worker that wrote it died before it could tell.
            with system.open(address, "rb") as content:
                return json.loads(parquet.read_metadata(content).metadata[_COUNTS])
        first = part * self._job.part_size
        photos = self._job.inputs.read(first, first + self._job.part_size)
        attempt = _Attempt(system, posixpath.join(posixpath.dirname(address), HIDDEN), part)
        try:
            faces = self._predict_with_care(photos, first, attempt) if attempt.deaths else self._predict(photos, first)
            errors = len(faces) - faces["error"].null_count
            counts = {"photos": len(photos), "faces": len(faces) - faces["face"].null_count, "errors": errors}
            # Not beside the parts: readers of the folder would take what a dead worker leaves for a part.
            with _replacing(system, address, attempt.folder) as content:
                table = faces.replace_schema_metadata({_COUNTS: json.dumps(counts)})
                parquet.write_table(table, content, compression="zstd")
            return counts
        finally:
            attempt.end()

    def _predict_with_care(self, photos: list[Any], first: int, attempt: _Attempt) -> Any:
        """Predict the photos of a part of which a worker has died one by one, without those that end workers."""
        import pyarrow

        tables = []
        for position, photo in enumerate(photos, first):
            attempt.note(position)
            is_suspect = attempt.deaths.count(str(position)) >= _SUSPECT
            tables.append(self._predict([photo], position, error=_DEADLY if is_suspect else None))
        return pyarrow.concat_tables(tables)


class _Attempt:
    """A file that outlives a worker, and says which photo it read when it died."""

    def __init__(self, system: Any, folder: str, part: int) -> None:
        self.folder = folder
        self._system = system
        self._begin = f"begun-{part:06d}-"
        self.deaths = [system.cat_file(name).decode() for name in _files_named(system, folder, self._begin)]
        if len(self.deaths) >= _MOST_DEATHS:
            raise RuntimeError(
                f"{len(self.deaths)} workers have died of part {part}. Give each worker more memory, or make parts "
                "smaller in a new folder. Finished parts stay."
            )
        self._file = posixpath.join(folder, f"{self._begin}{secrets.token_hex(4)}")
        self.note("")

    def note(self, position: int | str) -> None:
        """Say which photo is read next; "" for several at once."""
        self._system.pipe_file(self._file, str(position).encode())

    def end(self) -> None:
        """Remove the files of all attempts. Not called when the worker dies."""
        for name in _files_named(self._system, self.folder, self._begin):
            self._system.rm_file(name)


def filesystem(address: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path on it."""
    import fsspec

    system, path = fsspec.url_to_fs(address)
    # Other machines write there too.
    system.invalidate_cache()
    return system, path


def _files_named(system: Any, folder: str, begin: str) -> list[str]:
    """Return the files of a folder whose names begin so."""
    return [name for name in system.ls(folder, detail=False) if posixpath.basename(name).startswith(begin)]


@contextlib.contextmanager
def _replacing(system: Any, path: str, folder: str) -> Iterator[Any]:
    """Yield a file in the folder `folder`, and put it in place of `path` when the block ends without an error."""
    temporary = posixpath.join(folder, f".{secrets.token_hex(4)}-{posixpath.basename(path)}")
    try:
        with system.open(temporary, "wb") as content:
            yield content
            content.flush()
            with contextlib.suppress(AttributeError, OSError, ValueError):  # Only files of this machine have a number.
                os.fsync(content.fileno())
        system.mv(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            system.rm(temporary)
        raise


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two runs must have in common, however it was written: every option that decides a row."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(AgeGenderEstimator).parameters.items()
        if name not in _NO_SETTINGS
    }
    settings = {name: options.get(name, default) for name, default in defaults.items()}
    detector = settings["detector"]
    if detector is None or isinstance(detector, str | os.PathLike):
        names = [place.name for place in dataclasses.fields(HubAccess)]
        access = HubAccess(**{name: options[name] for name in names if name in options})
        settings["detector"] = detector_fingerprint(detector, access)
    elif isinstance(detector, DetectorFolder):
        settings["detector"] = detector.config_sha256
    return {name: value if _is_plain(value) else repr(type(value)) for name, value in settings.items()}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)
