from __future__ import annotations

import pytest

pytest.importorskip("tensorflow")

from asianage.networks.registry import ARCHITECTURES, build_network

SMALL = {"filters": (2, 2), "units": (4, 4)}
OPTIONS = {
    "compact": {"widths": (4,), "blocks": (0,), "head": "ordinal"},
    "simple_cnn": {"task": "gender", **SMALL},
    "study": {
        "age_architecture": "simple_cnn",
        "gender_image_size": 16,
        "gender_options": SMALL,
        "age_options": {**SMALL, "head": "logits"},
    },
}


@pytest.mark.parametrize("architecture", OPTIONS)
def test_every_architecture_goes_from_crops_to_the_same_outputs(architecture):
    network = build_network(architecture, image_size=32, num_ages=26, min_age=15, **OPTIONS[architecture])
    assert tuple(network.input.shape) == (None, 32, 32, 3)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.output.items()}
    assert shapes == {"age_logits": (None, 26), "gender_logit": (None, 1)}


def test_every_architecture_is_tested():
    # VGGFace is large and has a module of its own.
    assert set(ARCHITECTURES) == {*OPTIONS, "vggface"}


def test_the_first_age_reaches_the_head():
    network = build_network("simple_cnn", image_size=16, num_ages=26, min_age=15, **SMALL)
    assert network.get_layer("age_logits").min_age == 15


def test_an_unknown_architecture_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'resnet'.*compact, simple_cnn, vggface, study"):
        build_network("resnet", image_size=96, num_ages=101)


def test_an_unknown_option_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'compact' has no option depth\. Its options: widths, blocks, dropout, head"):
        build_network("compact", image_size=96, num_ages=101, depth=3)
