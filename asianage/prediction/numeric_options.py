"""The check of a number that a caller gives as an option: its kind and its range, where it is given."""

from __future__ import annotations

import math
import numbers
from typing import Any

WHOLE = "be None, or a whole number of 1 or more"


def check_number(
    name: str,
    value: Any,
    requirement: str,
    *,
    least: float,
    most: float = math.inf,
    whole: bool = False,
    optional: bool = True,
) -> None:
    """Raise a `ValueError` unless an option is a number in its range.

    Args:
        name: Name of the option.
        value: What was given. Numbers of NumPy count, truth values do not.
        requirement: What the option must be, in words.
        least: Smallest number.
        most: Largest number.
        whole: Whether it must be a whole number.
        optional: Whether None is allowed.
    """
    if value is None and optional:
        return
    kind = numbers.Integral if whole else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= float(value) <= most:
        raise ValueError(f"`{name}` must {requirement}. Received: {value!r}.")
