from __future__ import annotations

import contextlib
import errno
import os

import pytest

from asianage.cli.output import CSV_COLUMNS
from asianage.cli.result_file import LONGEST_REST, ResultFile

HEADING = ",".join(CSV_COLUMNS) + "\n"
END = "," * (len(CSV_COLUMNS) - 1) + "\n"
"""Rest of a row in which only the file stands."""

FORMS = {
    HEADING: lambda name, error="": f"{name}{END[:-1]}{error}\n",
    "": lambda name, error="": f'{{"file": "{name}", "{"error" if error else "faces"}": "{error}"}}\n',
}


@pytest.fixture(params=FORMS, ids=["csv", "json"])
def heading(request) -> str:
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.csv"


def write(path, heading, *rows, resume=False, names=()):
    file = ResultFile(path, heading)
    finished = file.finished(names) if resume else {}
    with file.appending(resume=resume) as append:
        for row in rows:
            append(row)
    return finished


class Interruption(BaseException):
    """A signal, for instance."""


def interrupt(path, heading, *rows):
    with contextlib.suppress(Interruption), ResultFile(path, heading).appending(resume=False) as append:
        for row in rows:
            append(row)
        raise Interruption


def test_rows_are_in_the_file_at_once(path, heading):
    row = FORMS[heading]
    with ResultFile(path, heading).appending(resume=False) as append:
        assert path.read_text() == heading
        append(row("a.jpg"))
        assert path.read_text() == heading + row("a.jpg")


def test_an_earlier_output_stays_until_the_new_one_is_complete(path, heading):
    row = FORMS[heading]
    write(path, heading, row("old"))
    path.chmod(0o640)
    interrupt(path, heading, row("new"))
    assert path.read_text() == heading + row("old")
    assert write(path, heading, row("newer"), resume=True, names={"other"}) == {"new": ""}
    assert path.read_text() == heading + row("new") + row("newer")
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(path.parent.iterdir()) == [path]


def test_the_rest_of_a_removed_output_is_not_taken_up(path, heading):
    row = FORMS[heading]
    write(path, heading, row("old"))
    interrupt(path, heading, row("part"))
    path.unlink()
    write(path, heading, row("new"))
    assert write(path, heading, resume=True) == {"new": ""}


@pytest.mark.parametrize("content", ["text\n", "file,age\na.jpg,3\n", "[]\n", '{"file": 3}\n', "\x00\xff"])
def test_anything_else_is_not_replaced(path, heading, content):
    path.write_text(content)
    with pytest.raises(FileExistsError, match=r"is no (table|JSON lines) of .* not replaced. Choose another name\."):
        ResultFile(path, heading)
    other = next(form for form in FORMS if form != heading)
    path.write_text(other + FORMS[other]("a.jpg"))
    with pytest.raises(FileExistsError):
        ResultFile(path, heading)


def test_every_cut_through_a_file_is_mended(path, heading):
    row = FORMS[heading]
    names = ["a.jpg", "b.jpg", "b.jpg", "é.jpg"]
    whole = (heading + "".join(map(row, names))).encode()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        finished = write(path, heading, resume=True, names=names)
        rest = names[{0: 0, 1: 1, 2: 3}[len(finished)] :]
        write(path, heading, *map(row, rest), resume=True)
        assert path.read_bytes() == whole, size


def test_the_last_photo_of_other_photos_stays(path, heading):
    row = FORMS[heading]
    write(path, heading, row("a.jpg"), row("b.jpg", "broken"))
    assert write(path, heading, row("c.jpg"), resume=True, names={"c.jpg"}) == {"a.jpg": "", "b.jpg": "broken"}
    assert path.read_text() == heading + row("a.jpg") + row("b.jpg", "broken") + row("c.jpg")


def test_a_name_with_line_breaks_and_quotes_is_one_row(path):
    name = '"one\n""two"","'
    write(path, HEADING, name + END, "b.jpg" + END)
    assert write(path, HEADING, resume=True) == {'one\n"two",': "", "b.jpg": ""}


def test_a_full_disk_leaves_whole_rows(path, heading, monkeypatch):
    row = FORMS[heading]
    file = ResultFile(path, heading)

    class Full:
        """A file that takes five bytes more."""

        def __init__(self, content):
            self.content, self.left = content, 5

        def write(self, data):
            if not self.left:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.left = 0
            return self.content.write(data[:5])

        def __getattr__(self, name):
            return getattr(self.content, name)

    write(path, heading, row("a.jpg"))
    with path.open("r+b", buffering=0) as content:
        content.seek(0, os.SEEK_END)
        with pytest.raises(OSError, match=r"No space left on device.*--resume"):
            file._append(Full(content), row("b.jpg").encode())
    assert path.read_text() == heading + row("a.jpg")


def test_damage_is_not_cut_off(path):
    write(path, HEADING, "a.jpg" + END)
    with path.open("a") as file:
        file.write('"' + "x" * LONGEST_REST)
    with pytest.raises(ValueError, match="not damaged"):
        write(path, HEADING, resume=True)
    path.write_text('{"file": "a.jpg", "faces": []}\nchanged\n')
    with pytest.raises(ValueError, match="nobody has changed"):
        write(path, "", resume=True)


def test_a_link_stays_a_link(path, heading, tmp_path):
    (tmp_path / "deep").mkdir()
    path.symlink_to("deep/table.csv")
    for _ in range(2):
        write(path, heading, FORMS[heading]("a.jpg"))
    assert path.is_symlink()
    assert path.read_text() == heading + FORMS[heading]("a.jpg")


def test_a_device_is_written_as_it_is(heading):
    write(os.devnull, heading, FORMS[heading]("a.jpg"))
    with pytest.raises(ValueError, match="--resume needs a file"):
        write(os.devnull, heading, resume=True)


def test_a_folder_and_a_missing_folder_are_explained(tmp_path, heading):
    with pytest.raises(IsADirectoryError, match="Received the folder"):
        ResultFile(tmp_path, heading)
    with pytest.raises(FileNotFoundError, match="Create it first"):
        ResultFile(tmp_path / "no" / "results.csv", heading)


def test_a_name_of_255_bytes_is_replaced(tmp_path, heading):
    for _ in range(2):
        write(tmp_path / ("a" * 251 + ".csv"), heading, FORMS[heading]("a.jpg"))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("is_new", [True, False])
def test_two_processes_do_not_write_one_file(path, heading, resume, is_new):
    pytest.importorskip("fcntl", reason="this system has no such locks")
    row = FORMS[heading]
    if not is_new:
        write(path, heading, row("old.jpg"))
    with ResultFile(path, heading).appending(resume=False) as append:
        append(row("a.jpg"))
        with pytest.raises(BlockingIOError, match="Another one is writing to"):
            write(path, heading, row("b.jpg"), resume=resume)
        append(row("c.jpg"))
    assert path.read_text() == heading + row("a.jpg") + row("c.jpg")
    assert list(path.parent.iterdir()) == [path]


def test_rows_that_came_after_the_reading_are_not_cut_off(path, heading):
    row = FORMS[heading]
    write(path, heading, row("a.jpg"))
    late = ResultFile(path, heading)
    assert late.finished(()) == {"a.jpg": ""}
    write(path, heading, row("b.jpg"), resume=True)
    with pytest.raises(BlockingIOError, match="has changed"), late.appending(resume=True):
        pass
    assert path.read_text() == heading + row("a.jpg") + row("b.jpg")
