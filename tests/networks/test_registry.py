from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.networks.heads import RAW_OUTPUTS, learned_tasks, training_network
from asianage.networks.registry import ARCHITECTURES, build_network, head_of, tasks_of

SMALL = {"filters": (2, 2), "units": (4, 4)}
OPTIONS = {
    "residual": {"widths": (4,), "blocks": (0,), "head": "ordinal"},
    "mobilenet": {},
    "simple_cnn": {"task": "gender", **SMALL},
    "gender_routing": {
        "age_architecture": "simple_cnn",
        "gender_image_size": 16,
        "gender_options": SMALL,
        "age_options": {**SMALL, "head": "logits"},
    },
}


@pytest.mark.parametrize("architecture", OPTIONS)
def test_every_architecture_goes_from_crops_to_the_same_outputs_and_learns_what_its_arguments_state(architecture):
    arguments = OPTIONS[architecture]
    network = build_network(architecture, image_size=32, num_ages=26, min_age=15, **arguments)
    assert tuple(network.input.shape) == (None, 32, 32, 3)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.output.items()}
    assert shapes == {"age_logits": (None, 26), "gender_logit": (None, 1)}
    # What a recipe reads without a network is true of the network.
    tasks = tasks_of(architecture, arguments)
    assert learned_tasks(network) == tasks
    if architecture != "gender_routing":
        raw = {"age": RAW_OUTPUTS[head_of(architecture, arguments)], "gender": "gender_logit"}
        assert set(training_network(network).output) == {raw[task] for task in tasks}


def test_every_architecture_is_tested():
    # VGGFace is large and has a module of its own.
    assert set(ARCHITECTURES) == {*OPTIONS, "vggface"}


@pytest.mark.parametrize(
    ("architecture", "arguments", "tasks", "head"),
    [
        ("residual", {}, {"age", "gender"}, "logits"),
        ("mobilenet", {"head": "ordinal"}, {"age", "gender"}, "ordinal"),
        ("simple_cnn", {}, {"age"}, "regression"),
        ("simple_cnn", {"task": "gender"}, {"gender"}, "regression"),
        ("vggface", {"task": "both"}, {"age", "gender"}, "regression"),
        ("gender_routing", {}, {"age", "gender"}, None),
    ],
)
def test_tasks_and_head_are_known_without_a_network(architecture, arguments, tasks, head):
    assert (tasks_of(architecture, arguments), head_of(architecture, arguments)) == (tasks, head)


def test_tasks_and_heads_that_no_network_has_are_refused():
    with pytest.raises(ValueError, match="Received: 'smile'"):
        tasks_of("vggface", {"task": "smile"})
    with pytest.raises(ValueError, match="Received: 'rank'"):
        head_of("vggface", {"head": "rank"})
    with pytest.raises(ValueError, match="'residual' has no option task"):
        tasks_of("residual", {"task": "age"})
    with pytest.raises(ValueError, match="no architecture 'resnet'"):
        head_of("resnet", {})


def test_the_first_age_reaches_the_head():
    network = build_network("simple_cnn", image_size=16, num_ages=26, min_age=15, **SMALL)
    assert network.get_layer("age_logits").min_age == 15


def test_an_unknown_architecture_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'resnet'.*residual, mobilenet, simple_cnn, vggface, gender_routing"):
        build_network("resnet", image_size=96, num_ages=101)


def test_an_unknown_option_is_refused_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"'residual' has no option depth\. Its options: widths, blocks, dropout, head"
    ):
        build_network("residual", image_size=96, num_ages=101, depth=3)


ON_ANOTHER_BACKEND = """
import keras, numpy as np
from asianage.models.ages import AgeAxis
from asianage.networks.heads import training_network
from asianage.networks.registry import build_network
from asianage.training.fit.losses import age_loss, gender_loss
from asianage.training.recipes import recipe

crops = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype("float32")
for name, options, loss, raw in {cases!r}:
    network = build_network(name, image_size=32, num_ages=26, min_age=15, **options)
    assert all(np.isfinite(value).all() for value in network.predict_on_batch(crops).values())
    trained = training_network(network)
    losses = {{raw: age_loss(getattr(recipe, loss)(), AgeAxis(15, 40)), "gender_logit": gender_loss()}}
    losses = {{output: losses[output] for output in trained.output}}
    trained.compile("sgd", loss=losses)
    years = np.array([[20.0, 20.0], [30.0, 39.0], [25.0, 25.0], [72.0, 72.0]])
    targets = {{raw: years, "gender_logit": np.ones((4, 1))}}
    if loss == "LabelDistribution":
        targets[raw] = np.full((4, 26), 1 / 26)
    history = trained.fit(crops, {{output: targets[output] for output in losses}}, verbose=0).history
    assert np.isfinite(history["loss"][0])
assert keras.backend.backend() == {backend!r}
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_networks_and_losses_run_on_other_backends(backend):
    pytest.importorskip(backend)
    cases = [
        ("residual", {"widths": (4,), "blocks": (0,)}, "CrossEntropy", "age_logits"),
        ("residual", OPTIONS["residual"], "Ordinal", "age_exceedance"),
        ("simple_cnn", SMALL, "Regression", "age_years"),
        ("vggface", {"units": (4, 4)}, "Regression", "age_years"),
        ("gender_routing", {**OPTIONS["gender_routing"], "age_options": SMALL}, "LabelDistribution", "age_logits"),
    ]
    code = ON_ANOTHER_BACKEND.format(cases=cases, backend=backend)
    environment = {**os.environ, "KERAS_BACKEND": backend}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-2000:]
