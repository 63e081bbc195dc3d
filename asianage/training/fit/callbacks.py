"""What happens around the epochs of a training: averaged weights, validation, saving, and the time spent waiting."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from asianage.files import replacing
from asianage.progress import say
from asianage.training.fit.batches import EpochBatches
from asianage.training.run_folder import BEST_WEIGHTS, RunState

logger = logging.getLogger(__name__)

STATISTICS_BATCHES = 24
"""Batches that normalization statistics are averaged over before validation."""


@dataclass(eq=False)
class ValidateAndSave(keras.callbacks.Callback):
    """Validate after every epoch with averaged weights, keep the best, and save the state to resume from.

    The fields are the arguments of `asianage.training.fit.loop.fit`, and the state of the run.
    """

    batches: EpochBatches
    validate: Callable[[], Mapping[str, float]]
    folder: Path
    state: RunState
    network: keras.Model
    seed: int
    progress: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self._started = self._steps_started = self._free = self._waited = 0.0
        self._is_compiled = False

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Bring everything random to the state that belongs to the epoch."""
        self._started = time.perf_counter()
        self._restart_clock()
        self.batches.start_epoch(epoch + 1)
        for layer in all_layers(self.model):
            # A rate of 0 has no random state.
            if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
                # Weights files do not hold the state of random layers.
                layer.seed_generator.state.assign(np.array([self.seed, epoch], dtype=np.uint32))

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Add the time between the end of the step before and the arrival of the batch to the time spent waiting."""
        if self._is_compiled:
            self._waited += max(0.0, self.batches.ready_at(batch) - self._free)
            self._free = time.perf_counter()
        else:
            # The first step of all compiles the network, which is no waiting for data.
            self._is_compiled = True
            self._restart_clock()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Validate and save.

        Raises:
            RuntimeError: The loss is not finite.
        """
        loss = float((logs or {}).get("loss", np.nan))
        if not np.isfinite(loss):
            raise RuntimeError(
                f"The loss of epoch {epoch + 1} is {loss}. Lower `learning_rate` or set `clip_norm`, and train into "
                "another output folder."
            )
        input_share = self._waited / (time.perf_counter() - self._steps_started)
        # Statistics are those of the batches that come next.
        self.batches.start_epoch(epoch + 2)
        with averaged_weights(self.model, self.batches):
            scores = self.validate()
            row = {
                "epoch": epoch + 1,
                "seconds": round(time.perf_counter() - self._started, 1),
                "input_share": round(input_share, 4),
                "loss": loss,
                **scores,
            }
            if self.state.add(row):
                _save_weights(self.network, self.folder / BEST_WEIGHTS)
        tell(" ".join(f"{name}={value:.4g}" for name, value in row.items()), self.progress)
        _save_weights(self.model, self.folder / self.state.checkpoint)
        self.state.write(self.folder)
        # The state of the epoch before was for the case that this one could not be written.
        (self.folder / self.state.earlier_checkpoint).unlink(missing_ok=True)
        self.model.stop_training = self.state.is_finished

    def _restart_clock(self) -> None:
        self._steps_started = self._free = time.perf_counter()
        self._waited = 0.0


def tell(line: str, progress: bool) -> None:
    """Log a line; where nobody listens to the log, write it to standard error if progress is wanted."""
    logger.info(line)
    if progress and not logger.isEnabledFor(logging.INFO):
        say(line)


@contextlib.contextmanager
def averaged_weights(learner: keras.Model, batches: EpochBatches) -> Iterator[None]:
    """Put the averages that the optimizer keeps in the place of the weights while the block runs.

    Normalization statistics belong to the weights that they were gathered with, and are estimated anew.
    """
    if not learner.optimizer.use_ema:
        yield
        return
    averaged = learner.trainable_variables
    changed = [*averaged, *statistics(learner)]
    before = _values(changed)
    learner.optimizer.finalize_variable_values(averaged)
    # With JAX a weight and its average now share an array, which a prediction deletes.
    _assign(averaged, _values(averaged))
    reestimate_statistics(learner, batches)
    try:
        yield
    finally:
        _assign(changed, before)


def normalizations(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Return the BatchNorm layers of a network."""
    return [layer for layer in all_layers(network) if isinstance(layer, keras.layers.BatchNormalization)]


def all_layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the layers of a network, and those of the networks in it."""
    for layer in network.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def statistics(network: keras.Model) -> list[keras.Variable]:
    """Return the moving means and variances, layer by layer."""
    return [value for layer in normalizations(network) for value in (layer.moving_mean, layer.moving_variance)]


def reestimate_statistics(network: keras.Model, batches: Sequence[tuple] | EpochBatches) -> None:
    """Average the normalization statistics of the weights in force over a few batches.

    Those of other weights give nonsense while the learning rate is high (as in Izmailov et al., 'Averaging Weights
    Leads to Wider Optima', UAI 2018).
    """
    layers = normalizations(network)
    momenta = [layer.momentum for layer in layers]
    for number in range(min(STATISTICS_BATCHES, len(batches)) if layers else 0):
        for layer in layers:
            layer.momentum = number / (number + 1)
        network(batches[number][0], training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def _values(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    return [np.asarray(variable).copy() for variable in variables]


def _assign(variables: Sequence[keras.Variable], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _save_weights(network: keras.Model, file: Path) -> None:
    with replacing(file) as temporary:
        network.save_weights(temporary)
