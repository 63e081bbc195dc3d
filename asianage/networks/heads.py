"""From features to the two outputs of every network, by four ways to learn an age.

Every network ends in ``age_logits`` float32 (batch, num_ages) and ``gender_logit`` float32 (batch, 1). Runtime,
calibration and estimator read nothing else, so that heads can be exchanged and compared without changing them. A head
that learns something other than logits has two parts. A Dense layer gives the raw output, which the loss takes. A layer
without weights turns the raw output into logits, and is exported with the network.

============  =========================================  ==============================================================
head          raw output, for the loss                   its way to ``age_logits``
============  =========================================  ==============================================================
logits        ``age_logits`` (batch, num_ages)           none: they are the logits, of label distribution or class
regression    ``age_years`` (batch, 1), in years         `NormalLogits`: a normal distribution around the prediction
ordinal       ``age_exceedance`` (batch, num_ages - 1),  `OrdinalLogits`: P(age > k) made non-increasing in k, then
              the logits of P(age > k)                   the logarithm of the differences of neighbors
============  =========================================  ==============================================================

Both ways keep the point estimate. The mean of the distribution is the regression's prediction in years, or the first
age plus the sum of P(age > k). A regression does not learn the width of the distribution: its spread is a constant that
the temperature of the calibration stretches afterwards.

`training_network` gives the network with raw outputs, of the same layers and weights as the exported one. A network of
the study learns one task only; its output for the other is `UnknownLogits`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from asianage.models.ages import AgeAxis

HEADS = ("logits", "regression", "ordinal")
"""How an age is learned."""

TASKS = {"both": frozenset({"age", "gender"}), "age": frozenset({"age"}), "gender": frozenset({"gender"})}
"""Argument `task` of a network -> what the network learns."""

OUTPUTS = ("age_logits", "gender_logit")
"""Names of the outputs of every network, and of the layers that make them."""

FEATURES = "pool"
"""Name of the layer, in networks that have one, whose output (batch, width) goes into the heads."""

TEACHER_FEATURES = "teacher_features"
"""Name of the output of `training_network` that estimates the features of a teacher."""

SPREAD = 5.0
"""Standard deviation around a regression's prediction before calibration, in years."""

LOWEST_LOGIT = -32.0
"""Logit of ages far from a regression's prediction."""

# The end of the axis stays three standard deviations away from a regression's prediction: the mean then moves by at
# most 0.08 years, and by 0.3 at the temperature 2 (measured over the axes 0-100 and 15-40).
_EDGE_SPREADS = 3.0
_SMALLEST_SPREAD = 0.4
_STEPS_PER_YEAR = 2
# A hundred ages of this probability move the mean by less than a thousandth of a year.
_SMALLEST_PROBABILITY = 1e-7


def attach_heads(
    features: keras.KerasTensor, *, num_ages: int, min_age: int = 0, head: str = "logits", task: str = "both"
) -> dict[str, keras.KerasTensor]:
    """Put the heads on top of features.

    Args:
        features: float (batch, width).
        num_ages: Length of the age axis.
        min_age: First age of the axis, in years; a regression needs it.
        head: How the age is learned, one of `HEADS`.
        task: What is learned, one of `TASKS`; the output of the other task is constant.

    Returns:
        ``age_logits`` float32 (batch, num_ages) and ``gender_logit`` float32 (batch, 1), positive for the second
        gender label.

    Raises:
        ValueError: Unknown `head` or `task`.
    """
    check_choice("head", head, HEADS)
    check_choice("task", task, TASKS)
    if task == "gender":
        age_logits = UnknownLogits(num_ages, name="age_logits")(features)
    else:
        age_logits = _age_logits(features, head, num_ages, min_age)
    if task == "age":
        gender_logit = UnknownLogits(1, name="gender_logit")(features)
    else:
        gender_logit = _dense(1, "gender_logit")(features)
    return {"age_logits": age_logits, "gender_logit": gender_logit}


def pooled_network(
    crops: keras.KerasTensor, x: keras.KerasTensor, *, name: str, dropout: float, **heads: Any
) -> keras.Model:
    """Return the network from crops to `attach_heads` on the means of `x`, float (batch, height, width, channels)."""
    features = layers.GlobalAveragePooling2D(name=FEATURES)(x)
    features = layers.Dropout(dropout, name="dropout")(features)
    return keras.Model(crops, attach_heads(features, **heads), name=name)


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise a ValueError if the value of an argument is none of its choices."""
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {', '.join(choices)}. Received: {value!r}.")


def learned_tasks(network: keras.Model) -> frozenset[str]:
    """Return which of "age" and "gender" a network that ends in `attach_heads` learns."""
    tasks = {"age_logits": "age", "gender_logit": "gender"}
    return frozenset(task for name, task in tasks.items() if not isinstance(network.get_layer(name), UnknownLogits))


def features_network(network: keras.Model) -> keras.Model:
    """Return the network of the same layers from the same crops to its features (batch, width).

    Raises:
        ValueError: It has no layer `FEATURES`.
    """
    if FEATURES not in {layer.name for layer in network.layers}:
        raise ValueError(f"Features need a network with a layer {FEATURES!r}. Received: {network.name!r}.")
    return keras.Model(network.input, network.get_layer(FEATURES).output, name="features")


def prediction_network(network: keras.Model) -> keras.Model:
    """Return the network of the same layers for one crop, with its features as a third output where it has them.

    Returns:
        A network from float32 (1, image_size, image_size, 3) to a dict. It has the outputs of `network`, and
        ``features`` float32 (1, width) if there is a layer `FEATURES` of another width than these.
    """
    outputs = dict(network.output)
    features = next((layer.output for layer in network.layers if layer.name == FEATURES), None)
    # LiteRT tells outputs apart by their widths.
    if features is not None and features.shape[-1] not in {output.shape[-1] for output in outputs.values()}:
        outputs["features"] = features
    crops = keras.Input(batch_shape=(1, *network.input_shape[1:]), name="crops")
    return keras.Model(crops, keras.Model(network.input, outputs, name=network.name)(crops), name=network.name)


def training_network(network: keras.Model, teacher_features: int = 0) -> keras.Model:
    """Return the network whose outputs a loss is for: raw ages, and only the tasks that are learned.

    Args:
        network: A network that ends in `attach_heads`.
        teacher_features: How many features of a teacher it estimates too; needs a network with a layer `FEATURES`.

    Returns:
        A network of the same layers and weights, from the same crops to a dict. It has one of ``age_logits``,
        ``age_years`` and ``age_exceedance``, and ``gender_logit``. With `teacher_features` it also has
        ``teacher_features`` (batch, teacher_features), from a new layer.
    """
    outputs = {}
    for name in OUTPUTS:
        layer = network.get_layer(name)
        if isinstance(layer, NormalLogits | OrdinalLogits):
            layer = network.get_layer(layer.raw_output)
        if not isinstance(layer, UnknownLogits):
            outputs[layer.name] = layer.output
    if teacher_features:
        outputs[TEACHER_FEATURES] = _teacher_features(features_network(network).output, teacher_features)
    return keras.Model(network.input, outputs, name=network.name)


@keras.saving.register_keras_serializable("asianage")
class NormalLogits(layers.Layer):
    """Years -> logits of a normal distribution around them, over the whole years of the axis.

    Near the ends of the axis the distribution gets narrower: what the axis cuts off must not move the mean. The
    expected age is the prediction, to a tenth of a year. An axis should reach further than the ages that occur, or the
    last ones seem surer than they are. Predictions outside the axis count as its ends.
    """

    raw_output = "age_years"

    def __init__(self, num_ages: int, min_age: int = 0, spread: float = SPREAD, **options: Any) -> None:
        """Create the layer for `num_ages` ages from `min_age` on, with a standard deviation of `spread` years."""
        super().__init__(**options)
        if not spread >= _SMALLEST_SPREAD:
            raise ValueError(f"`spread` must be at least {_SMALLEST_SPREAD} years. Received: {spread}.")
        self.num_ages = num_ages
        self.min_age = min_age
        self.spread = spread
        self._table = _normal_table(AgeAxis(min_age, min_age + num_ages - 1), spread)

    def call(self, years: keras.KerasTensor) -> keras.KerasTensor:
        """Return logits (batch, num_ages) of years (batch, 1)."""
        # How far each step of the table is passed, from 0 to 6, and the sum of what its steps add. Eight bits are
        # enough for two matrix products and a ReLU6; for the square of a distance in years they are not.
        starts = self.min_age + np.arange(len(self._table) - 1, dtype=np.float32) / _STEPS_PER_YEAR
        slope = np.full((1, len(starts)), 6.0 * _STEPS_PER_YEAR, dtype=np.float32)
        passed = ops.relu6(ops.add(ops.matmul(years, slope), -6.0 * _STEPS_PER_YEAR * starts))
        return ops.add(ops.matmul(passed, np.diff(self._table, axis=0) / 6.0), self._table[0])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "num_ages": self.num_ages, "min_age": self.min_age, "spread": self.spread}


@keras.saving.register_keras_serializable("asianage")
class OrdinalLogits(layers.Layer):
    """Logits of P(age > k) -> logits of P(age = k).

    Niu et al.: 'Ordinal Regression with Multiple Output CNN for Age Estimation', CVPR 2016 (OR-CNN). One logit with a
    sigmoid replaces the two outputs with a softmax of each of its classifiers. The paper counts the positive
    classifiers; here their probabilities are added, which gives the mean of the distribution. The classifiers are
    independent, so that P(age > k) may rise with k by mistake. It is replaced by the middle between the largest
    non-increasing sequence below it and the smallest above it. Without a mistake this changes nothing.
    """

    raw_output = "age_exceedance"

    def call(self, exceedance: keras.KerasTensor) -> keras.KerasTensor:
        """Return logits (batch, num_ages) of the logits of P(age > k), (batch, num_ages - 1)."""
        steps = exceedance.shape[-1]
        more = ops.reshape(ops.sigmoid(exceedance), (-1, steps, 1, 1))
        above = _running_maximum(more, [0, steps - 1])
        below = 1.0 - _running_maximum(1.0 - more, [steps - 1, 0])
        more_than = ops.reshape(0.5 * (above + below), (-1, steps))
        differences = np.eye(steps, steps + 1, 1, dtype=np.float32) - np.eye(steps, steps + 1, dtype=np.float32)
        first = np.eye(1, steps + 1, dtype=np.float32)[0]
        probability = ops.relu(ops.add(ops.matmul(more_than, differences), first))
        return ops.log(ops.maximum(probability, _SMALLEST_PROBABILITY))


@keras.saving.register_keras_serializable("asianage")
class UnknownLogits(layers.Layer):
    """Zeros for all features: every age, or either gender, is equally likely."""

    def __init__(self, num_logits: int, **options: Any) -> None:
        """Create the layer for `num_logits` outputs."""
        super().__init__(**options)
        self.num_logits = num_logits

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Return zeros (batch, num_logits)."""
        # Made from the features, because an exported network takes its batch size from them. The converter must not
        # simplify this: it would leave a constant of one row.
        nothing = ops.relu(ops.sigmoid(features[:, :1]) - 2.0)
        return nothing + ops.zeros((1, self.num_logits), dtype=nothing.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "num_logits": self.num_logits}


RAW_OUTPUTS = {
    "logits": "age_logits",
    "regression": NormalLogits.raw_output,
    "ordinal": OrdinalLogits.raw_output,
}
"""Head -> name of the age output of `training_network`."""


def _age_logits(features: keras.KerasTensor, head: str, num_ages: int, min_age: int) -> keras.KerasTensor:
    if head == "regression":
        years = _dense(1, NormalLogits.raw_output)(features)
        return NormalLogits(num_ages, min_age, dtype="float32", name="age_logits")(years)
    if head == "ordinal":
        exceedance = _dense(num_ages - 1, OrdinalLogits.raw_output)(features)
        return OrdinalLogits(dtype="float32", name="age_logits")(exceedance)
    return _dense(num_ages, "age_logits")(features)


def _dense(width: int, name: str) -> layers.Dense:
    # The heads stay in float32 under mixed precision.
    return layers.Dense(width, dtype="float32", name=name)


def _teacher_features(features: keras.KerasTensor, width: int) -> keras.KerasTensor:
    """Estimate features of a teacher from those of a network; where both have one width, begin with the identity."""
    initializer = "identity" if features.shape[-1] == width else "glorot_uniform"
    return layers.Dense(width, kernel_initializer=initializer, dtype="float32", name=TEACHER_FEATURES)(features)


def _running_maximum(values: keras.KerasTensor, padding: list[int]) -> keras.KerasTensor:
    """Return the maxima of positive values (batch, steps, 1, 1) to one end; `padding` is at that end."""
    padded = ops.pad(values, [[0, 0], padding, [0, 0], [0, 0]])
    return ops.max_pool(padded, (values.shape[1], 1), strides=1, data_format="channels_last")


def _normal_table(axis: AgeAxis, spread: float) -> np.ndarray:
    """Return float32 (steps, num_ages): the logits around the first age, and so on by half years, to the last."""
    ages = axis.ages.astype(np.float64)
    means = np.arange(ages[0], ages[-1] + 1e-6, 1.0 / _STEPS_PER_YEAR)
    to_end = np.minimum(means - ages[0], ages[-1] - means) + 0.5
    spreads = np.clip(to_end / _EDGE_SPREADS, _SMALLEST_SPREAD, spread)
    distance = (ages[None, :] - means[:, None]) / spreads[:, None]
    return np.maximum(-0.5 * distance**2, LOWEST_LOGIT).astype(np.float32)
