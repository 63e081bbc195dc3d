from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs the extra train")

from asianage.training.augmentation import Augmentation, augment

STILL = Augmentation(
    rotation=0, zoom=0, wide_zoom=0, shift=0, stretch=0, light=0, color=0, gray=0, low_resolution=0, compression=0,
    blur=0, noise=0, cutout=0, disguise=0, cut_off=0, spoiled=0,
)  # fmt: skip


@pytest.fixture
def crop() -> np.ndarray:
    y, x = np.mgrid[:64, :64]
    return np.stack([x * 4, y * 4, (x + y) * 2], axis=2).astype(np.uint8)


def augmented(crop, settings, count=40):
    return [augment(crop, 48, settings, np.random.default_rng(seed)) for seed in range(count)]


def test_without_any_strength_the_inner_crop_or_its_mirror_image_is_left(crop):
    inner = crop[8:56, 8:56]
    kinds = {image.tobytes() for image in augmented(crop, STILL)}
    assert kinds == {inner.tobytes(), inner[:, ::-1].tobytes()}


def test_the_same_seed_gives_the_same_crop(crop):
    one, two = (augment(crop, 48, Augmentation(), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert one.shape == (48, 48, 3)
    assert one.dtype == np.uint8


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Augmentation)])
def test_every_setting_changes_augmented(crop, name):
    strength = {"rotation": 20.0}.get(name, 0.2 if name in ("zoom", "smallest_scale") else 1.0)
    still = dataclasses.replace(STILL, low_resolution=1.0) if name == "smallest_scale" else STILL
    changed = dataclasses.replace(still, **{name: strength})
    plain, varied = augmented(crop, still, 8), augmented(crop, changed, 8)
    assert any((a.astype(int) - b).any() for a, b in zip(plain, varied, strict=True))


def test_zooming_out_stays_within_the_margin(crop):
    white = np.full((64, 64, 3), 255, dtype=np.uint8)
    settings = dataclasses.replace(STILL, wide_zoom=1.0)
    assert all((image == 255).all() for image in augmented(white, settings, 10))


def test_the_crop_itself_is_left_alone(crop):
    before = crop.copy()
    augmented(crop, Augmentation(), 20)
    np.testing.assert_array_equal(crop, before)


@pytest.mark.parametrize("name", ["disguise", "cut_off", "spoiled"])
def test_strong_changes_are_made_where_they_are_asked_for(crop, name):
    before = crop.copy()
    calm = augment(crop, 48, STILL, np.random.default_rng(1))
    changed = augment(crop, 48, dataclasses.replace(STILL, **{name: 1.0}), np.random.default_rng(1))
    assert changed.shape == calm.shape
    assert (changed != calm).mean() > 0.02
    np.testing.assert_array_equal(crop, before)
