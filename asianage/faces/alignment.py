"""Five landmarks or a box -> an upright face crop of fixed size, by one similarity transform.

The same code cuts the crops for training and for prediction. A crop with a margin (training) contains the crop
without it (prediction) bit for bit: sampling positions are computed from whole-pixel coordinates of the crop, and all
arithmetic behind them is that of integers.
"""

from __future__ import annotations

import itertools
import math

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

_FRACTION_BITS = 24
"""Positions in the image are whole multiples of 2**-24 pixel."""

_LANE_BITS = 21
"""Red, green and blue of a pixel lie in one 64-bit integer, 21 bits each: 8 of the value, 12 of weights, and 1 spare.

NumPy so interpolates three channels in one operation. Sums and products of whole integers are sums and products of
their lanes; a negative lane borrows from the next one until the sum is complete.
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
    pixels_per_step = math.hypot(similarity[0, 0], similarity[1, 0]) / size
    # Blocks of `shrink` x `shrink` pixels are averaged first. Less than a factor of two is left: two samples per step
    # and direction cover it.
    shrink = min(max(1, int(pixels_per_step)), 256)
    samples = 2 if pixels_per_step > 1.0 else 1
    weight_bits = 7 - samples  # Per axis: the sum of all samples fills at most 20 bits of a lane.
    # Positions in half samples.
    odd = np.arange(1 - 2 * margin * samples, 2 * (size + margin) * samples, 2, dtype=np.int64)
    axes = []
    for row, length in zip(similarity.tolist(), image.shape[1::-1], strict=True):
        # Boxes far larger than any photo must not overflow.
        u, v, offset = (min(max(value, -(2.0**31)), 2.0**31) * 2**_FRACTION_BITS / shrink for value in row)
        # Pixel centers lie at half-integer positions. Weights are rounded to the nearest.
        offset += 2 ** (_FRACTION_BITS - 1 - weight_bits) - 2 ** (_FRACTION_BITS - 1)
        by_column, by_row = (round(step / (2 * size * samples)) * odd for step in (u, v))
        axes.append(_Axis(by_column, by_row + round(offset), max(length // shrink, 1)))
    x, y = axes
    pixels, columns = _packed_region(image, shrink, x, y)
    to_right = pixels[1:] - pixels[:-1]
    pixels <<= np.uint64(weight_bits)
    interpolated = (
        _interpolated(
            pixels,
            to_right,
            columns,
            x.positions(across, down, samples),
            y.positions(across, down, samples),
            weight_bits,
        )
        for down, across in itertools.product(range(samples), repeat=2)
    )
    total = next(interpolated)
    for values in interpolated:
        total += values
    return _unpacked(total, 2 * (weight_bits + samples - 1))


class _Axis:
    """Sampling positions along x or y: a term of the column plus a term of the row, and the blocks that they need."""

    def __init__(self, by_column: np.ndarray, by_row: np.ndarray, blocks: int) -> None:
        ends = [sorted((int(term[0]), int(term[-1]))) for term in (by_column, by_row)]
        low, high = (column + row >> _FRACTION_BITS for column, row in zip(*ends, strict=True))
        self.reaches_out = low < 0 or high >= blocks - 1
        self.first = min(max(low, 0), blocks - 1)
        self.last = min(max(high + 1, self.first), blocks - 1)
        self._by_column = by_column
        self._by_row = (by_row - (self.first << _FRACTION_BITS))[:, None]

    def positions(self, across: int, down: int, samples: int) -> np.ndarray:
        """Return int64 (side, side), in 2**-24 blocks from the first: one of the samples x samples of each pixel."""
        positions = self._by_column[across::samples] + self._by_row[down::samples]
        if self.reaches_out:
            positions.clip(0, (self.last - self.first) << _FRACTION_BITS, out=positions)
        return positions


def _packed_region(image: np.ndarray, shrink: int, x: _Axis, y: _Axis) -> tuple[np.ndarray, int]:
    """Average blocks over the region that is sampled; the grid of blocks is that of the image.

    Returns:
        uint64 (rows * columns + columns + 1,): the channels in lanes; beyond the region, zeros. And the columns.
    """
    region = image[y.first * shrink : (y.last + 1) * shrink, x.first * shrink : (x.last + 1) * shrink]
    if shrink > 1:
        region = _block_means(region, min(shrink, region.shape[0]), min(shrink, region.shape[1]))
    rows, columns = region.shape[:2]
    pixels = np.zeros(rows * columns + columns + 1, dtype=np.uint64)
    lanes = pixels[: rows * columns].reshape(rows, columns)
    lanes[:] = region[:, :, 2]
    for channel in (1, 0):
        lanes <<= np.uint64(_LANE_BITS)
        lanes |= region[:, :, channel]
    return pixels, columns


def _block_means(region: np.ndarray, height: int, width: int) -> np.ndarray:
    """Average blocks of `height` x `width` pixels, rounded to the nearest. Blocks of 256 x 256 do not overflow."""
    rows, columns = region.shape[0] // height, region.shape[1] // width
    # All of a row is contiguous, so that most of the work is adding long rows.
    sums = np.ascontiguousarray(region).reshape(rows, height, -1).sum(axis=1, dtype=np.uint16)
    means = np.empty((rows, columns, 3), dtype=np.uint8)
    for channel in range(3):
        block = np.full((rows, columns), height * width // 2, dtype=np.uint32)
        for column in range(channel, 3 * width, 3):
            block += sums[:, column :: 3 * width]
        means[:, :, channel] = block // (height * width)
    return means


def _interpolated(
    pixels: np.ndarray, to_right: np.ndarray, columns: int, x: np.ndarray, y: np.ndarray, weight_bits: int
) -> np.ndarray:
    """Interpolate bilinearly between four neighbors.

    Args:
        pixels: uint64, rows of `columns` pixels, lanes times 2**weight_bits.
        to_right: uint64, what each pixel lacks of its right neighbor.
        columns: Length of a row.
        x: int64 (side, side), in 2**-24 pixels. Overwritten, as is `y`.
        y: int64 (side, side).
        weight_bits: Bits of a weight along one axis.

    Returns:
        uint64 (side, side), lanes times 4**weight_bits.
    """
    index = y >> _FRACTION_BITS
    index *= columns
    index += x >> _FRACTION_BITS
    for fraction in (x, y):
        fraction >>= _FRACTION_BITS - weight_bits
        fraction &= (1 << weight_bits) - 1
    # No index lies outside: "clip" only spares the check.
    upper, lower = (values.take(index, mode="clip") for values in (to_right, to_right[columns:]))
    for row, values in ((upper, pixels), (lower, pixels[columns:])):
        row *= x.view(np.uint64)
        row += values.take(index, mode="clip")
    lower -= upper
    lower *= y.view(np.uint64)
    upper <<= np.uint64(weight_bits)
    upper += lower
    return upper


def _unpacked(total: np.ndarray, bits: int) -> np.ndarray:
    """Divide lanes by 2**bits, rounded to the nearest: uint8 (side, side, 3)."""
    crop = np.empty((*total.shape, 3), dtype=np.uint8)
    shifts = [np.uint64(channel * _LANE_BITS + bits) for channel in range(3)]
    total += np.uint64(sum(1 << int(shift) - 1 for shift in shifts))
    for channel, shift in enumerate(shifts):
        crop[:, :, channel] = total >> shift
    return crop
