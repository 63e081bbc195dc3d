"""What training minimizes."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from asianage.models.ages import AgeAxis
from asianage.training.recipes.recipe import AgeLoss, CrossEntropy, LabelDistribution, Ordinal, Regression

# Of a feature, as a share of the median.
_SMALLEST_SPREAD = 0.1


class AgeDistributionLoss(keras.losses.Loss):
    """Kullback-Leibler divergence to the target distribution, plus the absolute error of the expected age.

    Gao et al.: 'Age Estimation Using Expectation of Label Distribution Learning' (DLDL-v2), IJCAI 2018.
    """

    def __init__(
        self,
        axis: AgeAxis,
        expectation_weight: float,
        mirror_weight: float = 0.0,
        name: str = "age_distribution_loss",
    ) -> None:
        """Create the loss for logits over `axis`.

        Args:
            axis: The age axis.
            expectation_weight: Weight of the absolute error, per year.
            mirror_weight: Weight of the difference between the expected ages of a view and of its mirror image, per
                year. Where it is not 0, rows 2 i and 2 i + 1 of a batch must be such a pair.
            name: Name of the loss.
        """
        super().__init__(name=name, dtype="float32")
        self._ages = np.asarray(axis.ages)
        self._expectation_weight = expectation_weight
        self._mirror_weight = mirror_weight

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

    def __init__(self, features: np.ndarray, name: str = "feature_loss") -> None:
        """Create the loss for features like these, float (n, width).

        One that hardly varies counts less than the others, because what is left of it is noise.
        """
        super().__init__(name=name, dtype="float32")
        spread = features.std(axis=0)
        self._spread = np.maximum(spread, _SMALLEST_SPREAD * np.median(spread[spread > 0.0]))

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: features of the teacher and what is told of them, both (batch, width)."""
        return ops.mean(ops.square((y_pred - y_true) / self._spread), axis=-1)


def gender_loss(label_smoothing: float = 0.0) -> keras.losses.Loss:
    """Return the binary cross-entropy of a gender logit (batch, 1)."""
    return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=label_smoothing, name="gender_loss")


def age_loss(settings: AgeLoss, axis: AgeAxis) -> keras.losses.Loss:
    """Return the loss that a recipe names, for the raw age output of a network.

    `LabelDistribution` takes target distributions (batch, num_ages), the others take ages in years (batch, 1).
    """
    if isinstance(settings, LabelDistribution):
        return AgeDistributionLoss(axis, settings.expectation_weight, settings.mirror_weight)
    return _LOSSES_OF_YEARS[type(settings)](axis)


class AgeRegressionLoss(keras.losses.Loss):
    """Absolute error of the predicted age, in years."""

    def __init__(self, axis: AgeAxis, name: str = "age_regression_loss") -> None:
        """Create the loss; ages outside `axis` count as its ends."""
        super().__init__(name=name, dtype="float32")
        self._axis = axis

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: ages and predictions in years, both (batch, 1)."""
        return ops.abs(_years_on(self._axis, y_true) - ops.reshape(y_pred, (-1,)))


class AgeCrossEntropyLoss(keras.losses.Loss):
    """Cross-entropy of the class of the age; every whole year of the axis is a class."""

    def __init__(self, axis: AgeAxis, name: str = "age_cross_entropy_loss") -> None:
        """Create the loss; ages outside `axis` count as its ends, fractions of a year as the nearest."""
        super().__init__(name=name, dtype="float32")
        self._axis = axis

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: ages in years (batch, 1) and logits (batch, num_ages)."""
        column = ops.cast(ops.round(_years_on(self._axis, y_true)) - self._axis.min_age, "int32")
        target = ops.one_hot(column, self._axis.num_ages, dtype="float32")
        return -ops.sum(target * ops.log_softmax(y_pred, axis=-1), axis=-1)


class AgeOrdinalLoss(keras.losses.Loss):
    """Mean binary cross-entropy of the classifiers that ask for every year k whether the age is more than k.

    Niu et al.: 'Ordinal Regression with Multiple Output CNN for Age Estimation', CVPR 2016 (OR-CNN).
    """

    def __init__(self, axis: AgeAxis, importance: np.ndarray | None = None, name: str = "age_ordinal_loss") -> None:
        """Create the loss.

        Args:
            axis: The age axis; ages outside it count as its ends, fractions of a year as the nearest.
            importance: float (num_ages - 1,), positive: how much each classifier counts, scaled to the sum 1; None
                lets all count the same.
            name: Name of the loss.

        Raises:
            ValueError: `importance` has another shape, or values that are no weights.
        """
        super().__init__(name=name, dtype="float32")
        self._axis = axis
        weights = np.ones(axis.num_ages - 1) if importance is None else np.asarray(importance, dtype=np.float64)
        if weights.shape != (axis.num_ages - 1,) or not (np.isfinite(weights).all() and (weights > 0.0).all()):
            raise ValueError(
                f"`importance` must have shape ({axis.num_ages - 1},) and positive values. "
                f"Received: shape={weights.shape}, values={weights.ravel()[:5].tolist()}."
            )
        self._importance = (weights / weights.sum()).astype(np.float32)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row: ages in years (batch, 1) and logits of P(age > k), (batch, num_ages - 1)."""
        age = ops.round(_years_on(self._axis, y_true))[:, None]
        more = ops.cast(ops.greater(age, self._axis.ages[None, :-1]), "float32")
        return ops.sum(ops.multiply(ops.softplus(y_pred) - more * y_pred, self._importance), axis=-1)


def _years_on(axis: AgeAxis, y_true: keras.KerasTensor) -> keras.KerasTensor:
    """Return float32 (batch,): the ages, those outside the axis moved to its ends."""
    return ops.clip(ops.reshape(y_true, (-1,)), float(axis.min_age), float(axis.max_age))


_LOSSES_OF_YEARS = {CrossEntropy: AgeCrossEntropyLoss, Regression: AgeRegressionLoss, Ordinal: AgeOrdinalLoss}
