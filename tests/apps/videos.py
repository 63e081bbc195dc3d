"""Tiny videos, written by PyAV."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np


def write_video(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    rate: int = 10,
    times: Sequence[float] | None = None,
    options: dict[str, str] | None = None,
    codec: str = "libx264",
) -> Path:
    """Write frames uint8 (height, width, 3), RGB, at their times in seconds, or evenly. Each is a key frame."""
    import av

    with av.open(path, "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 1
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(1000 * (number / rate if times is None else times[number]))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def gray(count: int, size: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    """Return frames of one gray each, which grows."""
    return [np.full((size[1], size[0], 3), 20 + 200 * number // count, dtype=np.uint8) for number in range(count)]


def write_song(path: Path) -> Path:
    """Write a second of silence."""
    import av

    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def set_display_matrix(path: Path, matrix: Sequence[int]) -> None:
    """Change how an MP4 file is to be shown, as a phone does: (a, b, c, d) in {-1, 0, 1}."""
    content = bytearray(path.read_bytes())
    a, b, c, d = (value * 65536 for value in matrix)
    start = content.index(b"tkhd") + 44
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
