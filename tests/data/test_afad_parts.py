from __future__ import annotations

import re

from asianage.data.afad_parts import ARCHIVES


def test_published_parts_are_complete():
    letters = [a + b for a in "abc" for b in "abcdefghijklmnopqrstuvwxyz"]
    for variant, name, last in (("full", "AFAD-Full", "bt"), ("lite", "AFAD-Lite", "bb")):
        archive = ARCHIVES[variant]
        expected = [f"{name}.tar.xz{suffix}" for suffix in letters[: letters.index(last) + 1]]
        assert [part for part, _ in archive.parts] == expected
        assert all(re.fullmatch("[0-9a-f]{40}", sha1) for _, sha1 in archive.parts)
        assert len({sha1 for _, sha1 in archive.parts}) == len(expected)
        assert re.fullmatch(r"https://github\.com/afad-dataset/[a-z-]+/raw/[0-9a-f]{40}", archive.base_url)
