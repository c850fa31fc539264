"""Feeds without a fault, written by hand, and what they become when one thing in them is broken."""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from tests.validation import BOOKS, findings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_FOLDER = Path(__file__).parent
_HTML = {
    "html-nesting": ("<p>Never closed", "<b><i>crossed</b></i>", "<p><ul><li>x</li></ul></p>"),
    "html-escaping": ("Tom &Jerry; ran", "1 < 2", "x &amp y"),
    "html-element-known": ("<sparkle>x</sparkle>",),
    "html-element-safe": (
        "<script>x</script>",
        '<iframe src="https://example.org/"></iframe>',
        "<bdo>x</bdo>",
    ),
    "html-attribute-safe": ('<p onclick="x">y</p>', '<p style="color: red">y</p>'),
    "html-url-absolute": ('<a href="/a">x</a>', '<img src="//example.org/a">', '<img srcset="b.png 2x">'),
    "html-url-safe": ('<a href="javascript:x">x</a>', '<img src="data:image/gif;base64,AA">'),
}

Break = tuple[str, str, str]
"""The rule that finds it, what stands in the sample, and what stands there instead."""


def sample(fmt: str) -> bytes:
    """The faultless feed of a format."""
    return (_FOLDER / f"feed.{fmt}").read_bytes()


def rules_broken(fmt: str, body: bytes) -> set[str]:
    """The rules that a feed breaks that is served where the samples are."""
    url = f"https://news.example.org/feeds/sections/ports.{fmt}"
    return {finding.rule for finding in findings(fmt, body, url, NOW)}


def broken(fmt: str, old: str, new: str) -> bytes:
    """The sample with the first `old` replaced."""
    body = sample(fmt).decode()
    assert old in body, old
    return body.replace(old, new, 1).encode()


def html_breaks(fmt: str) -> list[Break]:
    """What breaks each rule for HTML, where the sample has some."""
    old = escape('<a href="https://news.example.org/a">met</a>', quote=False)
    if fmt == "json":
        old = r"<a href=\"https://news.example.org/a\">met</a>"
    return [
        (rule, old, html.replace('"', r"\"") if fmt == "json" else escape(html, quote=False))
        for rule, fragments in _HTML.items()
        for html in fragments
    ]


def untested(fmt: str, breaks: Iterable[Break]) -> set[str]:
    """The rules that none of the broken samples is for."""
    return set(BOOKS[fmt].checks) - {rule for rule, _, _ in breaks}
