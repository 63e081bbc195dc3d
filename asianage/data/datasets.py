"""Data sets of one's own: a class that tells its pictures and reads their labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, TypeVar

from asianage.data.folders import read_pictures, require_folder
from asianage.data.records import DroppedFile, FaceRecord, RecordTable
from asianage.data.special_figures import SpecialFigures


class Dataset(ABC):
    """A data set in a folder layout of its own.

    A subclass that is registered is known to everything that reads a folder: training, fine-tuning and evaluation.

    Attributes:
        name: Name of the data set in tables and cards; in lower case.
        figures: Figures that only this data set has.
    """

    name: ClassVar[str]
    figures: ClassVar[SpecialFigures] = SpecialFigures()

    @abstractmethod
    def has(self, path: Path) -> bool:
        """Tell by its path whether a picture is of this data set. A folder is, where most of its pictures are."""

    @abstractmethod
    def label(self, path: Path) -> FaceRecord | DroppedFile:
        """Return the record of a picture, or why it is left out."""

    def read(self, root: Path) -> RecordTable:
        """Return the records of a folder, sorted by path, and the files that are left out."""
        return read_pictures(require_folder(root), self.label)


DatasetClass = TypeVar("DatasetClass", bound=type[Dataset])

REGISTERED: dict[str, Dataset] = {}
"""Name -> data set."""


def register_dataset(dataset: DatasetClass) -> DatasetClass:
    """Make a subclass of `Dataset` known; a decorator. One of the same name is replaced.

    Raises:
        ValueError: It has no `name`.
    """
    name = getattr(dataset, "name", "")
    if not name:
        raise ValueError(f"{dataset.__name__} must have a `name`. Received: {name!r}.")
    REGISTERED[name] = dataset()
    return dataset
