"""How the code blocks of the README and the pages are run. Sybil finds the blocks.

All Python blocks of a page share one namespace. The comment ``<!--- dry-run: REASON -->`` marks a block that needs
what a test does not have. Such a block does not do its work, but its names, arguments and commands are checked.
"""

from __future__ import annotations

import ast
import dataclasses
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

from sybil import Document, Example, Region, Sybil
from sybil.evaluators.python import PythonEvaluator, pad
from sybil.parsers.markdown import CodeBlockParser
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *ROOT.glob("CONTRIBUTING.md"), *sorted((ROOT / "docs").rglob("*.md"))]

SHELL = """
asianage() { "$PYTHON" -m tests.docs.command "$@"; }
python() { "$PYTHON" "$@"; }
pip() { :; }
"""

DRY_SHELL = """
asianage() { printf '%q ' "$@" >> "$CALLS"; echo >> "$CALLS"; }
command_not_found_handle() { :; }
source() { :; }
PATH=/nowhere
"""
"""Writes the calls of `asianage` down. All other commands do nothing."""


def parse(page: Path) -> Document:
    """Return the blocks of a page."""
    parsers = [CodeBlockParser("python", PythonEvaluator()), CodeBlockParser("bash", _run_shell), _marks]
    return Sybil(parsers).parse(page)


def _marks(document: Document) -> Iterable[Region]:
    for region in DirectiveInHTMLCommentLexer(directive="dry-run")(document):
        region.evaluator = _mark
        yield region


def _mark(example: Example) -> None:
    def evaluate(block: Example) -> None:
        block.document.pop_evaluator(evaluate)
        (_dry_run_shell if block.region.evaluator is _run_shell else _dry_run_python)(block)

    example.document.push_evaluator(evaluate)


def _run_shell(example: Example) -> None:
    _bash(SHELL + example.parsed)


def _dry_run_shell(example: Example) -> None:
    from asianage.cli import _parser

    calls = Path("calls.txt")
    calls.write_text("")
    _bash(DRY_SHELL + example.parsed)
    for line in calls.read_text().splitlines():
        _parser().parse_args(shlex.split(line))


def _dry_run_python(example: Example) -> None:
    """Run a block with mocks that have the signatures of the package's functions and classes. Data stay as they are."""
    tree = ast.parse(pad(example.parsed, example.line + example.parsed.line_offset))
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), example.path, "exec"), example.namespace)
    mocks = {name: _mocked(value) for name, value in example.namespace.items()}
    body = [node for node in tree.body if node not in imports]
    exec(compile(ast.Module(body, []), example.path, "exec"), mocks)


def _mocked(value: Any) -> Any:
    kind = value if hasattr(value, "__module__") else type(value)
    # What a page defines itself has no module.
    if not (kind.__module__ or "").startswith("asianage.") or dataclasses.is_dataclass(value):
        return value
    specification = mock.create_autospec(value)
    if hasattr(value, "from_pretrained"):
        specification.from_pretrained.return_value = specification.return_value
    return specification


def _bash(code: str) -> None:
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "CALLS": "calls.txt"}
    command = ["bash", "-euo", "pipefail", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and 'pip install "asianage[' in done.stderr:
        raise ModuleNotFoundError(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, f"{code}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
