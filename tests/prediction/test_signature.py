from __future__ import annotations

import inspect

from asianage.prediction.signature import with_arguments_of


def original(first, second: int, *, third: str = "a") -> None:
    """Return nothing."""


class Example:
    @with_arguments_of(original)
    def method(self, *arguments, **options) -> tuple:
        """Return what it gets."""
        return arguments, options


def test_a_method_has_the_arguments_of_the_function_after_its_first():
    assert str(inspect.signature(Example().method)) == "(second: 'int', *, third: 'str' = 'a') -> 'tuple'"
    assert next(iter(inspect.signature(Example.method).parameters)) == "self"


def test_a_method_still_does_what_it_did():
    assert Example().method(1, third="b") == ((1,), {"third": "b"})
    assert Example.method.__doc__ == "Return what it gets."
