"""Make the list of splits that the package ships, from the tables of the training.

python -m tests.benchmarks.make_split_list ../shared/data

It needs `labels.csv` and `labels_more.csv`, and no picture. Copy the SHA-256 that it prints to `SHA256` in
asianage/data/split_list.py. 1,000 of the faces of other groups of UTKFace that `labels.csv` would train on are held
out, as `utkface_other`: those whose names have the smallest SHA-256, alternately for test and val. `utkface_more` are
the faces of UTKFace in `labels_more.csv`. The names in `doubtful_labels.txt` are left out of the training.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import lzma
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from asianage.data.split_list import LEFT_OUT, SPLIT_LIST, ListedPicture
from tests.benchmarks.doubtful_labels import NAMES

HELD_OUT = 1000


def main() -> None:
    """Write the list and print its SHA-256."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of labels.csv and labels_more.csv")
    pictures = listed_pictures(parser.parse_args().data)
    print(f"{len(pictures):,} pictures, SHA-256 {write_split_list(pictures, SPLIT_LIST)}")


def listed_pictures(data: Path) -> list[ListedPicture]:
    """Return the pictures of both tables, ordered by data set and name."""
    doubtful = set(NAMES.read_text("utf-8").split())
    pictures = [*_of_labels(_rows(data / "labels.csv")), *_of_labels_more(_rows(data / "labels_more.csv"))]
    pictures = [replace(p, split=LEFT_OUT) if p.file in doubtful and p.split == "train" else p for p in pictures]
    return sorted(pictures, key=_order)


def write_split_list(pictures: list[ListedPicture], path: Path) -> str:
    """Write a list for `read_split_list`, and return the SHA-256 of its text."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("dataset", "file", "split"))
    writer.writerows((picture.dataset, picture.file, picture.split) for picture in pictures)
    text = file.getvalue().encode()
    path.write_bytes(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))
    return hashlib.sha256(text).hexdigest()


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _of_labels(rows: list[dict[str, str]]) -> Iterator[ListedPicture]:
    others = [row["file"] for row in rows if (row["dataset"], row["split"]) == ("utkface", "train") and _is_other(row)]
    others.sort(key=lambda file: hashlib.sha256(Path(file).name.encode()).hexdigest())
    held_out = {file: ("test", "val")[number % 2] for number, file in enumerate(others[:HELD_OUT])}
    for row in rows:
        name = row["file"].partition("/")[2]
        if split := held_out.get(row["file"]):
            yield ListedPicture("utkface_other", name, split)
        else:
            yield ListedPicture(row["dataset"], name, row["split"])


def _is_other(row: dict[str, str]) -> bool:
    return row["group"] != "asian"


def _of_labels_more(rows: list[dict[str, str]]) -> Iterator[ListedPicture]:
    for row in rows:
        name = Path(row["file"]).name
        if row["dataset"] == "fairface":
            yield ListedPicture("fairface", name.replace("_", "/"), row["split"])
        else:
            yield ListedPicture("utkface_more", name, row["split"])


def _order(picture: ListedPicture) -> tuple[str | int, ...]:
    """Put neighbors of the numbers and dates in names together, which compresses best."""
    *folders, name = picture.file.removesuffix(".jpg").split("/")
    last = name.split("_")[-1].split("-")[0]
    return (picture.dataset, *folders, int(last) if last.isdecimal() else last, name)


if __name__ == "__main__":
    main()
