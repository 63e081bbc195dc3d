"""No secrets and no walls of text in messages, which end up in logs."""

from __future__ import annotations

import re

_SECRETS = (
    (re.compile(r"\b([a-z][a-z0-9+.-]*:/{1,2})[^\s/@]+@", re.IGNORECASE), r"\1...@"),
    (re.compile(r"\b([a-z][a-z0-9+.-]*:/{1,2}[^\s?]+\?)[^\s,;)]+", re.IGNORECASE), r"\1..."),
    (re.compile(r"\b(data:[^\s,]{0,100},)\S+", re.IGNORECASE), r"\1..."),
    (re.compile(r"\bhf_[A-Za-z0-9]{8,}"), "hf_..."),
)
"""Names and passwords in addresses, their queries, data in addresses, and tokens of the Hub -> what stays of them."""

_LONGEST_WORD = 1000
"""Characters of a name that are shown. A longer one is no name."""


def masked(text: str) -> str:
    """Return a message without passwords, tokens and very long words, such as pictures in base64."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return re.sub(rf"(\S{{60}})\S{{{_LONGEST_WORD},}}", r"\1...", text)
