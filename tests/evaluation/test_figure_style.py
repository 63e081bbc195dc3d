from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib", reason="needs the extra train")

import matplotlib
from matplotlib.figure import Figure

from asianage.evaluation import figure_style as style
from asianage.evaluation.metrics import wilson_interval
from tests.faults import full_disk


def draw(file):
    with style.report_style():
        figure, _ = style.panel_row(["a", "b"])
        figure.savefig(file, dpi=30)
    return np.asarray(Image.open(file))


def test_drawing_leaves_matplotlib_as_it_was(tmp_path):
    with matplotlib.rc_context({"font.size": 13}):
        before = dict(matplotlib.rcParams)
        draw(tmp_path / "figure.png")
        assert dict(matplotlib.rcParams) == before


def test_a_users_own_style_does_not_leak_into_the_report(tmp_path):
    plain = draw(tmp_path / "plain.png")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        assert np.array_equal(draw(tmp_path / "styled.png"), plain)


def test_panels_are_wrapped_into_rows_and_none_is_left_empty():
    figure, panels = style.panel_row(list("abcd"))
    assert [panel.get_title(loc="left") or panel.get_title() for panel in panels] == list("abcd")
    assert figure.axes == panels
    assert len({round(panel.get_position().y0, 2) for panel in panels}) == 2


def test_shares_are_drawn_with_their_intervals():
    panel = Figure().subplots()
    style.draw_shares(panel, np.array([0.5, 0.9]), np.array([3, 8]), 10)
    (bars,) = panel.containers
    points, _, (intervals,) = bars
    assert points.get_ydata().tolist() == [0.3, 0.8]
    assert intervals.get_segments()[0][:, 1] == pytest.approx(wilson_interval(3, 10))


def test_a_full_disk_leaves_the_earlier_figure(tmp_path):
    path = tmp_path / "figure.png"
    path.write_bytes(b"earlier")
    with full_disk(1000), pytest.raises(OSError, match="File too large"):
        style.save_figure(Figure(), path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("figure.png", b"earlier")]
    style.save_figure(Figure(), path)
    assert Image.open(path).format == "PNG"


@pytest.mark.parametrize(("low", "high"), [(0.96, 1.04), (0.0, 1.0), (1.0, 25.0)])
def test_ticks_are_whole(low, high):
    ticks = style.whole_ticks(6).tick_values(low, high)
    assert all(float(tick).is_integer() for tick in ticks)
    assert any(low <= tick <= high for tick in ticks)
