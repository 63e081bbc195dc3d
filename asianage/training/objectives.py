"""What training minimizes."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from asianage.ages import AgeAxis


class AgeDistributionLoss(keras.losses.Loss):
    """Kullback-Leibler divergence to the target distribution, plus the absolute error of the expected age.

    Gao et al.: 'Age Estimation Using Expectation of Label Distribution Learning' (DLDL-v2), IJCAI 2018.
    """

    def __init__(self, axis: AgeAxis, expectation_weight: float, name: str = "age_distribution_loss") -> None:
        """Create the loss for logits over `axis`; `expectation_weight` is per year of absolute error."""
        super().__init__(name=name, dtype="float32")
        self._ages = np.asarray(axis.ages)
        self._expectation_weight = expectation_weight

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: target distributions and logits, both (batch, num_ages)."""
        log_probability = ops.log_softmax(y_pred, axis=-1)
        divergence = ops.sum(y_true * (ops.log(y_true + 1e-9) - log_probability), axis=-1)
        error = ops.sum((ops.exp(log_probability) - y_true) * self._ages, axis=-1)
        return divergence + self._expectation_weight * ops.abs(error)


def gender_loss(label_smoothing: float = 0.0) -> keras.losses.Loss:
    """Return the binary cross-entropy of a gender logit (batch, 1)."""
    return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=label_smoothing, name="gender_loss")
