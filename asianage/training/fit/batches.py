"""Cached crops -> batches of views and targets."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np

from asianage.data.crop_cache import CropCache
from asianage.models.ages import AgeAxis, target_distribution
from asianage.models.config import GENDERS
from asianage.networks.heads import OUTPUTS, TEACHER_FEATURES
from asianage.training.augmentation import Augmentation, augment
from asianage.training.fit.distillation import Teaching

Batch = tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]

AHEAD = 2
"""Batches that each worker may prepare before they are asked for."""


class CropBatches(keras.utils.PyDataset):
    """Batches for `keras.Model.fit`; the same for a given seed and epoch, however often training was resumed.

    Threads prepare the next batches while the network computes. Each batch has a random generator of its own, so that
    neither their number nor their order decides what it holds.
    """

    def __init__(
        self,
        cache: CropCache,
        indices: np.ndarray,
        *,
        axis: AgeAxis,
        label_sigma: float | None,
        batch_size: int,
        augmentation: Augmentation | None,
        mirrored: bool = False,
        seed: int,
        outputs: Sequence[str] = OUTPUTS,
        teaching: Teaching | None = None,
        teacher_weight: float = 0.0,
        shares: np.ndarray | None = None,
        first_epoch: int = 0,
        workers: int = 1,
    ) -> None:
        """Create the batches of one run.

        Args:
            cache: The crops.
            indices: int (n,): which of them.
            axis: The age axis of the targets.
            label_sigma: Spread of the target distributions, in years; None makes the ages themselves the targets.
            batch_size: Views per batch; a last smaller batch is left out.
            augmentation: How far views may go; None takes the crops as they are.
            mirrored: Whether every view is followed by its mirror image; a batch then holds half as many faces.
            seed: Seed of order and views.
            outputs: Names of the network's outputs: ``gender_logit``, ``teacher_features`` if `teaching` has them, and
                any other name for the age.
            teaching: What teachers say of the crops, for target distributions only; None leaves the labels alone.
            teacher_weight: Share of the targets that the teachers give, in [0, 1].
            shares: float (n,): probability that a crop is used in an epoch; None uses all.
            first_epoch: Epoch to begin with, counted from 0, when a run is resumed.
            workers: Threads that prepare batches.

        Raises:
            ValueError: Views and their mirror images do not fill a batch.
        """
        if mirrored and batch_size % 2:
            raise ValueError(f"Mirrored views need an even `batch_size`. Received: {batch_size}.")
        super().__init__()
        self._cache = cache
        self._indices = np.asarray(indices)
        self._shares = np.ones(len(self._indices)) if shares is None else np.asarray(shares, dtype=np.float64)
        self._faces = batch_size // 2 if mirrored else batch_size
        self._mirrored = mirrored
        self._augmentation = augmentation
        self._seed = seed
        self._epoch = first_epoch
        self._per_epoch = max(1, int(self._shares.sum()) // self._faces)
        labeled = [name for name in outputs if name != TEACHER_FEATURES]
        self._targets, self._weights = self._labels(axis, label_sigma, labeled)
        if teaching is not None:
            said = {"age_logits": teaching.age_distribution, "gender_logit": teaching.male_probability[:, None]}
            for name, labels in self._targets.items():
                self._targets[name] = (1.0 - teacher_weight) * labels + teacher_weight * said[name]
            if teaching.features is not None:
                self._targets[TEACHER_FEATURES] = teaching.features
                self._weights[TEACHER_FEATURES] = np.ones(len(self._indices), dtype=np.float32)
        self._order = self._shuffled()
        self._pool = ThreadPoolExecutor(workers)
        self._ahead = AHEAD * workers
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[Batch]] = {}
        self._ready = np.zeros(self._per_epoch)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self._per_epoch

    def __getitem__(self, batch: int) -> Batch:
        """Return views float32 (batch, size, size, 3), targets and sample weights by output name."""
        with self._lock:
            wanted = self._waiting.pop(batch, None) or self._submit(batch)
            following = range(batch + 1, min(batch + 1 + self._ahead, self._per_epoch))
            self._waiting = {later: self._waiting.get(later) or self._submit(later) for later in following}
        result = wanted.result()
        self._ready[batch] = time.perf_counter()
        return result

    def ready_at(self, batch: int) -> float:
        """Return when a batch was last handed out, as `time.perf_counter` counts."""
        return float(self._ready[batch])

    def on_epoch_end(self) -> None:
        """Move on to the order of the next epoch."""
        with self._lock:
            self._waiting.clear()
            self._epoch += 1
            self._order = self._shuffled()

    def _submit(self, batch: int) -> Future[Batch]:
        chosen = self._order[batch * self._faces : (batch + 1) * self._faces]
        return self._pool.submit(self._prepare, chosen, (self._seed, self._epoch, batch))

    def _prepare(self, chosen: np.ndarray, seed: tuple[int, int, int]) -> Batch:
        random = np.random.default_rng(seed)
        size = self._cache.size
        views = np.empty((len(chosen), size, size, 3), dtype=np.float32)
        for row, index in enumerate(self._indices[chosen]):
            if self._augmentation is None:
                views[row] = self._cache.inner(index)
            else:
                views[row] = augment(self._cache.crops[index], size, self._augmentation, random)
        if self._mirrored:
            views = np.stack([views, views[:, :, ::-1]], axis=1).reshape(-1, *views.shape[1:])
            chosen = np.repeat(chosen, 2)
        targets = {name: values[chosen] for name, values in self._targets.items()}
        return views, targets, {name: values[chosen] for name, values in self._weights.items()}

    def _labels(
        self, axis: AgeAxis, label_sigma: float | None, outputs: Sequence[str]
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return targets and sample weights by output name; a label that is missing weighs nothing."""
        records = [self._cache.records[index] for index in self._indices]
        targets, weights = {}, {}
        for name in outputs:
            if name == "gender_logit":
                weights[name] = np.array([record.gender is not None for record in records], dtype=np.float32)
                targets[name] = np.array([[record.gender == GENDERS[1]] for record in records], dtype=np.float32)
                continue
            age = np.array([np.nan if record.age is None else record.age for record in records])
            weights[name] = np.isfinite(age).astype(np.float32)
            age = np.nan_to_num(age, nan=axis.min_age)
            if label_sigma is None:
                targets[name] = age.astype(np.float32)[:, None]
            else:
                targets[name] = target_distribution(axis, age, label_sigma)
        return targets, weights

    def _shuffled(self) -> np.ndarray:
        random = np.random.default_rng((self._seed, self._epoch))
        # The key of a crop is smaller the larger its share: weighted sampling without replacement
        # (Efraimidis and Spirakis, Information Processing Letters 2006).
        keys = random.exponential(size=len(self._indices)) / np.maximum(self._shares, 1e-9)
        chosen = np.argsort(keys)[: self._per_epoch * self._faces]
        return random.permutation(chosen)
