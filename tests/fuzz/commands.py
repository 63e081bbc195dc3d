"""Command lines: an exit code of 0, 1 or 2, one line per fault, no traceback, and no photo or table that changes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from asianage import cli
from tests.fuzz.examples import examples

FILES = (
    "a.jpg",
    "b c.png",
    "faces.csv",
    "notes.txt",
    "no.jpg",
    "photos",
    "photos/c.jpg",
    "photos/*.jpg",
    "[a].jpg",
    "",
)

WORDS = ("", "none", "auto", "compact", "0", "-1", "1", "10000000000", "csv", "json", "table", "nan", "./x/y", "-")

PLACES = ("out.csv", "out.jsonl", "out.json", "report", "photos/out.csv", "https://me:secret@host/x", "x" * 300)

VALUES = st.one_of(st.sampled_from(FILES), st.sampled_from(WORDS), st.sampled_from(PLACES), st.text(max_size=8))

WITH_VALUE = (
    *("-o", "--output", "--csv", "--format", "--draw", "--files-from", "--model", "--detector", "--threads"),
    *("--max-pixels", "--split", "--thresholds", "--sha256", "-o", "--csv"),
)

OPTIONS = st.one_of(
    st.sampled_from(("--json", "--resume", "--mirror", "-q", "--", "--help", "-V", "-x")).map(lambda option: [option]),
    st.tuples(st.sampled_from(WITH_VALUE), VALUES).map(list),
    st.sampled_from((["-o", "out.csv"], ["-o", "out.csv", "--resume"], ["--csv", "a.jpg"], ["--draw", "photos"])),
    VALUES.map(lambda value: [value]),
)

BEGINS = (
    *(["predict", "a.jpg", "--detector", "none"], ["predict", "photos", "--detector", "none"], ["predict", "a.jpg"]),
    *(["evaluate", "faces.csv", "--detector", "none"], ["info"], ["verify"], ["predict"], ["predict", "--detector"]),
)

LINES = st.tuples(st.sampled_from(BEGINS), st.lists(OPTIONS, max_size=3)).map(
    lambda parts: [*parts[0], *(word for option in parts[1] for word in option)]
)


def prepare(work: Path, seed: int, count: int) -> Callable[[int], str]:
    """Return the function that tries one command line."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    (work / "photos").mkdir()
    for name in ("a.jpg", "b c.png", "photos/c.jpg"):
        Image.fromarray(pixels).save(work / name)
    (work / "faces.csv").write_text("file,age,gender,split\na.jpg,20,female,test\nb c.png,30,male,test\n")
    (work / "notes.txt").write_text("dear diary")
    os.chdir(work)
    kept = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}

    lines = examples(LINES, count, seed)

    def attempt(number: int) -> str:
        end = _run(lines[number])
        for path, content in kept.items():
            if not path.is_file() or path.read_bytes() != content:
                path.write_bytes(content)
                raise RuntimeError(f"{path.name} was changed by {lines[number]}")
        return end

    return attempt


def _run(line: list[str]) -> str:
    said, printed = io.StringIO(), io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed), _input():
        try:
            code: object = cli.main(line)
        except SystemExit as end:
            code = end.code
        except Exception as error:
            raise RuntimeError(f"{type(error).__name__}: {error} for {line}") from error
    text = said.getvalue()
    if code not in (0, 1, 2):
        raise RuntimeError(f"the exit code {code} for {line}")
    if "Traceback" in text or "secret@" in text or (code and not text):
        raise RuntimeError(f"said {text[-200:]!r} for {line}")
    return f"exit {code}"


@contextlib.contextmanager
def _input() -> Iterator[None]:
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(b"a.jpg\n"))
    try:
        yield
    finally:
        sys.stdin = before
