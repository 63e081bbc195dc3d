from __future__ import annotations

import pytest
from huggingface_hub.utils import are_progress_bars_disabled

from asianage.training.progress import ProgressBars


@pytest.mark.skipif(are_progress_bars_disabled(), reason="progress bars are switched off in the environment")
def test_each_stage_gets_a_bar_that_follows_the_total(capfd):
    with ProgressBars() as bars:
        bars("downloading", 0, 1000)
        bars("downloading", 900, 900)
        bars("unpacking", 3, 3)
    out, err = capfd.readouterr()
    assert out == ""
    assert "downloading: 100%" in err
    assert "unpacking: 100%" in err
