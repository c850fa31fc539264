"""Find the tags of an HTML text in one pass, as browsers do: not in comments, quotes or scripts.

Pure: knows the syntax (https://html.spec.whatwg.org/#tokenization), neither the tree nor what may stay.
`html.parser` won't do: it reads unclosed tags and comments over and over, and raises AssertionError at `<![`.
"""

import html
import re
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

_SPACE: Final = r"\t\n\f\r "
# No text is read twice: every repetition is possessive, and unclosed tags and comments extend to its end.
_ATTRIBUTES: Final = (
    rf"(?:[{_SPACE}/]++|[^{_SPACE}/>][^{_SPACE}/>=]*+(?:[{_SPACE}]*+=[{_SPACE}]*+"
    rf"(?:\"[^\"]*+\"?+|'[^']*+'?+|[^{_SPACE}\"'>][^{_SPACE}>]*+)?+)?+)*+"
)
_TOKEN: Final = re.compile(
    "<(?:"
    rf"(?P<closing>/?)(?P<name>[a-zA-Z][^{_SPACE}/>]*+)(?P<attributes>{_ATTRIBUTES})(?P<tag_end>>?)"
    r"|(?P<comment>!--)(?:-?>|[^-]*+(?:-(?!-!?>)[^-]*+)*+(?P<comment_end>(?:--!?>)?))"
    r"|(?P<cdata>!\[CDATA\[)[^>]*+>?"
    r"|(?P<other>[!?/])[^>]*+(?P<other_end>>?)"
    ")"
)
_ATTRIBUTE: Final = re.compile(
    rf"([^{_SPACE}/>][^{_SPACE}/>=]*+)"
    rf"(?:[{_SPACE}]*+=[{_SPACE}]*+(?:\"([^\"]*+)\"|'([^']*+)'|([^{_SPACE}>]*+)))?+"
)
_TEXT_ONLY: Final = frozenset(
    ("iframe", "noembed", "noframes", "noscript", "script", "style", "textarea", "title", "xmp")
)
"""Elements that hold only text, up to their own end tag; `noscript` is one where scripts run."""


CDATA: Final = "![CDATA["


class Tag(NamedTuple):
    """A tag from `start` to `end`; its `name` is in lower case.

    For an element that holds only text, `content_end` is where that text ends; for any other it is `end`.
    A section that begins with `CDATA` ends at its first `>`; only within SVG and MathML does it extend to its
    `content_end`. A tag that is not `whole` is the last one: this tag, comment (`!--`), declaration (`!`,
    `?`, `/`) or element of text is unclosed, and takes in the rest of the text.
    """

    name: str
    closing: bool
    attributes: str
    start: int
    end: int
    content_end: int
    whole: bool = True


def tags(source: str, *, scripts: bool = True) -> Iterator[Tag]:
    """The tags of a text. With `scripts`, scripts are assumed to run: the content of `noscript` is text."""
    position, section_end = 0, -1
    while found := _TOKEN.search(source, position):
        start, position = found.span()
        if (name := found["name"]) is None:
            if found["cdata"]:
                if section_end < position:
                    section_end = source.find("]]>", position)
                    section_end = section_end if section_end >= 0 else len(source)
                yield Tag(CDATA, False, "", start, position, section_end)
            elif not _is_whole(found):
                yield Tag(found["comment"] or found["other"], False, "", start, position, position, False)
            continue
        name, closing, end, whole = name.lower(), bool(found["closing"]), position, bool(found["tag_end"])
        if whole and not closing and name in _TEXT_ONLY and (scripts or name != "noscript"):
            closed = _end_of(name).search(source, end)
            position = closed.start() if closed else len(source)
            whole = closed is not None
        yield Tag(name, closing, found["attributes"], start, end, position, whole)


def _is_whole(found: re.Match[str]) -> bool:
    if found["comment"]:
        return found[0].endswith(("-->", "--!>"))
    return bool(found["other_end"])


@cache
def _end_of(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{name}(?=[{_SPACE}/>])", re.IGNORECASE)


def closes_itself(tag: Tag) -> bool:
    """Whether a tag ends in a slash outside of a value, which closes an element of SVG or MathML."""
    if not tag.attributes.endswith("/"):
        return False
    ends = [found.end() for found in _ATTRIBUTE.finditer(tag.attributes)]
    return not ends or ends[-1] < len(tag.attributes)


def attributes(tag: Tag) -> dict[str, str]:
    """The attributes of a tag, by name in lower case; of two of the same name the first, as in browsers."""
    named: dict[str, str] = {}
    for found in _ATTRIBUTE.finditer(tag.attributes):
        named.setdefault(found[1].lower(), html.unescape(found[2] or found[3] or found[4] or ""))
    return named
