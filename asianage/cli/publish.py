"""`asianage publish`, for the maintainers."""

from __future__ import annotations

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("publish", help="upload the bundled models and the face detector to the Hub")
    parser.add_argument("--namespace", required=True, metavar="NAME", help="user or organization of the Hub")
    parser.add_argument("--private", action="store_true", help="make new repositories private")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--revision", metavar="BRANCH", help="branch to upload to (default: main)")
    target.add_argument("--create-pr", action="store_true", help="open pull requests in repositories that exist")
    parser.add_argument("--overwrite-card", action="store_true", help="replace model cards that were edited on the Hub")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Upload every bundled model, and print the line of Python that loads each."""
    from asianage.models.publish import push_bundled

    for pushed in push_bundled(
        given.namespace,
        private=given.private or None,
        revision=given.revision,
        create_pr=given.create_pr,
        overwrite_card=given.overwrite_card,
    ):
        print(f"{pushed.repo_id}: {pushed.pull_request or pushed.url}\n  {pushed.line}", flush=True)
    return 0
