"""What training minimizes."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from asianage.models.ages import AgeAxis
from asianage.training.recipes.recipe import AgeLoss, CrossEntropy, LabelDistribution, Ordinal, Regression

_SMALLEST_SPREAD = 0.1
"""Smallest spread of a feature, as a share of the median."""


def age_loss(settings: AgeLoss, axis: AgeAxis) -> keras.losses.Loss:
    """Return the loss that a recipe names, for the raw age output of a network.

    `LabelDistribution` takes target distributions (batch, num_ages), the others take ages in years (batch, 1).
    """
    if isinstance(settings, LabelDistribution):
        return AgeDistributionLoss(axis, settings.expectation_weight, settings.mirror_weight)
    return _LOSSES_OF_YEARS[type(settings)](axis)


def gender_loss(label_smoothing: float = 0.0) -> keras.losses.Loss:
    """Return the binary cross-entropy of a gender logit (batch, 1)."""
    return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=label_smoothing)


class AgeDistributionLoss(keras.losses.Loss):
    """Kullback-Leibler divergence to the target distribution, plus the absolute error of the expected age.

    Gao et al.: 'Age Estimation Using Expectation of Label Distribution Learning' (DLDL-v2), IJCAI 2018.
    """

    def __init__(self, axis: AgeAxis, expectation_weight: float, mirror_weight: float = 0.0) -> None:
        """Create the loss for logits over `axis`.

        Args:
            axis: The age axis.
            expectation_weight: Weight of the absolute error, per year.
            mirror_weight: Weight of the difference between the expected ages of a crop and its mirror image, per year.
                If it is not 0, rows 2 i and 2 i + 1 of a batch must be such a pair.
        """
        super().__init__(dtype="float32")
        self._ages = np.asarray(axis.ages)
        self._expectation_weight, self._mirror_weight = expectation_weight, mirror_weight

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: target distributions and logits, both (batch, num_ages)."""
        log_probability = ops.log_softmax(y_pred, axis=-1)
        divergence = ops.sum(y_true * (ops.log(y_true + 1e-9) - log_probability), axis=-1)
        error = ops.sum(ops.multiply(ops.exp(log_probability) - y_true, self._ages), axis=-1)
        loss = divergence + self._expectation_weight * ops.abs(error)
        if self._mirror_weight:
            # Both have the same target, so that their errors differ by as much as their ages.
            pairs = ops.reshape(error, (-1, 2))
            loss += self._mirror_weight * ops.repeat(ops.abs(pairs[:, 0] - pairs[:, 1]), 2)
        return loss


class FeatureLoss(keras.losses.Loss):
    """Mean squared difference from the features of a teacher, each in units of its standard deviation.

    Romero et al.: 'FitNets: Hints for Thin Deep Nets', ICLR 2015.
    """

    def __init__(self, features: np.ndarray) -> None:
        """Create the loss for features like these, float (n, width).

        A feature that hardly varies counts less, because most of its variation is noise.
        """
        super().__init__(dtype="float32")
        spread = features.std(axis=0)
        self._spread = np.maximum(spread, _SMALLEST_SPREAD * np.median(spread[spread > 0.0]))

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: features of the teacher and estimated features, both (batch, width)."""
        return ops.mean(ops.square((y_pred - y_true) / self._spread), axis=-1)


class _YearsLoss(keras.losses.Loss):
    """A loss of ages in years. Ages outside the axis count as its ends."""

    def __init__(self, axis: AgeAxis) -> None:
        super().__init__(dtype="float32")
        self._axis = axis

    def _years(self, y_true: keras.KerasTensor) -> keras.KerasTensor:
        """Return float32 (batch,): the ages, moved onto the axis."""
        return ops.clip(ops.reshape(y_true, (-1,)), float(self._axis.min_age), float(self._axis.max_age))


class AgeRegressionLoss(_YearsLoss):
    """Absolute error of the predicted age, in years."""

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: ages and predictions in years, both (batch, 1)."""
        return ops.abs(self._years(y_true) - ops.reshape(y_pred, (-1,)))


class AgeCrossEntropyLoss(_YearsLoss):
    """Cross-entropy of the class of the age. Every whole year of the axis is a class."""

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: ages in years (batch, 1) and logits (batch, num_ages)."""
        column = ops.cast(ops.round(self._years(y_true)) - self._axis.min_age, "int32")
        target = ops.one_hot(column, self._axis.num_ages, dtype="float32")
        return -ops.sum(target * ops.log_softmax(y_pred, axis=-1), axis=-1)


class AgeOrdinalLoss(_YearsLoss):
    """Mean binary cross-entropy of the classifiers of P(age > k), one for every year k.

    Niu et al.: 'Ordinal Regression with Multiple Output CNN for Age Estimation', CVPR 2016 (OR-CNN).
    """

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: ages in years (batch, 1) and logits of P(age > k), (batch, num_ages - 1)."""
        age = ops.round(self._years(y_true))[:, None]
        more = ops.cast(ops.greater(age, self._axis.ages[None, :-1]), "float32")
        return ops.mean(ops.softplus(y_pred) - more * y_pred, axis=-1)


_LOSSES_OF_YEARS = {CrossEntropy: AgeCrossEntropyLoss, Regression: AgeRegressionLoss, Ordinal: AgeOrdinalLoss}
