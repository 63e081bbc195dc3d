"""Tables of faces, and results to go on with: records or a `ValueError`, and nothing is lost."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from asianage.cli.output import CSV_COLUMNS
from asianage.cli.result_file import ResultFile
from asianage.data.records import FaceRecord, read_records
from tests.fuzz.examples import examples
from tests.fuzz.mutation import mutated

COLUMNS = ("file", "image", "age", "gender", "dataset", "split", "identity", "group", "", "FILE", "fi\0le", "\ufeffage")

WORDS = ("a.jpg", "b/c.png", "../x", "25", "-1", "1e309", "nan", "1_0", "female", "Male ", "other", "train", "val", "")

NASTY = ("https://me:secret@host/a.jpg", "data:image/png;base64,AAAA", "x" * 300, "\0", '"', "a\nb", "\u202e")

CELLS = st.one_of(st.sampled_from(WORDS), st.sampled_from(NASTY), st.text(max_size=12))

ANY_TABLES = st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=6).flatmap(
    lambda names: st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names) + 1), max_size=5).map(
        lambda rows: [names, *rows]
    )
)

GOOD_ROWS = st.tuples(
    st.text(min_size=1, max_size=12).map(lambda name: name + ".jpg"),
    st.one_of(st.just(""), st.floats(0, 120).map(str), st.integers(0, 120).map(str)),
    st.sampled_from(("", "female", "Male ", "FEMALE")),
)

TABLES = st.one_of(
    ANY_TABLES, st.lists(GOOD_ROWS, min_size=1, max_size=5).map(lambda rows: [("file", "age", "gender"), *rows])
)


def prepare(work: Path, seed: int, count: int) -> Callable[[int], str]:
    """Return the function that tries one table."""
    tables = examples(TABLES, count, seed)

    def attempt(number: int) -> str:
        chance = random.Random(f"{seed}-{number}")
        if number % 5 == 4:
            return _results(work, chance)
        content = _text(tables[number]).encode("utf-8", "surrogatepass")
        return _records(work, mutated(content, chance) if chance.random() < 0.3 else content)

    return attempt


def _records(work: Path, content: bytes) -> str:
    table = work / "faces.csv"
    table.write_bytes(content)
    try:
        records = read_records(table)
    except ValueError as error:
        if "secret" in str(error):
            raise RuntimeError(f"a password is shown: {error}") from error
        return "ValueError"
    if not all(isinstance(record, FaceRecord) for record in records):
        raise RuntimeError("no records")
    return "read"


def _results(work: Path, chance: random.Random) -> str:
    """Go on with a damaged table of results. What is refused must not change, and what is taken keeps whole rows."""
    heading = _text([list(CSV_COLUMNS)])
    rows = [_text([[f"{number}.jpg", *[""] * (len(CSV_COLUMNS) - 1)]]) for number in range(5)]
    path = work / "results.csv"
    content = mutated((heading + "".join(rows)).encode(), chance)
    path.write_bytes(content)
    try:
        file = ResultFile(path, heading)
        done = file.finished({f"{number}.jpg" for number in range(5)})
        with file.appending(resume=True) as append:
            append(rows[0])
    except (ValueError, FileExistsError):
        if path.read_bytes() != content:
            raise RuntimeError("a refused table was changed") from None
        return "results refused"
    if not path.read_bytes().endswith(rows[0].encode()):
        raise RuntimeError(f"the row is not at the end, after {done}")
    return "results continued"


def _text(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", escapechar="\\").writerows(rows)
    return text.getvalue()
