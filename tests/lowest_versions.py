"""Constraints for pip that hold every dependency at the lowest version that pyproject.toml allows.

python -m tests.lowest_versions > lowest.txt
python -m pip install --constraint lowest.txt ".[test]"
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def lowest_versions(pyproject: str, extras: list[str]) -> list[str]:
    """Return a line ``name==version`` for each dependency of the core and of some extras."""
    project = tomllib.loads(pyproject)["project"]
    needed = list(project["dependencies"])
    for extra in extras:
        needed += project["optional-dependencies"][extra]
    found = (re.fullmatch(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)", requirement) for requirement in needed)
    return [f"{match[1]}=={match[2]}" for match in found if match]


if __name__ == "__main__":
    print(*lowest_versions(Path("pyproject.toml").read_text(), sys.argv[1:]), sep="\n")
