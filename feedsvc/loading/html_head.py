"""The head of an HTML page, as Pelican authors write it → keys and values, and the offsets of its body.

Pure: reads `<title>`, `<meta name= content=>` and the language; must not know what a key means.
"""

import html
import re
from typing import Final, NamedTuple

from feedsvc.html import tokens
from feedsvc.html.tokens import Tag
from feedsvc.loading.errors import LONGEST_FRONT_MATTER, FrontMatterError

_BODY_END: Final = re.compile(r"</body\s*>", re.IGNORECASE)
_ENDS: Final = {"!--": "-->", "!": ">", "?": ">", "/": ">"}


class Head(NamedTuple):
    """The keys and values of a page, and the offsets at which its head ends, and its body starts and ends."""

    pairs: dict[str, object]
    end: int
    body_start: int
    body_end: int


def read(page: str) -> Head | None:
    """The head of a page; None if there is no `<body>` in its first `LONGEST_FRONT_MATTER` characters.

    Raises FrontMatterError for an unclosed tag or comment before it: to browsers, all that follows would be
    part of that.
    """
    pairs: dict[str, object] = {}
    for tag in tokens.tags(page, scripts=False):
        if tag.start > LONGEST_FRONT_MATTER:
            return None
        if not tag.whole:
            raise _left_open(page, tag)
        if tag.name == "body" and not tag.closing:
            end = _BODY_END.search(page, tag.end)
            return Head(pairs, tag.start, tag.end, end.start() if end else len(page))
        if not tag.closing:
            _read_tag(page, tag, pairs)
    return None


def _left_open(page: str, tag: Tag) -> FrontMatterError:
    opened = f"<{'/' * tag.closing}{tag.name}"[:30]
    tag_end = ">" if tag.end == len(page) else f"</{tag.name}>"
    ending = _ENDS.get(tag.name, tag_end)
    line = page.count("\n", 0, tag.start) + 1
    return FrontMatterError(line, f"{opened!r} is opened and not closed; write {ending!r}", "html-unclosed")


def _read_tag(page: str, tag: Tag, pairs: dict[str, object]) -> None:
    if tag.name == "title":
        pairs.setdefault("title", html.unescape(page[tag.end : tag.content_end]))
    elif tag.name == "meta":
        named = tokens.attributes(tag)
        if name := named.get("name"):
            _add_meta(pairs, name, named.get("content") or named.get("contents"))
    elif tag.name == "html" and (language := tokens.attributes(tag).get("lang")):
        pairs.setdefault("lang", language)


def _add_meta(pairs: dict[str, object], name: str, value: str | None) -> None:
    """Add a pair; several of one name make a list, which is valid for authors and refused later elsewhere."""
    before = pairs.get(name)
    if not before:
        pairs[name] = value
    elif isinstance(before, list):
        before.append(value)
    elif value and value != before:
        pairs[name] = [before, value]
