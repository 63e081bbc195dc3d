"""A folder in the layout of FairFace, with label tables like the published ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

HEADER = "file,age,gender,race,service_test"

ROWS = (
    "train/1.jpg,3-9,Male,East Asian,True",
    "train/2.jpg,10-19,Female,Southeast Asian,False",
    "val/1.jpg,more than 70,Female,Latino_Hispanic,True",
    "val/2.jpg,0-2,Male,Middle Eastern,False",
)


def make_fairface(root: Path, rows: Iterable[str] = ROWS, *, tables: Path | None = None) -> Path:
    """Write empty pictures and the label tables, and return the folder; `tables` is the folder of the latter."""
    for part in ("train", "val"):
        (root / part).mkdir(parents=True, exist_ok=True)
        lines = [row for row in rows if row.startswith(f"{part}/")]
        table = (tables or root) / f"fairface_label_{part}.csv"
        table.write_text("\n".join([HEADER, *lines]) + "\n", "utf-8")
        for line in lines:
            (root / line.split(",")[0]).touch()
    return root
