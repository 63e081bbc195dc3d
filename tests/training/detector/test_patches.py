from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training.detector.patches import TARGET_VALUES, make_patch
from asianage.training.detector.sources import encoded
from asianage.training.detector.targets import face_row
from asianage.training.recipes.detector import Patches
from tests.training.detector.pictures import background, single_face

PLAIN = Patches(empty=0.0, small=0.0, disguised=0.0, spoiled=0.0)


def pixels(target):
    """Return the landmarks of a patch in its pixels."""
    return (target[:10].reshape(5, 2) + 1.0) * 32.0 - 0.5


def test_landmarks_lie_on_the_eyes_at_any_angle():
    faces = [single_face(seed, side=160) for seed in range(4)]
    turned = 0
    for seed in range(40):
        patch, target = make_patch(faces, [], PLAIN, np.random.default_rng(seed))
        assert (patch.shape, patch.dtype, target.shape) == ((64, 64, 3), np.uint8, (TARGET_VALUES,))
        assert target[10:].tolist() == [1.0, 1.0]
        points = pixels(target)
        left, right = (patch[tuple(np.round(point[::-1]).astype(int))].astype(int) for point in points[:2])
        # One eye is red and one is blue; a mirrored face has them the other way round.
        assert {left.argmax(), right.argmax()} == {0, 2}
        eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
        turned += mouth[1] < eyes[1]
    assert turned > 3


def test_a_mirrored_face_has_the_order_of_an_upright_one():
    for seed in range(30):
        _, target = make_patch([single_face(0)], [], PLAIN, np.random.default_rng(seed))
        points = pixels(target)
        down = points[3:].mean(axis=0) - points[:2].mean(axis=0)
        across = points[1] - points[0]
        assert across[0] * down[1] - across[1] * down[0] > 0


def test_face_free_patches_lie_on_the_boxes_that_a_search_found():
    image = np.zeros((160, 160, 3), np.uint8)
    image[60:100, 60:100] = 255
    empty = encoded(image, [face_row((60, 60, 100, 100))], single=False)
    settings = Patches(empty=1.0, small=0.0, spoiled=0.0)
    made = [make_patch([single_face(0)], [empty], settings, np.random.default_rng(seed)) for seed in range(30)]
    assert all(not target.any() for _, target in made)
    assert sum(patch[32, 32, 0] > 200 for patch, _ in made) > 10


def test_faces_without_landmarks_teach_the_verdict_alone():
    image = background(0)
    face = encoded(image, [face_row((40, 40, 120, 120))], single=True)
    _, target = make_patch([face], [], PLAIN, np.random.default_rng(0))
    assert target.tolist() == [0.0] * 11 + [1.0]


def test_faces_of_few_pixels_are_blurred():
    face, settings = single_face(0, side=200), (PLAIN, replace(PLAIN, small=1.0))
    sharp, small = (make_patch([face], [], setting, np.random.default_rng(3))[0] for setting in settings)
    assert np.abs(np.diff(small.astype(int), axis=1)).sum() < np.abs(np.diff(sharp.astype(int), axis=1)).sum()
