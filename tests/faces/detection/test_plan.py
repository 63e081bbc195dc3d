from __future__ import annotations

import itertools

import numpy as np
import pytest

from asianage.faces.detection.plan import BASE_SIDE, MOST_STEP, TILE, finer_looks, first_look, smallest_face

SHAPES = [(16, 16), (300, 340), (640, 480), (4000, 3000), (8064, 6048), (1080, 20000), (16000, 3000), (1, 20000)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_look_covers_the_photo(shape):
    looks = finer_looks(*shape)
    for tile in [first_look(*shape), *looks]:
        assert tile.box[0] >= 0.0
        assert tile.box[1] >= 0.0
        assert tile.box[2] <= shape[0]
        assert tile.box[3] <= shape[1]
        assert 1 <= min(tile.size) <= max(tile.size) <= TILE
    assert max(first_look(*shape).size) <= BASE_SIDE / 0.85
    for scale in {round(tile.scale[0] + tile.scale[1], 6) for tile in looks}:
        tiles = [tile for tile in looks if round(tile.scale[0] + tile.scale[1], 6) == scale]
        for axis in (0, 1):
            ends = sorted({(tile.box[axis], tile.box[axis + 2]) for tile in tiles})
            assert ends[0][0] == 0.0
            assert ends[-1][1] == pytest.approx(shape[axis])
            assert all(before[1] > after[0] for before, after in itertools.pairwise(ends))


def test_photos_of_almost_the_first_size_are_not_resized():
    assert first_look(300, 340).size == (300, 340)
    assert first_look(320, 200).size == (320, 200)
    assert first_look(640, 480).size == (320, 240)
    assert first_look(160, 120).size == (320, 240)


@pytest.mark.parametrize("shape", SHAPES[1:-1])
def test_the_smallest_faces_are_seen_and_no_scale_between_is_missing(shape):
    scales = [max(first_look(*shape).scale), *(max(tile.scale) for tile in finer_looks(*shape))]
    assert max(scales) * smallest_face(*shape) >= 12.9
    ordered = np.unique(np.round(scales, 3))
    assert (ordered[1:] / ordered[:-1] <= MOST_STEP * 1.05).all()


def test_large_photos_are_searched_for_faces_of_100_pixels_and_small_ones_for_16():
    assert [
        smallest_face(*shape) for shape in ((300, 340), (1280, 900), (4000, 3000), (8064, 6048), (1080, 20000))
    ] == [
        16,
        16,
        50,
        100,
        100,
    ]
    assert smallest_face(8064, 6048, min_face_size=30) == 30
    assert len(finer_looks(8064, 6048, 30)) > len(finer_looks(8064, 6048))
    assert finer_looks(300, 340, 200) == finer_looks(300, 340)
