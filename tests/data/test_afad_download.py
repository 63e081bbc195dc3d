from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import pytest

from asianage.data import afad_download as published_archive
from asianage.data import part_download
from asianage.data.afad_download import fetch_archive
from asianage.errors import DownloadError
from tests.data.archives import afad_files, split_archive, tar_of
from tests.data.part_server import CORRUPT, HANG, IGNORE_RANGE, TRUNCATE, PartServer

FILES = afad_files()
ARCHIVE, PARTS = split_archive(tar_of({f"AFAD-Small/{name}": content for name, content in FILES.items()}))
FIRST, SECOND, *_ = PARTS


@pytest.fixture
def server():
    server = PartServer(dict(PARTS))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(part_download, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(part_download, "TIMEOUT_SECONDS", 0.5)


def contents(folder):
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: content for name, content in files.items() if name != published_archive.MARKER}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_archive_becomes_its_folder_and_nothing_else_stays(server, tmp_path):
    root = tmp_path / "new" / "data"
    assert fetch_archive(ARCHIVE, root, base_url=server.url) == root / "AFAD-Small"
    assert contents(root / "AFAD-Small") == FILES
    assert names(root) == ["AFAD-Small"]


def test_archive_without_a_folder_of_its_own_becomes_the_named_folder(tmp_path):
    archive, parts = split_archive(tar_of({f"./{name}": content for name, content in FILES.items()}))
    server = PartServer(parts)
    try:
        fetch_archive(archive, tmp_path, base_url=server.url)
    finally:
        server.close()
    assert contents(tmp_path / "AFAD-Small") == FILES
    assert names(tmp_path) == ["AFAD-Small"]


def test_complete_data_set_is_not_fetched_again(server, tmp_path):
    fetch_archive(ARCHIVE, tmp_path, base_url=server.url)
    count = len(server.requests)
    assert fetch_archive(ARCHIVE, tmp_path, base_url=server.url) == tmp_path / "AFAD-Small"
    assert len(server.requests) == count


def test_data_set_that_lost_pictures_is_refused(server, tmp_path):
    folder = fetch_archive(ARCHIVE, tmp_path, base_url=server.url)
    next(folder.rglob("*.jpg")).unlink()
    with pytest.raises(FileExistsError, match="11 pictures instead of 12"):
        fetch_archive(ARCHIVE, tmp_path, base_url=server.url)


def test_data_set_unpacked_by_hand_is_accepted(server, tmp_path):
    folder = fetch_archive(ARCHIVE, tmp_path, base_url=server.url)
    (folder / published_archive.MARKER).unlink()
    assert fetch_archive(ARCHIVE, tmp_path, base_url="http://127.0.0.1:1/none") == folder


def test_unexpected_number_of_pictures_is_reported_and_then_accepted(server, tmp_path, caplog):
    archive = dataclasses.replace(ARCHIVE, pictures=13)
    fetch_archive(archive, tmp_path, base_url=server.url)
    assert "12 pictures; 13 were expected" in caplog.text
    assert fetch_archive(archive, tmp_path, base_url=server.url) == tmp_path / "AFAD-Small"


def test_part_that_arrives_damaged_once_is_fetched_again(server, tmp_path, caplog):
    server.faults[SECOND] = [CORRUPT]
    folder = fetch_archive(ARCHIVE, tmp_path, base_url=server.url)
    assert contents(folder) == FILES
    assert "damaged" in caplog.text
    assert [name for method, name, _ in server.requests if method == "GET"].count(SECOND) == 2


def test_part_that_stays_damaged_is_named_and_the_others_are_kept(server, tmp_path):
    server.faults[SECOND] = [CORRUPT, CORRUPT]
    with pytest.raises(DownloadError, match=f"{SECOND} has the Git hash .* instead of {dict(ARCHIVE.parts)[SECOND]}"):
        fetch_archive(ARCHIVE, tmp_path, base_url=server.url)
    assert names(tmp_path) == [".AFAD-Small.parts"]
    assert names(tmp_path / ".AFAD-Small.parts") == [FIRST]
    server.requests.clear()
    assert contents(fetch_archive(ARCHIVE, tmp_path, base_url=server.url)) == FILES
    assert FIRST not in [name for _, name, _ in server.requests]


def test_truncated_part_is_continued_where_it_ended(server, tmp_path):
    server.faults[SECOND] = [TRUNCATE, TRUNCATE]
    assert contents(fetch_archive(ARCHIVE, tmp_path, base_url=server.url)) == FILES
    size = len(PARTS[SECOND])
    ranges = [wanted for method, name, wanted in server.requests if (method, name) == ("GET", SECOND)]
    assert ranges == ["", f"bytes={size // 2}-", f"bytes={size // 2 + (size - size // 2) // 2}-"]
    assert server.sent[SECOND] == size


def test_server_that_ignores_ranges_is_read_from_the_start(server, tmp_path):
    server.faults[SECOND] = [TRUNCATE, IGNORE_RANGE]
    assert contents(fetch_archive(ARCHIVE, tmp_path, base_url=server.url)) == FILES


def test_part_that_is_too_long_on_disk_is_fetched_anew(server, tmp_path):
    folder = tmp_path / ".AFAD-Small.parts"
    folder.mkdir()
    (folder / f"{FIRST}.partial").write_bytes(PARTS[FIRST] + b"more")
    assert contents(fetch_archive(ARCHIVE, tmp_path, base_url=server.url)) == FILES


def test_part_that_is_whole_but_unnamed_is_not_fetched(server, tmp_path):
    folder = tmp_path / ".AFAD-Small.parts"
    folder.mkdir()
    (folder / f"{FIRST}.partial").write_bytes(PARTS[FIRST])
    fetch_archive(ARCHIVE, tmp_path, base_url=server.url)
    assert server.sent[FIRST] == 0


def test_part_altered_on_disk_is_fetched_again(server, tmp_path, caplog):
    folder = tmp_path / ".AFAD-Small.parts"
    folder.mkdir()
    (folder / FIRST).write_bytes(b"x" * len(PARTS[FIRST]))
    assert contents(fetch_archive(ARCHIVE, tmp_path, base_url=server.url)) == FILES
    assert "altered on disk" in caplog.text


@pytest.mark.parametrize("fault", [500, 503, 429, HANG])
def test_server_that_fails_for_a_moment_is_asked_again(server, tmp_path, fault):
    server.faults[SECOND] = [fault]
    assert contents(fetch_archive(ARCHIVE, tmp_path, base_url=server.url)) == FILES


def test_server_that_keeps_failing_is_given_up(server, tmp_path):
    server.faults[SECOND] = [503] * 20
    with pytest.raises(DownloadError, match="could not be fetched: the server answers 503"):
        fetch_archive(ARCHIVE, tmp_path, base_url=server.url)
    assert len(server.faults[SECOND]) == 20 - part_download.ATTEMPTS


def test_part_that_is_not_there_is_named_at_once(server, tmp_path):
    server.files.pop(SECOND)
    with pytest.raises(DownloadError, match=f"404 .*{SECOND}.*base_url"):
        fetch_archive(ARCHIVE, tmp_path, base_url=server.url)
    assert [name for method, name, _ in server.requests if method == "GET"].count(SECOND) == 1


def test_unreachable_server_is_an_error_of_download(tmp_path):
    with pytest.raises(DownloadError, match="could not be fetched"):
        fetch_archive(ARCHIVE, tmp_path, base_url="http://127.0.0.1:1/none")


@pytest.mark.parametrize("url", ["file:///parts", "ftp://host/x", "data"])
def test_other_addresses_than_of_the_web_are_refused(tmp_path, url):
    with pytest.raises(ValueError, match="https://"):
        fetch_archive(ARCHIVE, tmp_path / "data", base_url=url)
    assert not (tmp_path / "data").exists()


def test_wrong_md5_of_the_joined_file_leaves_nothing_unpacked(server, tmp_path):
    with pytest.raises(DownloadError, match="MD5"):
        fetch_archive(dataclasses.replace(ARCHIVE, md5="0" * 32), tmp_path, base_url=server.url)
    assert names(tmp_path) == [".AFAD-Small.parts"]


def test_disk_space_is_checked_before_anything_is_fetched(server, tmp_path, monkeypatch):
    total = sum(map(len, PARTS.values()))
    usage = shutil.disk_usage(tmp_path)._replace(free=2 * total)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="are needed to download and unpack"):
        fetch_archive(ARCHIVE, tmp_path, base_url=server.url)
    assert {method for method, _, _ in server.requests} == {"HEAD"}


def test_disk_that_fills_while_unpacking_leaves_no_data_set(server, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", fail)
        with pytest.raises(OSError, match="disk is full") as caught:
            fetch_archive(ARCHIVE, tmp_path, base_url=server.url)
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == [".AFAD-Small.parts"]
    server.requests.clear()
    assert contents(fetch_archive(ARCHIVE, tmp_path, base_url=server.url)) == FILES
    assert server.requests == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_disk_that_fills_while_downloading_leaves_no_half_part(server, tmp_path):
    folder = tmp_path / ".AFAD-Small.parts"
    folder.mkdir()
    (folder / f"{SECOND}.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match="disk is full"):
        fetch_archive(ARCHIVE, tmp_path, base_url=server.url)
    assert names(folder) == [FIRST]


def test_progress_rises_to_the_total_in_both_stages(server, tmp_path):
    calls = []
    fetch_archive(ARCHIVE, tmp_path, base_url=server.url, progress=lambda *call: calls.append(call))
    total = sum(map(len, PARTS.values()))
    for stage in ("downloading", "unpacking"):
        done = [done for name, done, _ in calls if name == stage]
        assert done == sorted(done)
        assert [call for call in calls if call[0] == stage][-1] == (stage, total, total)
    assert [name for name, _, _ in calls] == sorted(name for name, _, _ in calls)


@pytest.mark.parametrize("moment", ["downloading", "unpacking"])
@pytest.mark.parametrize("call", [0, 1, -1])
def test_interruption_at_any_point_leaves_no_half_data_set_and_is_continued(server, tmp_path, moment, call):
    calls = []
    fetch_archive(ARCHIVE, tmp_path / "whole", base_url=server.url, progress=lambda *c: calls.append(c))
    stops = [index for index, (stage, _, _) in enumerate(calls) if stage == moment]
    stop, seen = stops[min(call, len(stops) - 1)], []

    def interrupt(*arguments):
        seen.append(arguments)
        if len(seen) == stop + 1:
            raise KeyboardInterrupt

    root = tmp_path / "data"
    with pytest.raises(KeyboardInterrupt):
        fetch_archive(ARCHIVE, root, base_url=server.url, progress=interrupt)
    assert names(root) == [".AFAD-Small.parts"]
    before = dict(server.sent)
    assert contents(fetch_archive(ARCHIVE, root, base_url=server.url)) == FILES
    assert names(root) == ["AFAD-Small"]
    complete = sum(map(len, PARTS.values()))
    assert sum(server.sent.values()) - sum(before.values()) < complete


def test_killed_download_is_continued(tmp_path):
    archive, parts = split_archive(tar_of({f"AFAD-Small/{n}": c for n, c in afad_files(60).items()}), pictures=60)
    *complete, last = parts
    server = PartServer(parts)
    server.faults[last] = [HANG]
    code = (
        "import sys; from pathlib import Path; from asianage.data.afad_download import *;"
        f"fetch_archive({archive!r}, Path(sys.argv[1]), base_url=sys.argv[2])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), server.url])
    try:
        deadline = time.monotonic() + 60
        while ("GET", last, "") not in server.requests and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert names(tmp_path) == [".AFAD-Small.parts"]
        server.requests.clear()
        folder = fetch_archive(archive, tmp_path, base_url=server.url)
        assert contents(folder) == afad_files(60)
        assert not {name for _, name, _ in server.requests} & set(complete)
    finally:
        process.kill()
        process.wait()
        server.close()


def test_files_of_a_killed_unpacking_are_removed(server, tmp_path):
    stale = tmp_path / ".AFAD-Small.unpacking" / "AFAD-Small" / "15"
    stale.mkdir(parents=True)
    (stale / "half.jpg").write_bytes(b"x")
    assert contents(fetch_archive(ARCHIVE, tmp_path, base_url=server.url)) == FILES
    assert names(tmp_path) == ["AFAD-Small"]


def link(name, target, kind):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def device(name):
    member = tarfile.TarInfo(name)
    member.type = tarfile.CHRTYPE
    return member


@pytest.mark.parametrize(
    "members",
    [
        {"../outside.jpg": b"x"},
        {"AFAD-Small/15/../../../outside.jpg": b"x"},
        {"/outside-of-the-archive.jpg": b"x"},
        {"C:\\outside.jpg": b"x"},
        {"AFAD-Small/link": link("AFAD-Small/link", "..", tarfile.SYMTYPE), "AFAD-Small/link/outside.jpg": b"x"},
        {"AFAD-Small/link": link("AFAD-Small/link", "/etc/passwd", tarfile.LNKTYPE)},
        {"AFAD-Small/device": device("AFAD-Small/device")},
    ],
    ids=["up", "up-inside", "absolute", "drive", "symlink", "hard-link", "device"],
)
def test_archive_that_leads_out_of_its_folder_is_refused(tmp_path, members):
    archive, parts = split_archive(tar_of({"AFAD-Small/15/111/1-0.jpg": b"x", **members}))
    server = PartServer(parts)
    root = tmp_path / "a" / "b" / "c"
    try:
        with pytest.raises(DownloadError, match="archive"):
            fetch_archive(archive, root, base_url=server.url)
    finally:
        server.close()
    assert names(root) == [".AFAD-Small.parts"]
    assert not list(tmp_path.rglob("outside*"))


def test_parts_that_are_no_archive_are_refused(tmp_path):
    archive, parts = split_archive(b"this is not a tar archive" * 100)
    server = PartServer(parts)
    try:
        with pytest.raises(DownloadError, match="cannot be unpacked"):
            fetch_archive(archive, tmp_path, base_url=server.url)
    finally:
        server.close()
    assert names(tmp_path) == [".AFAD-Small.parts"]
