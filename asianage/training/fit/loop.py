"""Train a network for some epochs: validate each, keep the best weights, resume after an interruption.

The loop knows no task. Losses come compiled into the network, batches and validation from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np

from asianage.progress import shown
from asianage.training.fit.batches import EpochBatches
from asianage.training.fit.callbacks import ValidateAndSave, tell
from asianage.training.fit.devices import scope_of
from asianage.training.run_folder import BEST_WEIGHTS, RunState


def fit(
    learner: keras.Model,
    batches: EpochBatches,
    validate: Callable[[], Mapping[str, float]],
    folder: Path,
    *,
    epochs: int,
    patience: int = 0,
    seed: int = 0,
    network: keras.Model | None = None,
    progress: bool = False,
) -> Path:
    """Train a compiled network, or go on where an earlier call in `folder` stopped.

    A run that was stopped and resumed gives the same weights as one that was not.

    Args:
        learner: The functional network that learns, compiled with its losses and a built optimizer. If the optimizer
            has `use_ema`, the averages of the weights are validated and kept.
        batches: What it learns from.
        validate: Returns the scores of the weights in force. ``val_score`` chooses the best epoch: less is better.
        folder: Folder of the run. Its settings must be the same in every call, see `run_folder.keep_settings`.
        epochs: Passes over the batches.
        patience: Training ends after so many epochs without a better one; 0 always goes to the end.
        seed: Seed of dropout.
        network: Network whose weights are kept, which shares its layers with `learner`; None keeps `learner`.
        progress: Whether to show a bar, and the scores of each epoch.

    Returns:
        The file with the weights of the best epoch.

    Raises:
        ValueError: The state that the run would go on from was deleted or is damaged.
        RuntimeError: The loss is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = RunState.read(folder, epochs=epochs, patience=patience)
    if state.is_finished:
        return folder / BEST_WEIGHTS
    if state.epoch:
        if not (folder / state.checkpoint).is_file():
            raise ValueError(
                f"The run in {folder} has {state.epoch} of {epochs} epochs, and {state.checkpoint}, which it would go "
                "on from, was deleted. Choose another output folder."
            )
        try:
            learner.load_weights(folder / state.checkpoint)
        except (OSError, KeyError) as error:
            raise ValueError(
                f"{folder / state.checkpoint} is damaged: {error}. Choose another output folder."
            ) from error
        tell(f"going on after epoch {state.epoch} of {epochs}, which an earlier call in {folder} finished", progress)
    _build_losses(learner, batches)
    remaining = range((epochs - state.epoch) * len(batches))
    bar = shown(remaining, progress, description="training", unit="batch")
    with batches.prefetched():
        learner.fit(
            batches,
            epochs=epochs,
            initial_epoch=state.epoch,
            callbacks=[
                ValidateAndSave(
                    batches, validate, folder, state, learner if network is None else network, seed, progress
                ),
                keras.callbacks.TerminateOnNaN(),
                keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: next(bar, None)),
            ],
            # The batches come shuffled. Keras would shuffle them by a state that a resumed run does not have.
            shuffle=False,
            verbose=0,
        )
    next(bar, None)
    return folder / BEST_WEIGHTS


def _build_losses(learner: keras.Model, batches: EpochBatches) -> None:
    """Build the state of the losses, which would otherwise have Keras trace the training step twice."""
    inputs, targets, weights = keras.utils.unpack_x_y_sample_weight(batches[0])
    with scope_of(learner):
        nothing = keras.tree.map_structure(lambda output: np.zeros((len(inputs), *output.shape[1:])), learner.output)
        learner.compute_loss(inputs, targets, nothing, weights)
