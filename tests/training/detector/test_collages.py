from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training.detector.collages import make_collage
from asianage.training.detector.sources import Sources
from asianage.training.detector.targets import FACE, IGNORED
from asianage.training.recipes.detector import Collages
from tests.training.detector.pictures import drawn_sources

PLAIN = Collages(image_size=160, most_faces=8, face_sizes=(20.0, 80.0), disguised=0.0, spoiled=0.0)


@pytest.fixture(scope="module")
def sources():
    return drawn_sources()


def collages(sources, settings, count=12):
    return [make_collage(sources, settings, np.random.default_rng(seed)) for seed in range(count)]


def test_a_seed_decides_everything(sources):
    settings = Collages(image_size=160)
    first, second = (make_collage(sources, settings, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert (first[0].shape, first[0].dtype, first[1].shape) == ((160, 160, 3), np.uint8, (40, 16))


def test_targets_are_finite_and_sure_faces_come_first(sources):
    for _, rows in collages(sources, PLAIN):
        assert np.isfinite(rows).all()
        kinds = rows[:, 14]
        assert set(kinds) <= {FACE, 0.0, IGNORED}
        assert (np.diff((kinds == FACE).astype(int)) <= 0).all()


def test_eyes_lie_where_the_targets_say(sources):
    checked = 0
    for image, rows in collages(sources, replace(PLAIN, photo_share=0.0, large_share=1.0), 20):
        for row in rows[(rows[:, 14] == FACE) & (rows[:, 15] > 0)]:
            x, y = np.round(row[4:6]).astype(int)
            if 0 <= x < 160 and 0 <= y < 160 and row[2] - row[0] > 40:
                # The left eye of a drawn face is red, that of a mirrored one blue.
                red, green, blue = image[y, x].astype(int)
                assert abs(red - blue) > 60
                assert green < 130
                checked += 1
    assert checked > 10


def test_small_and_cut_faces_are_ignored(sources):
    rows = np.concatenate(
        [rows for _, rows in collages(sources, replace(PLAIN, face_sizes=(4.0, 8.0), large_share=0.0))]
    )
    small = np.minimum(rows[:, 2] - rows[:, 0], rows[:, 3] - rows[:, 1]) < 11
    assert (rows[small & (rows[:, 14] != 0), 14] == IGNORED).all()
    assert (small & (rows[:, 14] != 0)).any()


@pytest.mark.parametrize("missing", ["photos", "singles", "empty"])
def test_a_kind_that_is_missing_is_left_out(sources, missing):
    for image, _ in collages(replace(sources, **{missing: []}), PLAIN, 6):
        assert image.any()


def test_nothing_at_all_gives_a_plain_color():
    image, rows = make_collage(Sources([], [], []), PLAIN, np.random.default_rng(0))
    assert (image == image[0, 0]).all()
    assert not rows.any()


def test_whole_pictures_are_spoiled_on_request(sources):
    clean, spoiled = (
        make_collage(sources, replace(PLAIN, spoiled=share), np.random.default_rng(1))[0] for share in (0, 1)
    )
    assert (clean != spoiled).any()
