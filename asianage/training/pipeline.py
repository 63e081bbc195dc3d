"""Cached crops -> batches of views and targets."""

from __future__ import annotations

import keras
import numpy as np

from asianage.ages import AgeAxis, target_distribution
from asianage.config import GENDERS
from asianage.training.augmentation import Augmentation, augment
from asianage.training.crops import CropCache


class CropBatches(keras.utils.PyDataset):
    """Batches for `keras.Model.fit`; the same for a given seed and epoch, however often training was resumed."""

    def __init__(
        self,
        cache: CropCache,
        indices: np.ndarray,
        *,
        axis: AgeAxis,
        label_sigma: float,
        batch_size: int,
        augmentation: Augmentation,
        seed: int,
        shares: np.ndarray | None = None,
        first_epoch: int = 0,
        workers: int = 1,
    ) -> None:
        """Create the batches of one run.

        Args:
            cache: The crops.
            indices: int (n,): which of them.
            axis: The age axis of the targets.
            label_sigma: Spread of the target distributions, in years.
            batch_size: Views per batch; a last smaller batch is left out.
            augmentation: How far views may go.
            seed: Seed of order and views.
            shares: float (n,): probability that a crop is used in an epoch; None uses all.
            first_epoch: Epoch to begin with, counted from 0, when a run is resumed.
            workers: Threads that prepare batches.
        """
        super().__init__(workers=workers, max_queue_size=8 * workers)
        self._cache = cache
        self._indices = np.asarray(indices)
        self._shares = np.ones(len(self._indices)) if shares is None else np.asarray(shares, dtype=np.float64)
        self._axis = axis
        self._batch_size = batch_size
        self._augmentation = augmentation
        self._seed = seed
        self._epoch = first_epoch
        self._per_epoch = max(1, int(self._shares.sum()) // batch_size)
        age = np.array([np.nan if record.age is None else record.age for record in cache.records])[self._indices]
        self._age_weight = np.isfinite(age).astype(np.float32)
        self._age = target_distribution(axis, np.nan_to_num(age, nan=axis.min_age), label_sigma)
        gender = [record.gender for record in cache.records]
        self._gender_weight = np.array([gender[i] is not None for i in self._indices], dtype=np.float32)
        self._gender = np.array([[gender[i] == GENDERS[1]] for i in self._indices], dtype=np.float32)
        self._order = self._shuffled()

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self._per_epoch

    def __getitem__(self, batch: int) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return views float32 (batch, size, size, 3), targets and sample weights by output name."""
        chosen = self._order[batch * self._batch_size : (batch + 1) * self._batch_size]
        random = np.random.default_rng((self._seed, self._epoch, batch))
        size = self._cache.size
        views = np.empty((len(chosen), size, size, 3), dtype=np.float32)
        for row, position in enumerate(chosen):
            views[row] = augment(self._cache.crops[self._indices[position]], size, self._augmentation, random)
        targets = {"age_logits": self._age[chosen], "gender_logit": self._gender[chosen]}
        weights = {"age_logits": self._age_weight[chosen], "gender_logit": self._gender_weight[chosen]}
        return views, targets, weights

    def on_epoch_end(self) -> None:
        """Move on to the order of the next epoch."""
        self._epoch += 1
        self._order = self._shuffled()

    def _shuffled(self) -> np.ndarray:
        random = np.random.default_rng((self._seed, self._epoch))
        # The key of a crop is smaller the larger its share: weighted sampling without replacement
        # (Efraimidis and Spirakis, Information Processing Letters 2006).
        keys = random.exponential(size=len(self._indices)) / np.maximum(self._shares, 1e-9)
        chosen = np.argsort(keys)[: self._per_epoch * self._batch_size]
        return random.permutation(chosen)
