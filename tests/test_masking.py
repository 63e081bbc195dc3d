from __future__ import annotations

import pytest

from asianage.masking import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("There is no folder https:/me:pass@host/x.", "There is no folder https:/...@host/x."),
        ("GET https://me:pa%40ss@host:8080/x failed", "GET https://...@host:8080/x failed"),
        ("https://host/x?token=abc&n=1 cannot be read", "https://host/x?... cannot be read"),
        ("s3://KEY:SECRET@bucket/a.jpg", "s3://...@bucket/a.jpg"),
        ("data:image/png;base64,iVBORw0KGgo= is none", "data:image/png;base64,... is none"),
        ("the token hf_abcdefghijklmnop is old", "the token hf_... is old"),
        ("x" * 5000 + ".jpg: no", "x" * 60 + "... no"),
        (
            "write me@example.org, see https://host/docs or a/b@main",
            "write me@example.org, see https://host/docs or a/b@main",
        ),
        ("C:/photos/a@2x.jpg and cam:/1.png stay", "C:/photos/a@2x.jpg and cam:/1.png stay"),
    ],
)
def test_a_message_holds_no_secret(text, shown):
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text", ["write me@example.org, see https://host/docs or a/b@main", "C:/photos/a@2x.jpg and cam:/1.png stay"]
)
def test_what_only_looks_like_a_secret_stays(text):
    assert masked(text) == text
