"""Random changes of a crop, for training only: geometry, light, camera and occlusion.

NumPy and OpenCV on uint8 make the same crop for every Keras backend, ten times cheaper on a CPU than tensor operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from asianage.faces.alignment import TEMPLATE
from asianage.training.augmentation.disguises import disguise_face, spoil_picture


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far crops are changed. Ranges are symmetric and uniform; probabilities are per crop.

    Attributes:
        rotation: Degrees.
        zoom: Natural logarithm of the scale.
        wide_zoom: Probability of surroundings around the face, as in loosely cut crops.
        shift: Share of the crop's side.
        stretch: Natural logarithm of width over height.
        light: Strength of brightness, contrast and gamma; 0 leaves them.
        color: Strength of white balance and saturation.
        gray: Probability of a gray crop.
        low_resolution: Probability of losing resolution, down to `smallest_scale`.
        smallest_scale: Smallest side of a crop that loses resolution, as a share of its own.
        compression: Probability of JPEG artifacts, at qualities 30 to 90.
        blur: Probability of a Gaussian blur.
        noise: Probability of sensor noise.
        cutout: Probability of a covered rectangle, of up to a third of each side.
        disguise: Probability of a mask, sunglasses, a thing or a shadow over the face.
        cut_off: Probability that a side of the picture is missing, up to a third of the crop.
        spoiled: Probability of one to three strong changes of light and camera, as of a bad picture.
    """

    rotation: float = 12.0
    zoom: float = 0.15
    wide_zoom: float = 0.08
    shift: float = 0.06
    stretch: float = 0.05
    light: float = 0.2
    color: float = 0.1
    gray: float = 0.08
    low_resolution: float = 0.15
    smallest_scale: float = 0.25
    compression: float = 0.15
    blur: float = 0.08
    noise: float = 0.1
    cutout: float = 0.4
    disguise: float = 0.0
    cut_off: float = 0.0
    spoiled: float = 0.0


def augment(crop: np.ndarray, size: int, settings: Augmentation, random: np.random.Generator) -> np.ndarray:
    """Return a randomly changed crop.

    Args:
        crop: uint8 (side, side, 3), RGB, with a margin of (side - size) / 2 around the face crop.
        size: Side of the result, in pixels.
        settings: How far the crop is changed.
        random: The only source of chance.

    Returns:
        uint8 (size, size, 3).
    """
    if random.random() < settings.disguise:
        crop = _disguised(crop, size, random)
    image = _geometry(crop, size, settings, random)
    if random.random() < settings.cut_off:
        _cut_off(image, random)
    image = _light_and_color(image, settings, random)
    image = _camera(image, size, settings, random)
    if random.random() < settings.spoiled:
        image = spoil_picture(image, random)
    if random.random() < settings.cutout:
        height, width = random.integers(size // 12, size // 3, 2)
        top, left = random.integers(0, size - height), random.integers(0, size - width)
        image[top : top + height, left : left + width] = random.integers(0, 256, 3)
    return image


def _disguised(crop: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """Return a copy of a crop with something before its face, which lies where the alignment puts it."""
    disguised = np.array(crop)
    landmarks = TEMPLATE * size + (crop.shape[0] - size) / 2 + random.normal(0.0, 0.01 * size, TEMPLATE.shape)
    disguise_face(disguised, landmarks, random)
    return disguised


def _cut_off(image: np.ndarray, random: np.random.Generator) -> None:
    """Replace one side of a crop by its last row or column that is left, in place, as the alignment fills it."""
    turned = np.rot90(image, int(random.integers(4)))
    kept = int(len(image) * random.uniform(0.67, 0.97))
    turned[kept:] = turned[kept - 1]


def _geometry(crop: np.ndarray, size: int, settings: Augmentation, random: np.random.Generator) -> np.ndarray:
    angle = np.deg2rad(random.uniform(-settings.rotation, settings.rotation))
    zoom = random.uniform(-settings.zoom, settings.zoom)
    if random.random() < settings.wide_zoom:
        zoom = random.uniform(-np.log(crop.shape[0] / size), 0.0)
    stretch = random.uniform(-settings.stretch, settings.stretch) / 2
    shift = random.uniform(-settings.shift, settings.shift, 2) * size
    mirror = -1.0 if random.random() < 0.5 else 1.0
    # Pixel of the result -> pixel of the crop, both counted from their centers.
    linear = np.exp(-zoom) * np.array(
        [
            [mirror * np.cos(angle) * np.exp(stretch), -np.sin(angle)],
            [mirror * np.sin(angle), np.cos(angle) * np.exp(-stretch)],
        ]
    )
    offset = (crop.shape[0] - 1) / 2 + shift - linear @ np.full(2, (size - 1) / 2)
    return cv2.warpAffine(
        crop,
        np.column_stack([linear, offset]),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _light_and_color(image: np.ndarray, settings: Augmentation, random: np.random.Generator) -> np.ndarray:
    contrast = np.exp(random.uniform(-settings.light, settings.light))
    brightness = random.uniform(-settings.light, settings.light) * 128
    gamma = np.exp(random.uniform(-settings.light, settings.light))
    balance = np.exp(random.uniform(-settings.color, settings.color, 3))
    levels = np.linspace(0.0, 1.0, 256) ** gamma * 255.0
    table = (levels[:, None] * balance - 128.0) * contrast + 128.0 + brightness
    image = cv2.LUT(image, table.round().clip(0, 255).astype(np.uint8).reshape(1, 256, 3))
    amount = 0.0 if random.random() < settings.gray else np.exp(2 * random.uniform(-settings.color, settings.color))
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, amount, gray, 1.0 - amount, 0.0)


def _camera(image: np.ndarray, size: int, settings: Augmentation, random: np.random.Generator) -> np.ndarray:
    if random.random() < settings.low_resolution:
        side = int(size * random.uniform(settings.smallest_scale, 0.9))
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
    if random.random() < settings.blur:
        image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.5, 1.8))
    if random.random() < settings.noise:
        noise = random.standard_normal(image.shape, dtype=np.float32) * np.float32(random.uniform(2.0, 14.0))
        image = (image + noise).clip(0, 255).astype(np.uint8)
    if random.random() < settings.compression:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(30, 91))])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return image
