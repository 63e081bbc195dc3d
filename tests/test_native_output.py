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


def test_closed_standard_streams_are_replaced_by_ones_that_lead_nowhere():
    code = """
import os, sys
from asianage.native_output import open_standard_streams
open_standard_streams()
assert [os.fstat(number).st_rdev for number in (0, 1, 2)] == [os.stat(os.devnull).st_rdev] * 3
print(sys.stdin.read(), sys.stderr.isatty())
"""
    subprocess.run(["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code], check=True)


def test_threads_do_not_restore_the_redirection_of_others():
    code = """
import os, threading
from asianage.native_output import without_native_output

def work():
    for _ in range(50):
        with without_native_output():
            os.write(2, b"native")

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
os.write(2, b"after")
print("later")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "after"
    assert done.stdout == "later\n"


def test_a_stream_that_is_closed_or_has_no_flush_is_no_error():
    for stream in ("open(os.devnull, 'w')", "object()"):
        code = f"""
import os, sys
from asianage.native_output import without_native_output
sys.stdout = {stream}
if hasattr(sys.stdout, "close"):
    sys.stdout.close()
with without_native_output():
    os.write(2, b"native")
sys.stdout = None
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
