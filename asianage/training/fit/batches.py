"""Batches that depend on seed, epoch and number alone, made ahead by threads; batches of augmented crops."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from asianage.data.crop_cache import CropCache
from asianage.threads import usable_processors
from asianage.training.augmentation import Augmentation, augment

MAX_WORKERS = 16
"""Threads that make batches, at most; each holds some batches in memory."""

AHEAD = 2
"""Batches that each thread may make before they are needed."""


class EpochBatches(keras.utils.PyDataset):
    """Batches for `asianage.training.fit.loop`: the same for a seed, an epoch and a number, however they are fetched.

    A subclass makes a batch from some rows of its data in `make`. The threads are not Keras's own (`workers`): with JAX
    and with several devices, Keras 3.15 trains on batches of one epoch in the next.
    """

    def __init__(self, rows: int, rows_per_batch: int, *, seed: int, shares: np.ndarray | None = None) -> None:
        """Create the batches of one run.

        Args:
            rows: Number of rows of the data.
            rows_per_batch: Rows per batch. A last smaller batch is left out.
            seed: Seed of the order, and of what `make` draws.
            shares: float (rows,): how often a row is used in an epoch, on average; None uses each once.
        """
        super().__init__()
        self._shares = np.ones(rows) if shares is None else np.asarray(shares, dtype=np.float64)
        self._rows_per_batch = rows_per_batch
        self._length = max(1, int(self._shares.sum()) // rows_per_batch)
        self._seed = seed
        self._threads = min(usable_processors(), MAX_WORKERS)
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._ready = np.zeros(self._length)
        self.start_epoch(1)

    def make(self, rows: np.ndarray, random: np.random.Generator) -> Any:
        """Return a batch as `keras.Model.fit` takes it. Threads call this at the same time.

        Args:
            rows: int (n,): the rows of the data.
            random: The only source of chance.
        """
        raise NotImplementedError

    def start_epoch(self, epoch: int) -> None:
        """Change to the order and the random changes of an epoch, counted from 1."""
        random = np.random.default_rng((self._seed, epoch))
        # Systematic sampling: rows in random order along a line, each as long as its share, and a mark at every step.
        rows = random.permutation(len(self._shares))
        ends = np.cumsum(self._shares[rows])
        count = min(self._length * self._rows_per_batch, max(1, int(self._shares.sum())))
        marks = (np.arange(count) + random.random()) * (ends[-1] / count)
        drawn = rows[np.minimum(np.searchsorted(ends, marks, side="right"), len(rows) - 1)]
        order = random.permutation(drawn)
        with self._lock:
            self._epoch, self._order = epoch, order
            self._ahead: dict[int, Future[Any]] = {}

    @contextlib.contextmanager
    def prefetched(self) -> Iterator[None]:
        """Let threads make the next batches ahead while the block runs."""
        with ThreadPoolExecutor(self._threads) as pool:
            self._pool = pool
            try:
                yield
            finally:
                with self._lock:
                    self._pool, self._ahead = None, {}
                pool.shutdown(cancel_futures=True)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self._length

    def __getitem__(self, batch: int) -> Any:
        """Return a batch of the epoch."""
        with self._lock:
            wanted = self._ahead.pop(batch, None) or self._begin(batch)
            following = range(batch + 1, min(batch + 1 + AHEAD * self._threads, self._length)) if self._pool else ()
            self._ahead = {later: self._ahead.get(later) or self._begin(later) for later in following}
        result = wanted.result()
        self._ready[batch] = time.perf_counter()
        return result

    def ready_at(self, batch: int) -> float:
        """Return when a batch was last handed out, as `time.perf_counter` counts."""
        return float(self._ready[batch])

    def _begin(self, batch: int) -> Future[Any]:
        rows = self._order[batch * self._rows_per_batch : (batch + 1) * self._rows_per_batch]
        random = np.random.default_rng((self._seed, self._epoch, batch))
        if self._pool is not None:
            return self._pool.submit(self.make, rows, random)
        made: Future[Any] = Future()
        made.set_result(self.make(rows, random))
        return made


class CropBatches(EpochBatches):
    """Augmented crops, float32 (batch, size, size, 3), with targets and sample weights by the name of an output."""

    def __init__(
        self,
        cache: CropCache,
        indices: np.ndarray,
        targets: Mapping[str, np.ndarray],
        weights: Mapping[str, np.ndarray],
        *,
        batch_size: int,
        augmentation: Augmentation | None,
        seed: int,
        shares: np.ndarray | None = None,
    ) -> None:
        """Create the batches of one run.

        Args:
            cache: The crops.
            indices: int (n,): which of them.
            targets: Output name -> (n, ...): targets of the crops at `indices`.
            weights: Output name -> float32 (n,): their sample weights.
            batch_size: Crops per batch.
            augmentation: Random changes of the crops; None leaves them as they are.
            seed: Seed of order and augmentation.
            shares: float (n,): how often a crop is used in an epoch, on average; None uses each once.
        """
        super().__init__(len(indices), batch_size, seed=seed, shares=shares)
        self._cache, self._indices, self._labels = cache, np.asarray(indices), (targets, weights)
        self._augmentation = augmentation

    def make(
        self, rows: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return crops, targets and sample weights."""
        size = self._cache.size
        crops = np.empty((len(rows), size, size, 3), dtype=np.float32)
        for crop, index in zip(crops, self._indices[rows], strict=True):
            if self._augmentation is None:
                crop[:] = self._cache.inner(index)
            else:
                crop[:] = augment(self._cache.crops[index], size, self._augmentation, random)
        targets, weights = ({name: values[rows] for name, values in labels.items()} for labels in self._labels)
        return crops, targets, weights
