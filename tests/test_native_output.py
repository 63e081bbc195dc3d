from __future__ import annotations

import subprocess
import sys

CODE = """
import os, sys
from asianage.native_output import without_native_output
with without_native_output(python_too={python_too}):
    os.write(1, b"native out\\n")
    os.write(2, b"native error\\n")
    print("python out")
    print("python error", file=sys.stderr)
os.write(1, b"after\\n")
print("later")
"""


def run(python_too: bool, before: str = "") -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", before + CODE.format(python_too=python_too)], capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr


def test_native_output_is_discarded_and_that_of_python_passes():
    out, error = run(python_too=False)
    assert out.splitlines() == ["python out", "after", "later"]
    assert error.splitlines() == ["python error"]


def test_output_of_python_is_discarded_when_asked_for():
    out, error = run(python_too=True)
    assert out.splitlines() == ["after", "later"]
    assert error == ""


def test_a_closed_stream_is_no_error():
    out, _ = run(python_too=False, before="import os; os.close(2)\n")
    assert out.splitlines() == ["python out", "after", "later"]
