"""Progress of long work as bars on standard error."""

from __future__ import annotations

from types import TracebackType
from typing import Any


class ProgressBars:
    """One bar per stage. Pass an instance as `progress`; as a context manager it ends the last bar.

    Example:
        with ProgressBars() as bars:
            download_afad("data", progress=bars)
    """

    def __init__(self, unit: str = "B") -> None:
        """Create the bars.

        Args:
            unit: What is counted; "B" shows bytes as kilobytes and so on.
        """
        self._unit = unit
        self._stage = ""
        self._bar: Any = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done in `stage`."""
        from huggingface_hub.utils import tqdm

        if stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = tqdm(desc=stage, total=total, unit=self._unit, unit_scale=self._unit == "B")
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the bar that is shown."""
        if self._bar is not None:
            self._bar.close()
        self._bar, self._stage = None, ""

    def __enter__(self) -> ProgressBars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
