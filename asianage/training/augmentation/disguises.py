"""What makes a face hard to find: things before it, and light, noise and compression of the whole picture."""

from __future__ import annotations

import cv2
import numpy as np


def disguise_face(image: np.ndarray, landmarks: np.ndarray, random: np.random.Generator) -> None:
    """Draw a mask, sunglasses, a thing or a shadow over a face, in place.

    Args:
        image: uint8 (height, width, 3), RGB; is changed.
        landmarks: float (5, 2), in pixels: left eye, right eye, nose, mouth corners, as seen in an upright image.
        random: Source of randomness.
    """
    kind = random.random()
    if kind < 0.4:
        _draw_mask(image, landmarks, random)
    elif kind < 0.65:
        _draw_glasses(image, landmarks, random)
    elif kind < 0.85:
        _draw_thing(image, landmarks, random)
    else:
        _shade_one_side(image, landmarks, random)


def spoil_picture(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a picture under other light, from a worse camera, or compressed: one to three of these."""
    changes = (_expose, _tint, _blur, _add_noise, _compress, _to_gray)
    for change in random.permutation(len(changes))[: int(random.integers(1, 4))]:
        image = changes[change](image, random)
    return image


def _frame(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the middle of the eyes, the directions along the eyes and down the face, and the eye distance."""
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    across = landmarks[1] - landmarks[0]
    apart = max(float(np.hypot(*across)), 0.5 * float(np.hypot(*(mouth - eyes))), 1.0)
    down = mouth - eyes
    down = down / max(float(np.hypot(*down)), 1e-6)
    return eyes, np.array([down[1], -down[0]]), down, apart


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _fill(image: np.ndarray, points: np.ndarray, color: np.ndarray) -> None:
    cv2.fillPoly(image, [np.round(points).astype(np.int32)], color.tolist(), lineType=cv2.LINE_AA)


def _draw_mask(image: np.ndarray, landmarks: np.ndarray, random: np.random.Generator) -> None:
    eyes, right, down, apart = _frame(landmarks)
    top = random.uniform(0.25, 0.6)
    outline = np.array([[-0.85, top], [-0.3, top - 0.15], [0.0, top - 0.2], [0.3, top - 0.15], [0.85, top],
                        [0.8, 1.2], [0.4, 1.7], [0.0, 1.85], [-0.4, 1.7], [-0.8, 1.2]])  # fmt: skip
    outline = outline * random.uniform(0.9, 1.15) + random.normal(0.0, 0.04, outline.shape)
    points = eyes + apart * (outline[:, :1] * right + outline[:, 1:] * down)
    plain = [(235, 240, 245), (150, 190, 220), (25, 25, 30), (170, 210, 190), (240, 190, 200)]
    color = np.array(plain[int(random.integers(len(plain)))]) if random.random() < 0.7 else random.integers(0, 256, 3)
    _fill(image, points, np.asarray(color))
    for height in random.uniform(0.6, 1.5, int(random.integers(0, 4))):
        start, end = (_pixel(eyes + apart * (side * right + height * down)) for side in (-0.8, 0.8))
        shade = np.clip(np.asarray(color) - 25, 0, 255).tolist()
        cv2.line(image, start, end, shade, max(1, round(apart / 30)))


def _draw_glasses(image: np.ndarray, landmarks: np.ndarray, random: np.random.Generator) -> None:
    _, right, down, apart = _frame(landmarks)
    angle = float(np.degrees(np.arctan2(right[1], right[0])))
    color = random.integers(0, 70, 3)
    axes = apart * random.uniform(0.3, 0.45) * np.array([1.0, random.uniform(0.7, 1.0)])
    over = image.copy()
    for eye in landmarks[:2]:
        at = _pixel(eye + 0.05 * apart * down)
        cv2.ellipse(
            over, at, tuple(np.round(axes).astype(int).tolist()), angle, 0, 360, color.tolist(), -1, cv2.LINE_AA
        )
    cv2.line(over, _pixel(landmarks[0]), _pixel(landmarks[1]), color.tolist(), max(1, round(apart / 15)), cv2.LINE_AA)
    opacity = random.uniform(0.6, 1.0)
    image[:] = cv2.addWeighted(over, opacity, image, 1.0 - opacity, 0.0)


def _draw_thing(image: np.ndarray, landmarks: np.ndarray, random: np.random.Generator) -> None:
    """Draw a blob with the colors of skin, hair or anything, across a part of the face."""
    eyes, right, down, apart = _frame(landmarks)
    middle = eyes + apart * (random.uniform(-1.0, 1.0) * right + random.uniform(-0.8, 1.6) * down)
    turns = np.sort(random.uniform(0.0, 2.0 * np.pi, 9))
    radius = apart * random.uniform(0.3, 0.75) * random.uniform(0.7, 1.3, 9)
    points = middle + radius[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    skin, hair = (205, 160, 130), (35, 28, 25)
    color = np.array([skin, hair][int(random.integers(2))]) if random.random() < 0.6 else random.integers(0, 256, 3)
    _fill(image, points, np.clip(color + random.normal(0, 15, 3), 0, 255))


def _shade_one_side(image: np.ndarray, landmarks: np.ndarray, random: np.random.Generator) -> None:
    eyes, right, _, apart = _frame(landmarks)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    along = ((x - eyes[0]) * right[0] + (y - eyes[1]) * right[1]) / apart * float(random.choice([-1.0, 1.0]))
    light = 1.0 - random.uniform(0.4, 0.85) / (1.0 + np.exp(-4.0 * np.clip(along, -5.0, 5.0)))
    image[:] = (image * light[:, :, None]).astype(np.uint8)


def _expose(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    gain = float(np.exp(random.uniform(np.log(0.3), np.log(2.3))))
    values = np.arange(256) / 255.0
    table = np.clip(gain * values ** random.uniform(0.7, 1.4), 0.0, 1.0) * 255.0
    return cv2.LUT(image, table.astype(np.uint8))


def _tint(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    gains = random.uniform(0.7, 1.25, 3).astype(np.float32)
    return np.clip(image * gains, 0, 255).astype(np.uint8)


def _blur(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if random.random() < 0.5:
        return cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 1.3))
    length = int(random.integers(2, 7))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1.0 / length
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), random.uniform(0, 180), 1.0)
    turned = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), dtype=np.float32)
    return cv2.filter2D(image, -1, turned / np.float32(max(float(turned.sum()), 1e-6)))


def _add_noise(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    noise = random.standard_normal(image.shape, dtype=np.float32) * random.uniform(2.0, 16.0)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _compress(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(12, 70))])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))


def _to_gray(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
