"""Size on disk of the package and of everything that `pip install .` in a checkout brings.

Run it in a fresh virtual environment with nothing else installed: python tests/benchmarks/install_size.py
"""

from __future__ import annotations

import importlib.metadata


def main() -> None:
    """Print the size of each installed distribution, largest first."""
    sizes = {}
    for distribution in importlib.metadata.distributions():
        files = [distribution.locate_file(file) for file in distribution.files or []]
        sizes[distribution.metadata["Name"]] = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{name:<28} {size:>8.1f} MB")
    print(f"{'all':<28} {sum(sizes.values()):>8.1f} MB")


if __name__ == "__main__":
    main()
