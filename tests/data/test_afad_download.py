from __future__ import annotations

import contextlib
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

from asianage.data import afad_download
from asianage.data.afad import read_afad
from asianage.data.afad_download import download_afad
from asianage.data.afad_parts import ARCHIVES
from asianage.errors import DownloadError
from asianage.files import replacing, sole_writer
from tests.data.archives import afad_files, split_archive, tar_of
from tests.data.part_server import CORRUPT, HANG, TRUNCATE, PartServer

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
    monkeypatch.setattr(afad_download, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(afad_download, "TIMEOUT_SECONDS", 0.2)


def fetch(root, url, archive=ARCHIVE, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHIVES, "small", archive)
        return download_afad(root, "small", base_url=url, **options)


def test_two_processes_do_not_download_into_one_place(server, tmp_path):
    pytest.importorskip("fcntl", reason="this system has no such locks")
    (tmp_path / ".AFAD-Small.parts").mkdir()
    with (
        sole_writer(tmp_path / ".AFAD-Small.parts"),
        pytest.raises(BlockingIOError, match="Another one is writing"),
    ):
        fetch(tmp_path, server.url)
    assert names(tmp_path) == [".AFAD-Small.parts"]


def contents(folder):
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: content for name, content in files.items() if name != afad_download.MARKER}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_archive_becomes_its_folder_and_nothing_else_stays(server, tmp_path):
    root = tmp_path / "new" / "data"
    assert fetch(root, server.url) == root / "AFAD-Small"
    assert contents(root / "AFAD-Small") == FILES
    assert names(root) == ["AFAD-Small"]


def test_archive_without_a_folder_of_its_own_becomes_the_named_folder(tmp_path):
    archive, parts = split_archive(tar_of({f"./{name}": content for name, content in FILES.items()}))
    server = PartServer(parts)
    try:
        fetch(tmp_path, server.url, archive)
    finally:
        server.close()
    assert contents(tmp_path / "AFAD-Small") == FILES
    assert names(tmp_path) == ["AFAD-Small"]


def test_complete_data_set_is_not_fetched_again(server, tmp_path):
    fetch(tmp_path, server.url)
    count = len(server.requests)
    assert fetch(tmp_path, server.url) == tmp_path / "AFAD-Small"
    assert len(server.requests) == count


def test_data_set_that_lost_pictures_is_refused(server, tmp_path):
    folder = fetch(tmp_path, server.url)
    next(folder.rglob("*.jpg")).unlink()
    with pytest.raises(FileExistsError, match="11 pictures instead of 12"):
        fetch(tmp_path, server.url)


def test_data_set_unpacked_by_hand_is_accepted(server, tmp_path):
    folder = fetch(tmp_path, server.url)
    (folder / afad_download.MARKER).unlink()
    assert fetch(tmp_path, "http://127.0.0.1:1/none") == folder


def test_unexpected_number_of_pictures_is_reported_and_then_accepted(server, tmp_path, caplog):
    archive = dataclasses.replace(ARCHIVE, pictures=13)
    fetch(tmp_path, server.url, archive)
    assert "12 pictures; 13 were expected" in caplog.text
    assert fetch(tmp_path, server.url, archive) == tmp_path / "AFAD-Small"


def test_part_that_arrives_damaged_once_is_fetched_again(server, tmp_path, caplog):
    server.faults[SECOND] = [CORRUPT]
    folder = fetch(tmp_path, server.url)
    assert contents(folder) == FILES
    assert "instead of" in caplog.text
    assert server.requests.count(SECOND) == 2


def test_part_that_stays_damaged_is_named_and_the_others_are_kept(server, tmp_path):
    server.faults[SECOND] = [CORRUPT] * afad_download.ATTEMPTS
    with pytest.raises(
        DownloadError, match=f"{SECOND} .* has the Git hash .* instead of {dict(ARCHIVE.parts)[SECOND]}"
    ):
        fetch(tmp_path, server.url)
    assert names(tmp_path) == [".AFAD-Small.parts"]
    assert names(tmp_path / ".AFAD-Small.parts") == [FIRST]
    server.requests.clear()
    assert contents(fetch(tmp_path, server.url)) == FILES
    assert FIRST not in server.requests


def test_part_altered_on_disk_is_fetched_again(server, tmp_path, caplog):
    folder = tmp_path / ".AFAD-Small.parts"
    folder.mkdir()
    (folder / FIRST).write_bytes(b"x" * len(PARTS[FIRST]))
    assert contents(fetch(tmp_path, server.url)) == FILES
    assert "altered on disk" in caplog.text


@pytest.mark.parametrize("fault", [500, 503, 429, HANG, TRUNCATE])
def test_server_that_fails_for_a_moment_is_asked_again(server, tmp_path, fault):
    server.faults[SECOND] = [fault]
    assert contents(fetch(tmp_path, server.url)) == FILES


def test_server_that_keeps_failing_is_given_up(server, tmp_path):
    server.faults[SECOND] = [503] * 20
    with pytest.raises(DownloadError, match="could not be fetched: the server answers 503"):
        fetch(tmp_path, server.url)
    assert len(server.faults[SECOND]) == 20 - afad_download.ATTEMPTS


def test_part_that_is_not_there_is_named_at_once(server, tmp_path):
    server.files.pop(SECOND)
    with pytest.raises(DownloadError, match=f"404 .*{SECOND}.*base_url"):
        fetch(tmp_path, server.url)
    assert server.requests.count(SECOND) == 1


def test_unreachable_server_is_an_error_of_download(tmp_path):
    with pytest.raises(DownloadError, match="could not be fetched"):
        fetch(tmp_path, "http://127.0.0.1:1/none")


@pytest.mark.parametrize("url", ["file:///parts", "ftp://host/x", "data"])
def test_other_addresses_than_of_the_web_are_refused(tmp_path, url):
    with pytest.raises(ValueError, match="https://"):
        fetch(tmp_path / "data", url)
    assert not (tmp_path / "data").exists()


def test_wrong_md5_of_the_joined_file_leaves_nothing_unpacked(server, tmp_path):
    with pytest.raises(DownloadError, match="MD5"):
        fetch(tmp_path, server.url, dataclasses.replace(ARCHIVE, md5="0" * 32))
    assert names(tmp_path) == [".AFAD-Small.parts"]


def test_disk_space_is_checked_after_the_first_part(server, tmp_path, monkeypatch):
    total = sum(map(len, PARTS.values()))
    usage = shutil.disk_usage(tmp_path)._replace(free=2 * total)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="AFAD-Small, downloaded and unpacked, needs about"):
        fetch(tmp_path, server.url)
    assert server.requests == [FIRST]


def test_disk_that_fills_while_unpacking_leaves_no_data_set(server, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", fail)
        with pytest.raises(OSError, match="disk is full") as caught:
            fetch(tmp_path, server.url)
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == [".AFAD-Small.parts"]
    server.requests.clear()
    assert contents(fetch(tmp_path, server.url)) == FILES
    assert server.requests == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_disk_that_fills_while_downloading_leaves_no_half_part(server, tmp_path, monkeypatch):
    @contextlib.contextmanager
    def full(target):
        with replacing(target) as temporary:
            if target.name == SECOND:
                temporary.symlink_to("/dev/full")
            yield temporary

    monkeypatch.setattr(afad_download, "replacing", full)
    with pytest.raises(OSError, match="disk is full"):
        fetch(tmp_path, server.url)
    assert names(tmp_path / ".AFAD-Small.parts") == [FIRST]


def test_progress_counts_the_parts_and_the_files(server, tmp_path, capsys, bars):
    fetch(tmp_path, server.url, progress=True)
    text = capsys.readouterr().err
    assert "AFAD-Small: 100%" in text
    assert "4/4" in text
    assert "unpacking" in text


@pytest.mark.parametrize("moment", ["_receive", "_git_blob_sha1", "_check_md5", "_check_member"])
def test_interruption_at_any_point_leaves_no_half_data_set_and_is_continued(server, tmp_path, moment):
    calls = []

    def interrupt(*arguments):
        calls.append(arguments)
        if len(calls) == (1 if moment == "_check_md5" else 2):
            raise KeyboardInterrupt
        return function(*arguments)

    function = getattr(afad_download, moment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(afad_download, moment, interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch(tmp_path, server.url)
    assert names(tmp_path) == [".AFAD-Small.parts"]
    assert FIRST in names(tmp_path / ".AFAD-Small.parts")
    server.requests.clear()
    assert contents(fetch(tmp_path, server.url)) == FILES
    assert names(tmp_path) == ["AFAD-Small"]
    assert FIRST not in server.requests


def test_killed_download_is_continued(tmp_path):
    archive, parts = split_archive(tar_of({f"AFAD-Small/{n}": c for n, c in afad_files(60).items()}), pictures=60)
    *_, last = parts
    server = PartServer(parts)
    server.faults[last] = [HANG]
    code = (
        "import sys; from asianage.data.afad_download import *; from asianage.data.afad_parts import *;"
        f"ARCHIVES['small'] = {archive!r}; download_afad(sys.argv[1], 'small', base_url=sys.argv[2])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), server.url])
    try:
        deadline = time.monotonic() + 60
        while last not in server.requests and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert names(tmp_path) == [".AFAD-Small.parts"]
        server.requests.clear()
        folder = fetch(tmp_path, server.url, archive)
        assert contents(folder) == afad_files(60)
        assert server.requests == [last]
    finally:
        process.kill()
        process.wait()
        server.close()


def test_files_of_a_killed_unpacking_are_removed(server, tmp_path):
    stale = tmp_path / ".AFAD-Small.unpacking" / "AFAD-Small" / "15"
    stale.mkdir(parents=True)
    (stale / "half.jpg").write_bytes(b"x")
    assert contents(fetch(tmp_path, server.url)) == FILES
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
            fetch(root, server.url, archive)
    finally:
        server.close()
    assert names(root) == [".AFAD-Small.parts"]
    assert not list(tmp_path.rglob("outside*"))


def test_parts_that_are_no_archive_are_refused(tmp_path):
    archive, parts = split_archive(b"this is not a tar archive" * 100)
    server = PartServer(parts)
    try:
        with pytest.raises(DownloadError, match="cannot be unpacked"):
            fetch(tmp_path, server.url, archive)
    finally:
        server.close()
    assert names(tmp_path) == [".AFAD-Small.parts"]


def test_download_fetches_the_variant_that_is_asked_for(tmp_path, monkeypatch):
    files = afad_files()
    archive, parts = split_archive(tar_of({f"AFAD-Lite/{n}": c for n, c in files.items()}), name="AFAD-Lite")
    monkeypatch.setitem(ARCHIVES, "lite", archive)
    server = PartServer(parts)
    try:
        folder = download_afad(tmp_path, "lite", base_url=server.url + "/")
    finally:
        server.close()
    table = read_afad(folder)
    assert (folder.name, len(table.records), table.reasons()) == ("AFAD-Lite", 12, {"not a picture": 1})


def test_unknown_variant_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"full or lite.*'medium'"):
        download_afad(tmp_path, "medium")
