"""What training minimizes. A tensor meets an array through `keras.ops` only: PyTorch's operators refuse arrays."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from asianage.models.ages import AgeAxis
from asianage.training.recipes.recipe import AgeLoss, CrossEntropy, LabelDistribution, MeanVariance, Ordinal, Regression

_SMALLEST_SPREAD = 0.1
"""Smallest spread of a feature, as a share of the median."""


def age_loss(settings: AgeLoss, axis: AgeAxis) -> keras.losses.Loss:
    """Return the loss that a recipe names, for the raw age output of a network.

    `LabelDistribution` takes rows of `targets.age_distributions` (batch, num_ages). The others take the first and the
    last age that a label allows, in years (batch, 2).
    """
    if isinstance(settings, LabelDistribution):
        return AgeDistributionLoss(axis, settings.expectation_weight)
    if isinstance(settings, MeanVariance):
        return MeanVarianceLoss(axis, settings.mean_weight, settings.variance_weight)
    return _LOSSES_OF_YEARS[type(settings)](axis)


def gender_loss(label_smoothing: float = 0.0) -> keras.losses.Loss:
    """Return the binary cross-entropy of a gender logit (batch, 1)."""
    return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=label_smoothing)


class AgeDistributionLoss(keras.losses.Loss):
    """Kullback-Leibler divergence to the target distribution, plus the absolute error of the expected age.

    Gao et al.: 'Age Estimation Using Expectation of Label Distribution Learning' (DLDL-v2), IJCAI 2018.
    """

    def __init__(self, axis: AgeAxis, expectation_weight: float) -> None:
        """Create the loss for logits over `axis`.

        Args:
            axis: The age axis.
            expectation_weight: Weight of the absolute error, per year.
        """
        super().__init__(dtype="float32")
        self._ages = np.asarray(axis.ages)
        self._expectation_weight = expectation_weight

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: targets and logits, both (batch, num_ages).

        The target is a distribution, or 1 at each age of a group. A group's loss is minus the logarithm of the
        probability inside it, plus the distance of the expected age from it.
        """
        log_probability = ops.log_softmax(y_pred, axis=-1)
        expected = ops.sum(ops.multiply(ops.exp(log_probability), self._ages), axis=-1)
        divergence = ops.sum(y_true * (ops.log(y_true + 1e-9) - log_probability), axis=-1)
        in_group = y_true > 0.5
        inside = -ops.logsumexp(ops.where(in_group, log_probability, -1e9), axis=-1)
        first = ops.min(ops.where(in_group, self._ages, 1e4), axis=-1)
        last = ops.max(ops.where(in_group, self._ages, -1e4), axis=-1)
        outside = expected - ops.clip(expected, first, last)
        is_group = ops.sum(y_true, axis=-1) > 1.5
        error = ops.where(is_group, outside, expected - ops.sum(ops.multiply(y_true, self._ages), axis=-1))
        return ops.where(is_group, inside, divergence) + self._expectation_weight * ops.abs(error)


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
        return ops.mean(ops.square(ops.divide(y_pred - y_true, self._spread)), axis=-1)


class _YearsLoss(keras.losses.Loss):
    """A loss of the first and the last age that a label allows. Ages outside the axis count as its ends."""

    def __init__(self, axis: AgeAxis) -> None:
        super().__init__(dtype="float32")
        self._axis = axis

    def _years(self, y_true: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Return float32 (batch, 1) twice: the first and the last age, moved onto the axis."""
        years = ops.clip(y_true, float(self._axis.min_age), float(self._axis.max_age))
        return years[:, :1], years[:, 1:]


class AgeRegressionLoss(_YearsLoss):
    """Distance of the predicted age from those that the label allows, in years."""

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: ages (batch, 2) and predictions (batch, 1), in years."""
        low, high = self._years(y_true)
        distance = ops.maximum(low - y_pred, 0.0) + ops.maximum(y_pred - high, 0.0)
        return ops.reshape(distance, (-1,))


class AgeCrossEntropyLoss(_YearsLoss):
    """Minus the logarithm of the probability of the ages that the label allows. Every whole year is a class."""

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: ages in years (batch, 2) and logits (batch, num_ages)."""
        low, high = (ops.round(years) for years in self._years(y_true))
        ages = self._axis.ages
        allowed = ops.logical_and(ops.greater_equal(ages, low), ops.less_equal(ages, high))
        return -ops.logsumexp(ops.where(allowed, ops.log_softmax(y_pred, axis=-1), -1e9), axis=-1)


class MeanVarianceLoss(AgeCrossEntropyLoss):
    """Cross-entropy of the class, plus half the squared error of the expected age and the variance, each weighted.

    Pan et al.: 'Mean-Variance Loss for Deep Age Estimation from a Face', CVPR 2018. For a group of ages the error is
    the distance from the group, and the variance is left alone.
    """

    def __init__(self, axis: AgeAxis, mean_weight: float, variance_weight: float) -> None:
        """Create the loss for logits over `axis`; both weights are per square year."""
        super().__init__(axis)
        self._mean_weight, self._variance_weight = mean_weight, variance_weight

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: ages in years (batch, 2) and logits (batch, num_ages)."""
        low, high = self._years(y_true)
        probability, ages = ops.softmax(y_pred, axis=-1), np.asarray(self._axis.ages)
        mean = ops.sum(ops.multiply(probability, ages), axis=-1, keepdims=True)
        variance = ops.sum(probability * ops.square(ops.subtract(ages, mean)), axis=-1, keepdims=True)
        error = mean - ops.clip(mean, low, high)
        narrow = ops.where(low < high, 0.0, variance)
        penalty = 0.5 * self._mean_weight * ops.square(error) + self._variance_weight * narrow
        return super().call(y_true, y_pred) + penalty[:, 0]


class AgeOrdinalLoss(_YearsLoss):
    """Mean binary cross-entropy of the classifiers of P(age > k), one for every year k that the label decides.

    Niu et al.: 'Ordinal Regression with Multiple Output CNN for Age Estimation', CVPR 2016 (OR-CNN).
    """

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: ages in years (batch, 2) and logits of P(age > k), (batch, num_ages - 1)."""
        low, high = (ops.round(years) for years in self._years(y_true))
        years = self._axis.ages[None, :-1]
        is_more = ops.greater(low, years)
        is_decided = ops.logical_or(is_more, ops.less_equal(high, years))
        entropy = ops.softplus(y_pred) - ops.cast(is_more, "float32") * y_pred
        return ops.mean(ops.cast(is_decided, "float32") * entropy, axis=-1)


_LOSSES_OF_YEARS = {CrossEntropy: AgeCrossEntropyLoss, Regression: AgeRegressionLoss, Ordinal: AgeOrdinalLoss}
