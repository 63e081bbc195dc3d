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


def test_info_names_the_hashes_of_the_files(capsys):
    main(["info"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for name in (*bundled_names(), BUNDLED_DETECTOR):
        for file in (BUNDLED / name).glob("*.[jt][sf]*"):
            assert [file.name, "sha256", hashlib.sha256(file.read_bytes()).hexdigest()] in lines
