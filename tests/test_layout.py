"""The shape of the package: small modules, and a test file for each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MODULES = sorted(
    path.relative_to(ROOT / "asianage")
    for path in (ROOT / "asianage").rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)

LONGEST = 300
"""Lines of a module."""

TESTED_ELSEWHERE = {}
"""Modules without a test file of their name -> the file that tests them."""

FORBIDDEN = {"utils", "helpers", "common", "misc"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_has_a_test_file_of_its_name(module):
    tests = ROOT / "tests" / TESTED_ELSEWHERE.get(module.as_posix(), module.with_name(f"test_{module.name}").as_posix())
    assert tests.is_file(), f"asianage/{module} needs the test file {tests.relative_to(ROOT)}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_is_short_and_named_for_what_it_does(module):
    lines = (ROOT / "asianage" / module).read_text("utf-8").count("\n")
    assert lines <= LONGEST, f"asianage/{module} has {lines} lines: split it by responsibility"
    assert not FORBIDDEN & set(module.with_suffix("").parts)


def test_every_room_says_in_a_sentence_what_it_is_for():
    for package in (ROOT / "asianage").rglob("__init__.py"):
        first = package.read_text("utf-8").splitlines()[0]
        assert first.startswith('"""'), package
        assert len(first) > 20, package
