"""`asianage download`."""

from __future__ import annotations

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("download", help="fetch now what would be fetched later, for offline machines")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Fetch YuNet's weights."""
    from asianage.models.hub import YUNET, fetch

    print(f"YuNet: {fetch(YUNET)}")
    return 0
