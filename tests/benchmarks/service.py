"""Concurrent requests of a service: a thread for each, beside a thread that collects them to batches. Without HTTP.

python tests/benchmarks/service.py FOLDER [--requests N] [--clients 1 4 16]

Each client sends its next photo when it has the answer to the one before.
"""

from __future__ import annotations

import argparse
import itertools
import queue
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from asianage import AgeGenderEstimator, list_images

PATIENCE = 0.005
"""Seconds that a batch waits for more requests."""

LARGEST = 16
"""Requests of a batch."""


class Batcher:
    """Collects requests that come within `PATIENCE`, and predicts them at once."""

    def __init__(self, estimator: AgeGenderEstimator) -> None:
        self._estimator = estimator
        self._waiting: queue.Queue[tuple[bytes, Future[Any]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def predict(self, content: bytes) -> Any:
        """Return the faces of one photo."""
        answer: Future[Any] = Future()
        self._waiting.put((content, answer))
        return answer.result()

    def close(self) -> None:
        """End the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        for batch in iter(self._next, []):
            for (_, answer), faces in zip(batch, self._estimator.predict([photo for photo, _ in batch]), strict=True):
                answer.set_result(faces)

    def _next(self) -> list[tuple[bytes, Future[Any]]]:
        batch = []
        first = self._waiting.get()
        deadline = time.monotonic() + PATIENCE
        while first is not None:
            batch.append(first)
            try:
                first = self._waiting.get(timeout=max(deadline - time.monotonic(), 0)) if len(batch) < LARGEST else None
            except queue.Empty:
                break
        return batch


def measure(name: str, predict: Callable[[bytes], Any], photos: Iterator[bytes], clients: int, requests: int) -> None:
    """Print rate, waiting times and processor time of one way to answer."""

    def ask(photo: bytes) -> float:
        started = time.perf_counter()
        predict(photo)
        return time.perf_counter() - started

    with ThreadPoolExecutor(clients) as pool:
        started, used = time.perf_counter(), time.process_time()
        waits = sorted(pool.map(ask, itertools.islice(photos, requests)))
        seconds, used = time.perf_counter() - started, time.process_time() - used
    print(
        f"{clients:>2} clients, {name:<12}: {requests / seconds:6.1f} photos/s, "
        f"median {1000 * statistics.median(waits):.0f} ms, 95 % within {1000 * waits[int(0.95 * len(waits))]:.0f} ms, "
        f"{1000 * used / requests:5.1f} ms of a processor"
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    options = parser.parse_args()
    photos = itertools.cycle([path.read_bytes() for path in itertools.islice(list_images(options.folder), 100)])
    estimator = AgeGenderEstimator()
    estimator.predict(next(photos))
    for clients in options.clients:
        measure("thread each", estimator.predict, photos, clients, options.requests)
        batcher = Batcher(estimator)
        measure("batches", batcher.predict, photos, clients, options.requests)
        batcher.close()


if __name__ == "__main__":
    main()
