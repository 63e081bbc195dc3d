"""Exceptions that a caller may want to catch. Each inherits from the matching built-in exception."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any


class ImageError(ValueError):
    """An input cannot be read as an image."""


class VideoError(ValueError):
    """A video cannot be read, has no pictures, or some of it is damaged."""


class DetectorUnavailableError(RuntimeError):
    """No face detector can be used on this machine. The message names the remedies."""


class DownloadError(OSError):
    """A file could not be fetched, or its content is not the expected one."""


class UploadError(OSError):
    """A model could not be uploaded to the Hub. The repository is unchanged."""


class ModelFormatError(ValueError):
    """A folder is not a model folder, or it is incomplete, altered, or newer than this package."""


class MissingExtraError(ImportError):
    """An optional dependency is not installed. The message contains the command that installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs the package `{package}`. Install it with: pip install "asianage[{extra}]"')
        self._arguments = package, extra, purpose

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception that cannot be pickled hangs a process pool.
        return type(self), self._arguments


@contextlib.contextmanager
def needs_extra(extra: str, purpose: str) -> Iterator[None]:
    """Turn a failed import of an optional package into an error that names the extra.

    Args:
        extra: Name of the extra of this package.
        purpose: What needs it, as the subject of a sentence.

    Raises:
        MissingExtraError: A package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "asianage").partition(".")[0]
        # A missing module of this package is a bug, not a missing extra.
        if package == "asianage":
            raise
        raise MissingExtraError(package, extra, purpose) from error


class BatchError(ValueError):
    """Some images of a batch could not be read. All other images were predicted.

    Attributes:
        results: What the call would have returned, in order; ``[]`` for a failed image, or None for a failed crop.
        errors: The error of each failed image, by its position.
    """

    def __init__(self, errors: Mapping[int, Exception], results: list[Any] | None = None) -> None:
        first, error = next(iter(errors.items()))
        images = f"{len(errors)} image{'' if len(errors) == 1 else 's'}"
        super().__init__(
            f"{images} could not be read. At position {first}: {error}"
            + (" `error.results` holds the others." if results else " Pass `on_error=` to handle each as it happens.")
        )
        self.errors = dict(errors)
        self.results = results if results is not None else []

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errors, self.results)
