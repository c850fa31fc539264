"""The head of an HTML page, as Pelican's authors write it → keys and values, and where its body begins.

Pure: `<title>`, `<meta name= content=>` and the language; never what a key means.
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
    """The keys and values of a page, where its head ends, and from where to where its body goes."""

    pairs: dict[str, object]
    end: int
    body_start: int
    body_end: int


def read(page: str) -> Head | None:
    """The head of a page; None if no `<body>` stands within its first `LONGEST_FRONT_MATTER` characters.

    Raises FrontMatterError for what is left open before it: to browsers all that follows is part of it.
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
    """Two of one name are a list: right for authors, and refused where one value is wanted."""
    before = pairs.get(name)
    if not before:
        pairs[name] = value
    elif isinstance(before, list):
        before.append(value)
    elif value and value != before:
        pairs[name] = [before, value]
