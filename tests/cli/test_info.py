from __future__ import annotations

from asianage import __version__
from asianage.cli import main
from asianage.models.folder import bundled_names


def test_info_names_version_models_and_detectors(capsys):
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert __version__ in text
    for name in (*bundled_names(), "asianage", "numpy", "yunet", "mtcnn"):
        assert f"\n  {name} " in text
