"""The optimizer of a recipe and its schedule, for Keras."""

from __future__ import annotations

import keras

from asianage.training.recipes.recipe import Optimizer


def build_optimizer(settings: Optimizer, network: keras.Model, *, epochs: int, steps_per_epoch: int) -> keras.Optimizer:
    """Return a built optimizer for the trainable weights of a network."""
    optimizer = keras.optimizers.AdamW(
        learning_rate(settings, epochs, steps_per_epoch),
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm or None,
        use_ema=settings.ema_momentum > 0,
        ema_momentum=settings.ema_momentum,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(network.trainable_variables)
    return optimizer


def learning_rate(
    settings: Optimizer, epochs: int, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return the schedule, or the rate that never changes."""
    warmup = int(settings.warmup_epochs * steps_per_epoch)
    if settings.schedule == "constant" and not warmup:
        return settings.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, epochs * steps_per_epoch - warmup),
        # The cosine ends at this share of the peak.
        alpha=1.0 if settings.schedule == "constant" else 0.0,
        warmup_target=settings.learning_rate,
        warmup_steps=warmup,
    )
