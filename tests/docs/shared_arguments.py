"""Show the arguments of methods that take them from another function, instead of ``*arguments, **options``."""

from __future__ import annotations

from typing import Any

import griffe

_DECORATOR = "with_arguments_of("


class SharedArguments(griffe.Extension):
    """Gives a method decorated with `with_arguments_of` the parameters of the function that the decorator names."""

    def on_package(self, *, pkg: griffe.Module, **options: Any) -> None:
        """Go through a package that has been read."""
        _complete(pkg)


def _complete(node: griffe.Object) -> None:
    for member in list(node.members.values()):
        if member.is_alias:
            continue
        if member.is_function:
            for decorator in member.decorators:
                text = str(decorator.value)
                if text.startswith(_DECORATOR):
                    _copy(member, text.removeprefix(_DECORATOR).removesuffix(")"))
        elif member.is_module or member.is_class:
            _complete(member)


def _copy(method: griffe.Function, name: str) -> None:
    # A name beside the method, as `__init__` is, or one of its module.
    owner = method.parent if name in method.parent.members else method.module
    function = owner[name]
    source = function.final_target if function.is_alias else function
    own, others = list(method.parameters), list(source.parameters)
    method.parameters = griffe.Parameters(own[0], *others[1:])
