"""Five landmarks or a box -> an upright face crop of fixed size, by one similarity transform.

The same code cuts the crops for training and for prediction. A crop with a margin (training) contains the crop
without it (prediction) bit for bit: sampling positions are computed from whole-pixel coordinates of the crop.
"""

from __future__ import annotations

import numpy as np

TEMPLATE = np.array(
    [(0.33, 0.40), (0.67, 0.40), (0.50, 0.585), (0.37, 0.76), (0.63, 0.76)],
    dtype=np.float64,
)
"""Positions of the five landmarks in the crop, (x, y) in units of its side: eyes, nose, mouth corners."""

BOX_SCALE = 1.153
BOX_SHIFT = -0.013
"""Side of the crop over the box's geometric mean side, and the crop's center below the box's in units of the crop's
side: means over 300 All-Age-Faces training pictures, YuNet boxes against annotated landmarks (spread 0.03 and 0.025).
"""


def similarity_from_landmarks(landmarks: np.ndarray) -> np.ndarray:
    """Fit the least-squares similarity that maps the crop's unit square onto the image.

    The closed form of Umeyama (IEEE PAMI 1991) for two dimensions, without reflection.

    Args:
        landmarks: float (5, 2), (x, y) in pixels of the image, in the package's order.

    Returns:
        float64 (2, 3): image (x, y) = matrix @ (u, v, 1) with (u, v) in units of the crop's side.

    Raises:
        ValueError: The landmarks have another shape, are not finite, or all coincide.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != TEMPLATE.shape or not np.isfinite(points).all():
        raise ValueError(f"`landmarks` must be finite, of shape (5, 2). Received: {np.asarray(landmarks).tolist()}.")
    source = TEMPLATE - TEMPLATE.mean(axis=0)
    target = points - points.mean(axis=0)
    norm = (source**2).sum()
    # A similarity in the plane is x -> a x - b y, y -> b x + a y; a and b follow from two inner products.
    a = (source * target).sum() / norm
    b = (source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum() / norm
    if np.hypot(a, b) < 1e-6:
        raise ValueError("`landmarks` must not all coincide. Detect the face again or pass its box.")
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, points.mean(axis=0) - linear @ TEMPLATE.mean(axis=0)])


def similarity_from_box(box: tuple[float, float, float, float]) -> np.ndarray:
    """Map the crop's unit square onto the upright square around a detector's face box.

    Args:
        box: (x_min, y_min, x_max, y_max) in pixels, tight around the face: forehead to chin.

    Returns:
        float64 (2, 3), as `similarity_from_landmarks`.

    Raises:
        ValueError: The box is empty or not finite.
    """
    x_min, y_min, x_max, y_max = (float(value) for value in box)
    side = BOX_SCALE * float(np.sqrt(max(x_max - x_min, 0.0) * max(y_max - y_min, 0.0)))
    if not np.isfinite(side) or side <= 0.0:
        raise ValueError(f"`box` must be (x_min, y_min, x_max, y_max) with a positive area. Received: {box}.")
    center_x = (x_min + x_max) / 2
    center_y = (y_min + y_max) / 2 + BOX_SHIFT * side
    return np.array([[side, 0.0, center_x - side / 2], [0.0, side, center_y - side / 2]])


def similarity_from_face(box: tuple[float, float, float, float], landmarks: np.ndarray | None) -> np.ndarray:
    """Map the crop's unit square onto a detected face: by its landmarks if any, otherwise by its box."""
    return similarity_from_box(box) if landmarks is None else similarity_from_landmarks(landmarks)


def similarity_from_whole_image(height: int, width: int) -> np.ndarray:
    """Map the crop's unit square onto the smallest centered square around the whole image, in pixels."""
    side = float(max(height, width))
    return np.array([[side, 0.0, (width - side) / 2], [0.0, side, (height - side) / 2]])


def cut_crop(image: np.ndarray, similarity: np.ndarray, size: int, *, margin: int = 0) -> np.ndarray:
    """Sample an aligned crop, anti-aliased when the face is larger than the crop.

    Edge pixels are repeated beyond the image.

    Args:
        image: uint8 (height, width, 3).
        similarity: float64 (2, 3) from one of the functions above.
        size: Side of the crop, in pixels.
        margin: Pixels added on each side, at the same scale. The inner (size, size) part does not depend on it.

    Returns:
        uint8 (size + 2 * margin, size + 2 * margin, 3).
    """
    import cv2

    pixels_per_step = float(np.hypot(similarity[0, 0], similarity[1, 0])) / size
    # Blocks of `shrink` x `shrink` pixels are averaged first. Less than a factor of two is left: two samples per step
    # and direction cover it.
    shrink = max(1, int(pixels_per_step))
    samples = 2 if pixels_per_step > 1.0 else 1

    steps = (np.arange((size + 2 * margin) * samples) - margin * samples + 0.5) / (size * samples)
    x = similarity[0, 0] * steps[None, :] + (similarity[0, 1] * steps[:, None] + similarity[0, 2])
    y = similarity[1, 0] * steps[None, :] + (similarity[1, 1] * steps[:, None] + similarity[1, 2])
    region, left, top = _shrink_region(image, x, y, shrink)
    # Pixel centers lie at half-integer positions; cv2 counts from the center of the first pixel. Positions on a grid
    # of 1/256 pixel are exact in float32 wherever the region begins.
    x = np.round((x / shrink - 0.5) * 256) / 256 - left
    y = np.round((y / shrink - 0.5) * 256) / 256 - top
    crop = cv2.remap(
        region,
        x.astype(np.float32),
        y.astype(np.float32),
        interpolation=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if samples > 1:
        crop = cv2.resize(crop, (size + 2 * margin, size + 2 * margin), interpolation=cv2.INTER_AREA)
    return crop


def _shrink_region(image: np.ndarray, x: np.ndarray, y: np.ndarray, shrink: int) -> tuple[np.ndarray, int, int]:
    """Average `shrink` x `shrink` blocks over the region that is sampled; the grid of blocks is that of the image.

    Returns:
        The shrunken region, and its left and top edge in blocks.
    """
    import cv2

    height, width = image.shape[:2]

    def block_range(low: float, high: float, length: int) -> tuple[int, int]:
        blocks = max(length // shrink, 1)
        first = int(np.clip(low // shrink - 2, 0, blocks - 1))
        return first, int(np.clip(high // shrink + 3, first + 1, blocks))

    left, right = block_range(x.min(), x.max(), width)
    top, bottom = block_range(y.min(), y.max(), height)
    region = np.ascontiguousarray(image[top * shrink : bottom * shrink, left * shrink : right * shrink])
    if shrink > 1:
        region = cv2.resize(region, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    return region, left, top
