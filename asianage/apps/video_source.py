"""A video file, a stream or a camera -> upright RGB frames with their times."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from asianage.errors import VideoError, needs_extra
from asianage.faces.images import MAX_PIXELS

VideoSource: TypeAlias = "str | os.PathLike[str] | int | IO[bytes]"
"""Path or URL of a video, number of a camera from 0 on, or a binary file object."""

FRAME_RATE = 25.0
"""Frames per second of a video that does not say its own."""

CUT_OFF = (0.5, 0.05)
"""A file is cut off when more of its stated length is missing: in seconds, and as a share."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedFrame:
    """One picture of a video.

    Attributes:
        number: Position in the video, from 0 on.
        time: Seconds after the first frame. It grows from frame to frame.
        image: uint8 (height, width, 3), RGB, upright.
    """

    number: int
    time: float
    image: np.ndarray


class OpenVideo:
    """A video or a camera that is open for reading. Its frames can be read once.

    Attributes:
        name: What the source is called in messages.
        is_live: Whether it is a camera, whose pictures do not wait.
        frame_rate: Average frames per second.
    """

    def __init__(self, source: VideoSource, *, max_pixels: int = MAX_PIXELS) -> None:
        """Open a source and find its pictures.

        Raises:
            FileNotFoundError: There is no such file.
            MissingExtraError: PyAV is not installed.
            VideoError: It cannot be read as a video, has no pictures, or its pictures are too large.
        """
        self.is_live = isinstance(source, int)
        self.name = _name(source)
        self._container = _opened(source, self.name)
        try:
            self._stream = _pictures(self._container, self.name)
            width, height = self._stream.codec_context.width, self._stream.codec_context.height
            if width * height > max_pixels:
                raise VideoError(
                    f"{self.name}: a picture must have at most {max_pixels:,} pixels. Received: {width} x {height}."
                )
        except BaseException:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        self.frame_rate = float(self._stream.average_rate or FRAME_RATE)

    @property
    def seconds(self) -> float | None:
        """Length that the file states, in seconds; None if it states none."""
        if self.is_live:
            return None
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        # The length of the whole file may be that of its sound.
        if self._container.duration and len(self._container.streams) == 1:
            return float(self._container.duration) / 1e6
        return None

    def frames(self, every: int = 1) -> Iterator[DecodedFrame]:
        """Yield every n-th picture, and close the source at the end.

        Raises:
            VideoError: Some pictures are damaged, or the end is missing. All others have been yielded.
        """
        seconds = self.seconds
        start: float | None = None
        time = -1.0 / self.frame_rate
        number = damaged = 0
        shown = 0.0
        try:
            for frame in self._decoded():
                if frame is None:
                    damaged += 1
                    continue
                stamp = frame.time
                if stamp is not None and start is None:
                    start = stamp - (time + 1.0 / self.frame_rate)
                new = None if stamp is None or start is None else float(stamp - start)
                # Streams that were put together begin anew, and raw ones have no times.
                time = new if new is not None and new > time else time + 1.0 / self.frame_rate
                shown = float((frame.duration or 0) * (frame.time_base or 0))
                if number % every == 0:
                    yield DecodedFrame(number, time, upright_rgb(frame, aspect=self._stream.sample_aspect_ratio))
                number += 1
        finally:
            self._container.close()
        self._check_end(number, damaged, time + max(1.0 / self.frame_rate, shown), seconds)

    def _decoded(self) -> Iterator[Any]:
        """Yield the decoded frames, and None for what is damaged."""
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.error.EOFError):
                return
            except av.error.FFmpegError as error:
                raise VideoError(f"{self.name}: reading has failed: {error.strerror}.") from error
            try:
                for frame in packet.decode():
                    yield None if frame.is_corrupt else frame
            except av.error.InvalidDataError:
                yield None

    def _check_end(self, number: int, damaged: int, time: float, seconds: float | None) -> None:
        faults = []
        if damaged:
            faults.append(f"{damaged} damaged picture{' is' if damaged == 1 else 's are'} left out")
        missing = 0.0 if seconds is None else seconds - time
        if seconds is not None and missing > max(CUT_OFF[0], CUT_OFF[1] * seconds):
            faults.append(f"the file is cut off: it ends after {time:.1f} of {seconds:.1f} seconds")
        if faults:
            raise VideoError(f"{self.name}: {', and '.join(faults)}. The other {number} pictures were read.")
        if number == 0:
            raise VideoError(f"{self.name}: the video has no pictures.")


def upright_rgb(frame: Any, *, aspect: Fraction | None = None) -> np.ndarray:
    """Return a frame of PyAV as a player shows it: uint8 (height, width, 3), RGB.

    Args:
        frame: The decoded frame, with the display matrix of its stream.
        aspect: Width of a stored pixel over its height; None is 1.
    """
    image = frame.to_ndarray(format="rgb24", width=round(frame.width * float(aspect or 1)), height=frame.height)
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return turned(image, np.frombuffer(bytes(data), dtype=np.int32))
    return image


def turned(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Turn and mirror a picture as the display matrix of its video says.

    Args:
        image: uint8 (height, width, 3).
        matrix: int32 (9,): the matrix of ISO/IEC 14496-12, by rows. A pixel (x, y) is shown at
            (m[0] x + m[3] y, m[1] x + m[4] y), apart from shift and scale. The nearest multiple of 90 degrees is taken.
    """
    a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
    if abs(b) + abs(c) > abs(a) + abs(d):
        image = image.transpose(1, 0, 2)
        a, d = c, b
    image = image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(image)


def camera(number: int, system: str) -> tuple[str, str]:
    """Return the name and the format by which FFmpeg opens a camera.

    Args:
        number: From 0 on.
        system: Operating system, as `platform.system` names it.

    Raises:
        VideoError: There is no such camera.
    """
    if number < 0:
        raise VideoError(f"A camera has a number from 0 on. Received: {number}.")
    if system == "Windows":
        import av.device

        cameras = [found for found in av.device.enumerate_input_devices("dshow") if "video" in found.media_types]
        if number >= len(cameras):
            raise VideoError(f"camera {number}: this computer has {len(cameras)} cameras, counted from 0.")
        return f"video={cameras[number].name}", "dshow"
    if system == "Darwin":
        return f"{number}:none", "avfoundation"
    return f"/dev/video{number}", "v4l2"


def _name(source: VideoSource) -> str:
    if isinstance(source, int):
        return f"camera {source}"
    return str(source) if isinstance(source, str | os.PathLike) else "file object"


def _opened(source: VideoSource, name: str) -> Any:
    with needs_extra("video", "Reading a video"):
        import av
    file: Any = source
    form = None
    if isinstance(source, int):
        file, form = camera(source, platform.system())
    elif isinstance(source, str | os.PathLike):
        # FFmpeg takes a name with a colon for an address.
        file = os.fspath(source) if "://" in str(source) else os.path.abspath(os.path.expanduser(source))
        if os.path.isfile(file) and Path(file).stat().st_size == 0:
            raise VideoError(f"{name}: the file is empty.")
    elif not hasattr(source, "read"):
        raise TypeError(
            "A video must be a path, a URL, the number of a camera or a binary file object. "
            f"Received: {type(source).__name__}."
        )
    elif hasattr(source, "seekable") and source.seekable():
        # As of an image, all of it is read.
        source.seek(0)
    try:
        container = av.open(file, format=form)
    except av.error.FileNotFoundError as error:
        raise FileNotFoundError(f"{name}: there is no such {'camera' if form else 'file'}.") from error
    except OSError as error:
        # With the number of the error, Python takes its own class: PermissionError, IsADirectoryError and so on.
        raise OSError(error.errno, f"{name}: {error.strerror}") from error
    except av.error.FFmpegError as error:
        remedy = "It is damaged, cut off, or of another kind. A player or `ffmpeg -i` may tell more."
        raise VideoError(f"{name}: this cannot be read as a video. {remedy}") from error
    # FFmpeg takes any text for the picture of a terminal.
    if container.format.name == "tty":
        container.close()
        raise VideoError(f"{name}: this is a text, not a video.")
    return container


def _pictures(container: Any, name: str) -> Any:
    """Return the first stream of moving pictures. The cover of a song is none."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    kinds = sorted({stream.type for stream in container.streams})
    raise VideoError(f"{name}: there are no moving pictures in it, only {' and '.join(kinds) or 'nothing'}.")
