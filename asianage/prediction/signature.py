"""Two functions with the same arguments, which are written down once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def with_arguments_of(
    function: Callable[Concatenate[Any, _Arguments], Any],
) -> Callable[[Callable[..., _Result]], Callable[Concatenate[Any, _Arguments], _Result]]:
    """Give a method the arguments of `function`, after the first, for type checkers, editors and `help`."""

    def decorate(method: Callable[..., _Result]) -> Callable[Concatenate[Any, _Arguments], _Result]:
        own = inspect.signature(method)
        first, *_ = own.parameters.values()
        _, *others = inspect.signature(function).parameters.values()
        method.__signature__ = own.replace(parameters=[first, *others])  # type: ignore[attr-defined]
        return method

    return decorate
