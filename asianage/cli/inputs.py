"""What a command line names -> the images: photos, folders, patterns, pipes and lists of names."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from asianage.errors import ImageError
from asianage.faces.image_files import (
    LeftOut,
    address_start,
    is_pipe,
    list_images,
    names_in_list,
    read_pipe,
    stored_form,
    walk,
)

STANDARD_INPUT = "-"

LONGEST_NAME = 255
"""Bytes of a file's name."""

Source: TypeAlias = "Path | bytes"


@dataclass(slots=True)
class Inputs:
    """What is to be read.

    Attributes:
        images: (name, path or content) of each image.
        failures: (name, reason) of what cannot be found.
        left_out: One sentence for each folder of which something is left out.
        named: What the user has named.
    """

    images: list[tuple[str, Source]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)


def find_inputs(paths: Sequence[str], files_from: str | None = None) -> Inputs:
    """Find the images that a command line names.

    Args:
        paths: Photos, folders, patterns, or - for a photo on standard input. What is there is never a pattern.
        files_from: File with one name a line, or with names that end in a null character; - is standard input.
    """
    inputs = Inputs(named=list(paths))
    for path in paths:
        if path == STANDARD_INPUT:
            inputs.images.append(("standard input", sys.stdin.buffer.read()))
        elif os.path.lexists(stored_form(Path(path))) or not glob.has_magic(path) or address_start(path):
            _add(inputs, path)
        else:
            left_out = LeftOut()
            found = matching_files(path, left_out)
            for name in found:
                _add(inputs, name)
            _tell(inputs, path, left_out)
            if not found:
                brackets = " Brackets are a part of a pattern." if "[" in path else ""
                inputs.failures.append((path, f"No file matches this pattern.{brackets}"))
    for path in () if files_from is None else _read_names(files_from):
        inputs.named.append(path)
        _add(inputs, path)
    inputs.images = _once(inputs.images)
    return inputs


def _once(images: list[tuple[str, Source]]) -> list[tuple[str, Source]]:
    """Return the images without files that were named before."""
    seen: set[str] = set()
    found = []
    for name, source in images:
        if not isinstance(source, Path) or name not in seen:
            found.append((name, source))
        seen.add(name)
    return found


def _add(inputs: Inputs, name: str) -> None:
    if not name:
        inputs.failures.append(("''", "A name is empty. Check the variables of the shell."))
        return
    path = stored_form(Path(name))
    if (start := address_start(name)) and set(name) & set("/,") and not os.path.lexists(path):
        # The rest may hold a password, and data have a megabyte.
        inputs.failures.append((start, "PATH must be a local file. Received an address. Download it first."))
        return
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        reason = f"PATH must be the name of a file. Received a text of {len(name):,} characters."
        inputs.failures.append((f"{name[:40]}...", reason))
        return
    if os.path.isdir(path):
        left_out = LeftOut()
        found = list(list_images(path, left_out=left_out))
        inputs.images += [(str(file), file) for file in found]
        if not found and not left_out.errors:
            content = f" It holds {left_out.summary()}." if left_out.counts else ""
            inputs.failures.append((name, f"The folder holds no images in a format that Pillow reads.{content}"))
        _tell(inputs, name, left_out)
        return
    if not is_pipe(path):
        inputs.images.append((str(path), path))
        return
    try:
        # It can be read only once, and a drawing needs the photo again.
        inputs.images.append((str(path), read_pipe(path)))
    except (OSError, ImageError) as error:
        inputs.failures.append((name, str(error)))


def _tell(inputs: Inputs, name: str, left_out: LeftOut) -> None:
    if left_out.counts:
        inputs.left_out.append(f"{name}: left out {left_out.summary()}.")
    for error in left_out.errors:
        reason = f"The folder cannot be read: {error.strerror}. Change its permissions."
        inputs.failures.append((str(error.filename), reason))


def matching_files(pattern: str, left_out: LeftOut) -> list[str]:
    """Return the files that a pattern matches, sorted; without a ``**`` also the folders.

    Where brackets have a match as they are written, as in ``trip[2024]/*.jpg``, they are no pattern.
    """
    parts = Path(pattern).parts
    there = Path()
    literal = 0
    while os.path.lexists(there / parts[literal]):
        there /= parts[literal]
        literal += 1
    rest = os.path.join(*parts[literal:])
    for form in (rest.replace("[", "[[]"), rest):
        matches = _expanded(os.path.join(glob.escape(str(there)), form) if literal else form, left_out)
        if matches:
            return sorted(matches)
    return []


def _expanded(pattern: str, left_out: LeftOut) -> set[str]:
    """Return what a pattern matches. `glob` would follow links in a circle for hours."""
    parts = Path(pattern).parts
    if "**" not in parts:
        return {name for name in glob.glob(pattern) if os.path.isfile(name) or os.path.isdir(name)}
    place = parts.index("**")
    rest = parts[place + 1 :] or ("*",)
    found: set[str] = set()
    for root in glob.glob(os.path.join(*parts[:place])) if place else (os.curdir,):
        if os.path.isdir(root):
            for folder, _ in walk(Path(root), left_out):
                found |= _expanded(os.path.join(glob.escape(str(folder)), *rest), left_out)
    return set(filter(os.path.isfile, found))


def _read_names(file: str) -> list[str]:
    if file == STANDARD_INPUT:
        return list(names_in_list(sys.stdin.buffer))
    try:
        with open(file, "rb") as content:
            return list(names_in_list(content))
    except OSError as error:
        remedy = "Name the folder as PATH." if os.path.isdir(file) else "Check the name and the permissions."
        raise type(error)(f"--files-from needs a list of names. {file}: {error.strerror}. {remedy}") from error
