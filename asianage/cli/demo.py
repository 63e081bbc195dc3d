"""`asianage demo`."""

from __future__ import annotations

import argparse
from typing import Any

from asianage.cli import options


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("demo", help="open a page in the browser that estimates your photos")
    options.add_estimator(parser)
    parser.add_argument("--port", type=int, metavar="N", help="port of the page (default: the first free from 7860 on)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 for all computers (default: %(default)s)"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address of the page")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    from asianage.apps.demo import Demo

    estimator = options.make_estimator(given)
    with Demo(estimator, host=given.host, port=given.port, open_browser=not given.no_browser) as demo:
        print(f"The page is at {demo.address}. Ctrl-C ends it.", flush=True)
        try:
            demo.wait()
        except KeyboardInterrupt:
            print()
    return 0
