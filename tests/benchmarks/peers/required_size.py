"""Size on disk of a distribution with everything that it requires, in bytes: python required_size.py NAME."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path


def required_bytes(name: str) -> int:
    """Return the size of a distribution with everything that it requires without an extra."""
    seen: set[str] = set()
    names, size = [name], 0
    while names:
        distribution = importlib.metadata.distribution(names.pop())
        key = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        if key in seen:
            continue
        seen.add(key)
        files = [Path(distribution.locate_file(file)) for file in distribution.files or []]
        size += sum(file.stat().st_size for file in files if file.is_file())
        for line in distribution.requires or []:
            required = re.match(r"[\w.-]+", line)[0]
            try:
                importlib.metadata.distribution(required)
            except importlib.metadata.PackageNotFoundError:
                continue
            names += [] if "extra ==" in line else [required]
    return size


if __name__ == "__main__":
    print(required_bytes(sys.argv[1]))
