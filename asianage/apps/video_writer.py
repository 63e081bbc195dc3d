"""Frames with boxes and labels -> a video file with the times of the frames."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from asianage.errors import VideoError, needs_extra
from asianage.files import replacing

if TYPE_CHECKING:
    from PIL import Image

Write: TypeAlias = "Callable[[Image.Image, float], None]"
"""Called with the picture of the next frame and its time, in seconds."""

CODECS = {
    ".m4v": ("libx264", "mpeg4"),
    ".mkv": ("libx264", "mpeg4"),
    ".mov": ("libx264", "mpeg4"),
    ".mp4": ("libx264", "mpeg4"),
    ".webm": ("libvpx-vp9",),
}
"""Suffix -> codecs, the first that FFmpeg has. AVI is missing: its frames have no times."""

MARK = "asianage drawing"
"""Comment in a written video, by which it is told from other videos."""

TICKS = 1000
"""Ticks per second of the times of frames."""

SINGLE = 0.04
"""Seconds that a single frame is shown."""

QUALITY = {"libx264": {"crf": "20", "preset": "veryfast"}, "libvpx-vp9": {"crf": "30", "b:v": "0", "cpu-used": "5"}}


def is_drawing(path: Path) -> bool:
    """Tell whether this module has written a file."""
    return _comment(path).startswith(MARK)


def require_writable(path: Path, source: str | None = None) -> None:
    """Refuse a path at which no video can be written, or at which another video would be lost.

    Args:
        path: The file to write.
        source: Name of the video that is drawn; None may replace the drawing of any.

    Raises:
        FileExistsError: There is a file that this module has not written, or the drawing of another video.
        FileNotFoundError: There is no such folder.
        ValueError: The suffix is none of `CODECS`.
    """
    with needs_extra("video", "Writing a video"):
        import av  # noqa: F401

    if path.suffix.lower() not in CODECS:
        raise ValueError(f"A drawn video needs a name that ends in {', '.join(CODECS)}. Received: {path}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} for the drawn video. Create it first.")
    if not path.exists():
        return
    comment = _comment(path)
    if not comment.startswith(MARK):
        raise FileExistsError(f"{path} exists and is no drawing of asianage. It is not replaced. Choose another name.")
    if source is not None and comment not in (MARK, _mark(source)):
        raise FileExistsError(f"{path} is the drawing of another video. It is not replaced. Choose another folder.")


def _comment(path: Path) -> str:
    """Return the comment in a video, "" if there is none or it is no video."""
    import av

    try:
        # FFmpeg takes a name with a colon for an address.
        with av.open(os.path.abspath(path)) as container:
            return container.metadata.get("comment", container.metadata.get("COMMENT", ""))
    except (av.error.FFmpegError, OSError):
        return ""


def _mark(source: str | None) -> str:
    """Return the comment in the drawing of a video."""
    if source is None:
        return MARK
    return f"{MARK} {hashlib.sha256(os.fsencode(os.path.abspath(source))).hexdigest()[:32]}"


@contextlib.contextmanager
def video_writer(path: Path, *, source: str | None = None) -> Iterator[Write]:
    """Yield the function that adds a frame. The file appears when the block ends without an error.

    Each frame is shown until the next. All have the size of the first, rounded down to even numbers, as the codec needs
    it. There is no sound.

    Args:
        path: The file.
        source: Name of the video that is drawn, so that its drawing replaces no other; None may replace any drawing.

    Raises:
        FileExistsError: There is another file.
        ValueError: No frame was added, or the video cannot be written.
    """
    require_writable(path, source)
    import av

    try:
        with replacing(path) as temporary, av.open(os.path.abspath(temporary), "w") as container:
            container.metadata["comment"] = _mark(source)
            codec = next(name for name in CODECS[path.suffix.lower()] if name in av.codecs_available)
            drawing = _Drawing(container, codec)
            yield drawing.add
            if not drawing.end():
                raise ValueError(f"A drawn video needs a frame. Received none for {path}.")
    except av.error.FFmpegError as error:
        if isinstance(error, OSError | ValueError):
            raise
        raise VideoError(f"{path}: the video cannot be written: {error.strerror}.") from error


class _Drawing:
    """A video in the making. It holds one frame back, whose length only the time of the next one tells."""

    def __init__(self, container: Any, codec: str) -> None:
        self._container = container
        self._codec = codec
        self._stream: Any = None
        self._held: tuple[Image.Image, float] | None = None
        self._length = SINGLE
        self._ticks = -1

    def add(self, picture: Image.Image, seconds: float) -> None:
        """Add a frame, which is later than the one before."""
        if self._held is not None:
            self._length = seconds - self._held[1]
            self._encode(*self._held)
        self._held = picture, seconds

    def end(self) -> bool:
        """Write what is left; False if there was no frame."""
        if self._held is None:
            return False
        self._encode(*self._held)
        self._container.mux(self._stream.encode())
        return True

    def _encode(self, picture: Image.Image, seconds: float) -> None:
        import av

        if self._stream is None:
            rate = Fraction(1 / self._length).limit_denominator(1001)
            self._stream = self._container.add_stream(self._codec, rate=rate, options=QUALITY.get(self._codec, {}))
            self._stream.codec_context.time_base = Fraction(1, TICKS)
            self._stream.width, self._stream.height = (max(2, side // 2 * 2) for side in picture.size)
            self._stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_image(picture.crop((0, 0, self._stream.width, self._stream.height)))
        # No two frames may have the same time.
        self._ticks = frame.pts = max(self._ticks + 1, round(seconds * TICKS))
        frame.time_base = Fraction(1, TICKS)
        frame.duration = max(1, round(self._length * TICKS))
        self._container.mux(self._stream.encode(frame))
