"""Millions of photos on many processors or machines: Ray Data runs the workers, and the results are Parquet files."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asianage.apps.batch_inputs import absolute, find_photos
from asianage.apps.batch_job import (
    HIDDEN,
    LIST,
    BatchJob,
    PartWriter,
    check_same,
    earlier_job,
    earlier_list,
    filesystem,
)
from asianage.errors import needs_extra
from asianage.faces.detection import with_absolute_path
from asianage.files import sole_writer
from asianage.models.folder import CONFIG, bundled_names
from asianage.native_output import without_native_output
from asianage.prediction.estimator import AgeGenderEstimator
from asianage.progress import shown
from asianage.threads import usable_processors

PART_SIZE = 1000

_MOST_BLOCKS = 10_000
"""Tasks of Ray at most, each with one part or more."""

_OBJECT_STORE = 256 * 2**20
"""Bytes of memory that Ray reserves on one machine. Only numbers of parts pass through it."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a run of a batch has done.

    Attributes:
        output: Address of the folder of the parts.
        parts: Parts that this run has written.
        parts_before: Parts that earlier runs had written.
        photos: Photos of this run.
        faces: Faces of this run.
        errors: Photos of this run that could not be read.
        seconds: Time of this run, with the start of the workers.
    """

    output: str
    parts: int
    parts_before: int
    photos: int
    faces: int
    errors: int
    seconds: float


def predict_batch(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    column: str | None = None,
    part_size: int = PART_SIZE,
    workers: int | None = None,
    num_threads: int = 1,
    address: str | None = None,
    distribution: bool = False,
    progress: bool = False,
    **options: Any,
) -> BatchResult:
    """Predict photos in parts, each a Parquet file with one row per face, and go on where an earlier run has ended.

    A part is there as a whole or not at all. A worker that dies is replaced, and its part begun again. The list of the
    photos of a folder is kept, so that a later run has the same parts.

    Args:
        source: A folder of photos or of Parquet files, a Parquet file, or a text file with one name a line; at any
            address that `fsspec` reads, as are the photos that it names.
        output: Folder of the parts; at any address that `fsspec` writes.
        column: Column of Parquet files with paths, addresses or encoded images. None takes the one of the name file,
            path, image, photo or bytes.
        part_size: Photos of a part.
        workers: Processes; None takes as many as the processors of the machine or cluster allow.
        num_threads: Processors of each worker.
        address: Address of a Ray cluster, or "auto"; None uses a running Ray of this process or starts one here.
        distribution: Whether there is a column `age_distribution`: float16 (num_ages,).
        progress: Show a progress bar on standard error.
        **options: Arguments of `asianage.AgeGenderEstimator`, such as `model`, `detector` and `mirror`.

    Raises:
        BlockingIOError: Another process writes to `output`.
        FileExistsError: `output` holds something else.
        FileNotFoundError: There is no such input.
        MissingExtraError: Ray is not installed.
        RuntimeError: A worker has died again and again on one part.
        ValueError: There are no photos, or `output` was begun with other settings.
    """
    for name, value in (("part_size", part_size), ("workers", workers), ("num_threads", num_threads)):
        if value is not None and value < 1:
            raise ValueError(f"`{name}` must be 1 or more. Received: {value}.")
    with needs_extra("ray", "A batch"):
        import pyarrow  # noqa: F401
        import ray.data  # noqa: F401
    started = time.monotonic()
    where = absolute(*filesystem(os.fspath(output)))
    with _sole_writer(where):
        job = _job(
            where,
            source,
            column,
            part_size=part_size,
            distribution=distribution,
            num_threads=num_threads,
            model_hash=_model_hash(options),
            options=_everywhere(options),
        )
        to_do = job.to_do()
        job.forget_attempts()
        counts = _run(job, to_do, workers, address, progress) if to_do else []
    return BatchResult(
        where,
        parts=len(counts),
        parts_before=job.num_parts - len(to_do),
        **{name: sum(count[name] for count in counts) for name in ("photos", "faces", "errors")},
        seconds=time.monotonic() - started,
    )


@contextlib.contextmanager
def _sole_writer(output: str) -> Iterator[None]:
    """Make the folder, and keep other processes of this machine from writing to it."""
    system, path = filesystem(output)
    earlier_job(output)
    system.makedirs(f"{path}/{HIDDEN}", exist_ok=True)
    with sole_writer(Path(path)) if os.path.isdir(output) else contextlib.nullcontext():
        yield


def _job(output: str, source: str | os.PathLike[str], column: str | None, **settings: Any) -> BatchJob:
    """Return a new job, or that of an earlier run."""
    earlier = earlier_job(output)
    place = absolute(*filesystem(os.fspath(source)))
    inputs = None if earlier is None else earlier_list(earlier, output)
    if inputs is None:
        inputs = find_photos(source, column, f"{output}/{LIST}")
    folder = os.getcwd() if earlier is None else earlier["folder"]
    job = BatchJob(output=output, source=place, folder=folder, inputs=inputs, **settings)
    if earlier is None:
        job.save()
    else:
        check_same(job, earlier)
    return job


def _model_hash(options: dict[str, Any]) -> str:
    """Return the hash of the model's config.json, which has those of its other files."""
    model = AgeGenderEstimator(**options).model
    return hashlib.sha256((model.path / CONFIG).read_bytes()).hexdigest()


def _everywhere(options: dict[str, Any]) -> dict[str, Any]:
    """Return options whose paths do not depend on the folder of the process."""
    model, changes = options.get("model"), {}
    if isinstance(model, str | os.PathLike) and os.fspath(model) not in bundled_names() and os.path.isdir(model):
        changes["model"] = os.path.abspath(model)
    if "detector" in options:
        changes["detector"] = with_absolute_path(options["detector"])
    return {**options, **changes}


def _run(job: BatchJob, to_do: list[int], workers: int | None, address: str | None, progress: bool) -> list[Any]:
    """Let Ray's workers do the parts, and return the counts of each."""
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    with _ray(address, (workers or 1) * job.num_threads):
        if workers is None:
            workers = max(int(ray.cluster_resources().get("CPU", 1)) // job.num_threads, 1)
        context = DataContext.get_current()
        shown_before, context.enable_progress_bars = context.enable_progress_bars, False
        parts = ray.data.from_items(
            [{"part": part} for part in to_do], override_num_blocks=min(len(to_do), _MOST_BLOCKS)
        )
        done = parts.map_batches(
            PartWriter,
            fn_constructor_args=(job,),
            batch_size=1,
            # A worker that waits for its next part is better than a part that waits for its worker.
            compute=ActorPoolStrategy(size=min(workers, len(to_do)), max_tasks_in_flight_per_actor=1),
            num_cpus=job.num_threads,
        )
        try:
            return list(shown(done.iter_rows(), progress, description="asianage", unit="part", total=len(to_do)))
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise RuntimeError(
                f"Ray could not go on: {reason}. Each machine needs asianage with the extra `ray`, and enough memory "
                f"for its workers. Finished parts are in {job.output}; the next run goes on with the others."
            ) from error
        finally:
            context.enable_progress_bars = shown_before


@contextlib.contextmanager
def _ray(address: str | None, processors: int) -> Iterator[None]:
    """Connect to a cluster, or start Ray on this machine; a Ray that runs in this process is used and left as it is."""
    import ray

    if ray.is_initialized():
        yield
        return
    # Ray would otherwise report its use to its makers, and speak of its inner affairs.
    for name, value in (("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_BACKEND_LOG_LEVEL", "fatal")):
        os.environ.setdefault(name, value)
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        quiet |= {
            "num_cpus": max(usable_processors(), processors),
            "object_store_memory": _OBJECT_STORE,
            "include_dashboard": False,
        }
    try:
        with without_native_output(), _own_signals():
            ray.init(address or "local", **quiet)
    # It raises plain exceptions.
    except Exception as error:
        place = "on this machine" if address is None else f"at {address}"
        raise RuntimeError(f"There is no Ray {place}: {str(error).strip() or type(error).__name__}") from error
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
        ray.shutdown()


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the answers to Ctrl-C and SIGTERM. Ray's own would abort the process and leave files behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, answer in before.items():
            if answer is not None:  # One that C code has set.
                signal.signal(number, answer)
