from __future__ import annotations

import hashlib

from asianage import __version__
from asianage.cli import main
from asianage.models.folder import BUNDLED, BUNDLED_DETECTOR, bundled_names


def test_info_names_version_models_and_detectors(capsys):
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert __version__ in text
    for name in (*bundled_names(), "asianage", "numpy", "yunet", "mtcnn"):
        assert f"\n  {name} " in text


def test_what_is_not_installed_is_named_by_a_command_that_every_shell_takes(capsys, monkeypatch):
    monkeypatch.setattr("asianage.cli.info._version", lambda name: None)
    main(["info"])
    assert 'not installed: pip install "asianage[mtcnn]"' in capsys.readouterr().out


def test_info_names_the_hashes_of_the_files(capsys):
    main(["info"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for name in (*bundled_names(), BUNDLED_DETECTOR):
        for file in (BUNDLED / name).glob("*.[jt][sf]*"):
            assert [file.name, "sha256", hashlib.sha256(file.read_bytes()).hexdigest()] in lines
