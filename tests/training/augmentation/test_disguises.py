from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs OpenCV")

from asianage.training.augmentation.disguises import disguise_face, spoil_picture

LANDMARKS = np.array([[40, 40], [80, 40], [60, 60], [45, 80], [75, 80]], dtype=np.float32)


def test_every_disguise_changes_the_face_and_not_the_far_background():
    shares = []
    for seed in range(40):
        image = np.full((240, 240, 3), 128, np.uint8)
        disguise_face(image, LANDMARKS, np.random.default_rng(seed))
        changed = (image != 128).any(axis=2)
        shares.append(changed.mean())
        assert changed[20:130, 20:110].any(), seed
    # A shade from one side reaches over the whole picture; things lie on the face.
    assert sum(share > 0.5 for share in shares) < 20


def test_a_tiny_face_can_be_disguised():
    for seed in range(20):
        image = np.full((12, 12, 3), 128, np.uint8)
        disguise_face(image, LANDMARKS / 12, np.random.default_rng(seed))


def test_a_spoiled_picture_keeps_its_form():
    picture = np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8)
    for seed in range(40):
        spoiled = spoil_picture(picture, np.random.default_rng(seed))
        assert (spoiled.shape, spoiled.dtype) == (picture.shape, np.uint8)
        assert (spoiled != picture).any()
