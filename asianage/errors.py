"""The exceptions that a caller may want to catch. Each also is a built-in exception of the matching kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any


class ImageError(ValueError):
    """An input that cannot be read as an image."""


class DetectorUnavailableError(RuntimeError):
    """No face detector can be used on this machine; the message names the remedies."""


class DownloadError(OSError):
    """A file could not be fetched, or what arrived is not what was asked for."""


class UploadError(OSError):
    """A model could not be put on the Hub; the repository there is as it was."""


class ModelFormatError(ValueError):
    """A model folder that is incomplete, altered, newer than this package, or not a model folder."""


class MissingExtraError(ImportError):
    """An optional dependency is not installed; the message holds the command that installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs the package `{package}`. Install it with: pip install "asianage[{extra}]"')
        self._arguments = package, extra, purpose

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception that cannot be pickled hangs a process pool.
        return type(self), self._arguments


@contextlib.contextmanager
def needs_extra(extra: str, purpose: str) -> Iterator[None]:
    """Turn the absence of a package, where it is imported, into the error that names the extra.

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
        # A module of this package that is not there is a fault of this package.
        if package == "asianage":
            raise
        raise MissingExtraError(package, extra, purpose) from error


class BatchError(ValueError):
    """Some images of a batch could not be read. The other images were predicted; nothing is lost.

    Attributes:
        results: One entry per image, in order, as `predict` would have returned it; ``[]`` for those that failed.
        errors: Position of each failed image -> what went wrong with it.
    """

    def __init__(self, errors: Mapping[int, Exception], results: list[Any] | None = None) -> None:
        first, error = next(iter(errors.items()))
        super().__init__(
            f"{len(errors)} image(s) could not be read; the first is number {first}: {error} "
            "The others are in `error.results`; pass `on_error=` to handle failures one by one."
        )
        self.errors = dict(errors)
        self.results = results if results is not None else []

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errors, self.results)
