"""Titles and labels as authors write them, with tags and references in them → plain text.

Pure: knows what a tag looks like, and neither keys nor bodies. Applied once: what it returns may hold `<em>`
or `&amp;` that its author meant to be read.
"""

import html
import re
from typing import Final

from feedsvc.domain.xml_text import without_illegal

_INLINE: Final = (
    "abbr|acronym|a|bdi|bdo|big|b|cite|code|del|dfn|em|font|ins|i|kbd|mark|q|samp|small|span|strike|strong"
    "|sub|sup|s|time|tt|u|var|wbr"
)
_OTHERS: Final = (
    "address|article|aside|audio|blockquote|body|br|button|canvas|caption|center|dd|details|div|dl|dt|embed"
    "|fieldset|figcaption|figure|footer|form|frame|h[1-6]|header|hr|html|iframe|img|input|li|link|main|meta|nav"
    "|noscript|object|ol|option|p|picture|pre|rp|rt|ruby|script|section|select|source|style|summary|svg|table"
    "|tbody|td|textarea|tfoot|th|thead|tr|ul|video"
)
_TAG: Final = re.compile(
    rf"</?(?:({_INLINE})|{_OTHERS})"
    r"(?:\s++[a-z_:][\w:.-]*+\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'=<>`]++))*+\s*+/?>",
    re.IGNORECASE,
)
"""A tag of HTML. Anything else after `<` is what its author wrote: `a <b and c`, `<3`."""

_UNSEEN: Final = re.compile(r"<!--[^<>]*-->|<(script|style)\b[^<>]*>[^<]*</\1\s*>", re.IGNORECASE)
_REFERENCE: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
"""With its semicolon: `?a=1&copy=2` holds none."""


def plain(text: str) -> str:
    """`text` without tags, and with references (`&amp;`, `&#8217;`) as the characters they stand for."""
    if "<" in text:
        text = _TAG.sub(_gap, _UNSEEN.sub("", text))
    if "&" in text:
        text = _REFERENCE.sub(_character, text)
    return text


def escaped(text: str) -> str:
    """What `plain` reads as `text`; `text` itself wherever that is enough."""
    return text if plain(text) == text else html.escape(text, quote=False)


def _gap(tag: re.Match[str]) -> str:
    return "" if tag[1] else " "


def _character(reference: re.Match[str]) -> str:
    return without_illegal(html.unescape(reference[0])).replace("\r", "\n")
