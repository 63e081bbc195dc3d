"""A recipe from a file: Python that defines one, or the ``recipe.json`` of a run."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asianage.training.recipes.recipe import TrainingRecipe
from asianage.training.recipes.staged import Recipe, StagedRecipe

VARIABLE = "RECIPE"
"""Name of the variable that a Python file gives its recipe."""

_SUFFIXES = (".py", ".json")


def is_recipe_file(recipe: str | os.PathLike[str]) -> bool:
    """Tell whether a recipe is named by a file, which need not exist."""
    return os.fspath(recipe).endswith(_SUFFIXES)


def read_recipe(file: str | os.PathLike[str]) -> Recipe:
    """Read a recipe from a file.

    Args:
        file: ``*.json`` as a run writes it, or ``*.py``, which is run and defines the variable `VARIABLE`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It defines no recipe, or a setting is unknown.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"There is no recipe at {file}. Give a .py or .json file, or the name of a recipe.")
    if file.suffix == ".json":
        try:
            return recipe_from_dict(json.loads(file.read_text("utf-8")))
        except (json.JSONDecodeError, ValueError, TypeError) as error:
            raise ValueError(f"{file} is no `recipe.json` that this version reads: {error}") from error
    found = getattr(run_file(file), VARIABLE, None)
    if not isinstance(found, TrainingRecipe | StagedRecipe):
        raise ValueError(f"{file} must define `{VARIABLE}`, a TrainingRecipe or StagedRecipe. Received: {found!r}.")
    return found


def run_file(file: Path) -> types.ModuleType:
    """Run a Python file as a module of its own, once: what it registers stays known."""
    if not file.is_file():
        raise FileNotFoundError(f"There is no Python file at {file}. Give its path.")
    name = f"asianage_recipe_{file.stem}"
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(file.resolve()):
        return known
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} cannot be run as Python. Give it the ending .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def recipe_from_dict(values: Mapping[str, Any]) -> TrainingRecipe:
    """Return the recipe whose `to_dict` gave these values.

    Raises:
        ValueError: A setting is unknown or missing.
    """
    return _built(TrainingRecipe, values, "recipe")


def _built(kind: type, values: Mapping[str, Any], place: str) -> Any:
    """Return a dataclass of plain values; nested ones are found by the annotations of its fields."""
    if not isinstance(values, Mapping):
        raise ValueError(f"`{place}` must be an object. Received: {values!r}.")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    given = {name: value for name, value in values.items() if name != "kind"}
    unknown = sorted(set(given) - set(fields))
    missing = sorted(
        name
        for name, field in fields.items()
        if name not in given and field.default is field.default_factory is dataclasses.MISSING
    )
    if unknown or missing:
        words = [f"unknown are {', '.join(unknown)}"] * bool(unknown) + [f"missing are {', '.join(missing)}"] * bool(
            missing
        )
        raise ValueError(f"of the settings of `{place}`, {' and '.join(words)}.")
    return kind(**{name: _value(hints[name], value, name) for name, value in given.items()})


def _value(hint: Any, value: Any, place: str) -> Any:
    """Return a value of a field as its annotation has it."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    kinds: list[type] = [option for option in options if isinstance(option, type) and dataclasses.is_dataclass(option)]
    if kinds and value is not None:
        wanted = value.get("kind") if isinstance(value, Mapping) else None
        named = kinds if len(kinds) == 1 else [kind for kind in kinds if kind.__name__ == wanted]
        if not named:
            raise ValueError(f"`{place}` has no kind {wanted!r}.")
        return _built(named[0], value, place)
    if isinstance(value, list):
        tuples = [option for option in options if typing.get_origin(option) is tuple]
        if not tuples:
            return value
        items: Sequence[Any] = typing.get_args(tuples[0])
        inner = [items[0]] * len(value) if items[-1:] == (Ellipsis,) or len(items) != len(value) else items
        return tuple(_value(item, part, place) for item, part in zip(inner, value, strict=True))
    return value
