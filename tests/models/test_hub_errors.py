from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import errors

from asianage.errors import DownloadError
from asianage.models.hub_errors import HubUnreachableError, explained

ADDRESS = "https://hub.example"


class AnswerError(Exception):
    """An answer of the Hub with a status, as the client raises it."""

    def __init__(self, status: int, text: str = "what the server wrote", **headers: str) -> None:
        super().__init__(text)
        self.response = SimpleNamespace(status_code=status, headers=headers)


def meaning(error: Exception) -> DownloadError:
    return explained(error, "owner/name", "v1", ADDRESS, Path("cache"))


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (AnswerError(401), DownloadError, r"hub\.example/owner/name refuses access \(401\).*`token=`"),
        (AnswerError(403), DownloadError, r"refuses access \(403\).*hf auth login"),
        (AnswerError(404), DownloadError, r"refuses \(404\) for owner/name: what the server wrote\."),
        (AnswerError(408), HubUnreachableError, "error 408.*Try again later"),
        (AnswerError(418), DownloadError, r"refuses \(418\)"),
        (AnswerError(429), HubUnreachableError, "too many requests. Try again later"),
        (AnswerError(429, **{"Retry-After": "7"}), HubUnreachableError, "Try again in 7 s"),
        (AnswerError(500), HubUnreachableError, "error 500"),
        (AnswerError(504), HubUnreachableError, "error 504"),
        (KeyError("sha"), HubUnreachableError, "does not answer as a Hugging Face Hub does"),
        (
            OSError(errno.ENOSPC, "No space left"),
            DownloadError,
            r"No space left.*Make room, or choose another cache than cache",
        ),
        (PermissionError(errno.EACCES, "denied", "file"), DownloadError, "denied: 'file'.*`cache_dir=`"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), HubUnreachableError, "Check the network"),
        (TimeoutError("nothing arrived"), HubUnreachableError, "nothing arrived. Check the network"),
        (RuntimeError(), HubUnreachableError, "RuntimeError. Check the network"),
        (
            UnicodeEncodeError("ascii", "hf_ü", 3, 4, "no"),
            DownloadError,
            "access token must consist of ASCII.*HF_TOKEN",
        ),
        (errors.HFValidationError("too long"), DownloadError, "'owner/name' cannot be a Hub repository: too long"),
    ],
)
def test_an_error_says_what_happened_and_what_to_do(
    error: Exception, kind: type[DownloadError], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    caught = meaning(error)
    assert type(caught) is kind
    with pytest.raises(kind, match=text):
        raise caught


def test_the_answer_behind_a_missing_file_counts() -> None:
    hidden = errors.LocalEntryNotFoundError("cannot be located")
    hidden.__cause__ = AnswerError(503)
    assert "error 503" in str(meaning(hidden))
    hidden.__cause__ = ConnectionResetError("reset by peer")
    assert "reset by peer" in str(meaning(hidden))


def test_a_long_answer_is_cut_to_its_first_line() -> None:
    text = str(meaning(AnswerError(418, "\n\nfirst\nsecond" + "x" * 1000)))
    assert "first." in text
    assert "second" not in text


def test_a_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:hidden@proxy.example:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    text = str(meaning(ConnectionRefusedError("refused")))
    assert "through the proxy proxy.example:9" in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    "proxy",
    ["http://me:hid#den@proxy:9", "me:hid/den@proxy:9", "http://me:h@dden@proxy:9", "http://proxy:hidden", "http://:9"],
)
def test_a_proxy_that_cannot_be_read_is_named_without_its_value(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    text = str(meaning(ValueError(f"Invalid port in {proxy}")))
    assert text.startswith("HTTPS_PROXY must be the address of a proxy")
    assert "percent-encoded" in text
    assert "den" not in text.replace("percent-encoded", "")


@pytest.mark.parametrize("proxy", ["http://proxy.example:9/", "socks5h://a:b@[::1]:1080", "proxy:3128"])
def test_a_proxy_that_can_be_read_is_no_fault(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    assert "cannot be reached" in str(meaning(ConnectionRefusedError("refused")))
