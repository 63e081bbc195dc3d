"""Architecture by name, as recipes and config.json have it -> network."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from asianage.networks.backbones import REGISTERED
from asianage.networks.gender_routing import gender_routing_network
from asianage.networks.heads import HEADS, TASKS, check_choice
from asianage.networks.mobilenet import mobilenet_network
from asianage.networks.residual import residual_network
from asianage.networks.simple_cnn import simple_cnn_network
from asianage.networks.vggface import vggface_network

ARCHITECTURES: dict[str, Callable[..., keras.Model]] = {
    "residual": residual_network,
    "mobilenet": mobilenet_network,
    "simple_cnn": simple_cnn_network,
    "vggface": vggface_network,
    "gender_routing": gender_routing_network,
}
"""Name -> function that builds the network; `register_backbone` adds others."""


def architectures() -> dict[str, Callable[..., keras.Model]]:
    """Return all architectures by name, those of registered backbones too."""
    return {**REGISTERED, **ARCHITECTURES}


def build_network(
    architecture: str, *, image_size: int, num_ages: int, min_age: int = 0, **arguments: Any
) -> keras.Model:
    """Build a network with random weights, under the dtype policy in force.

    Args:
        architecture: A name in `architectures`.
        image_size: Side of the crops, in pixels.
        num_ages: Length of the age axis.
        min_age: First age of the axis, in years.
        arguments: Further arguments of that architecture. Common to several are `head`, how the age is learned, one of
            `asianage.networks.heads.HEADS`; `task`, what is learned, one of `asianage.networks.heads.TASKS`; and
            `dropout`, the rate before the heads, in [0, 1).

    Returns:
        A network from float32 (batch, image_size, image_size, 3), RGB in [0, 255], to a dict of ``age_logits``
        float32 (batch, num_ages) and ``gender_logit`` float32 (batch, 1), positive for the second gender label. The
        output of a task that is not learned is zero.

    Raises:
        ValueError: There is no such architecture, it has no such argument, or a value is out of range.
    """
    _arguments_of(architecture, arguments)
    return architectures()[architecture](image_size=image_size, num_ages=num_ages, min_age=min_age, **arguments)


def tasks_of(architecture: str, arguments: Mapping[str, Any]) -> frozenset[str]:
    """Return which of "age" and "gender" a network of `build_network` learns, without building it.

    Raises:
        ValueError: There is no such architecture, argument or task.
    """
    task = _arguments_of(architecture, arguments).get("task", "both")
    check_choice("task", task, TASKS)
    return TASKS[task]


def head_of(architecture: str, arguments: Mapping[str, Any]) -> str | None:
    """Return how a network of `build_network` learns the age, without building it.

    Returns:
        One of `asianage.networks.heads.HEADS`; None for "gender_routing", which is assembled from trained networks.

    Raises:
        ValueError: There is no such architecture, argument or head.
    """
    head = _arguments_of(architecture, arguments).get("head")
    if head is not None:
        check_choice("head", head, HEADS)
    return head


def _arguments_of(architecture: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a network, defaults included, and refuse those that it does not take."""
    known_ones = architectures()
    if architecture not in known_ones:
        raise ValueError(f"There is no architecture {architecture!r}. Architectures: {', '.join(known_ones)}.")
    parameters = inspect.signature(known_ones[architecture]).parameters
    known = {name: it.default for name, it in parameters.items() if name not in ("image_size", "num_ages", "min_age")}
    unknown = [name for name in arguments if name not in known]
    if unknown:
        raise ValueError(f"{architecture!r} has no option {', '.join(unknown)}. Its options: {', '.join(known)}.")
    return {**known, **arguments}
