"""Titles and labels with HTML tags and character references in them → plain text.

Pure: knows what a tag looks like; must not know keys or bodies. Must be applied only once: its result may
contain `<em>` or `&amp;` that the author meant as text.
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
"""An HTML tag. Anything else that begins with `<` is text: `a <b and c`, `<3`."""

_UNSEEN: Final = re.compile(r"<!--[^<>]*-->|<(script|style)\b[^<>]*>[^<]*</\1\s*>", re.IGNORECASE)
_REFERENCE: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
"""Requires the semicolon: `?a=1&copy=2` contains no reference."""


def plain(text: str) -> str:
    """`text` without tags, and with character references (`&amp;`, `&#8217;`) resolved."""
    if "<" in text:
        text = _TAG.sub(_gap, _UNSEEN.sub("", text))
    if "&" in text:
        text = _REFERENCE.sub(_character, text)
    return text


def escaped(text: str) -> str:
    """Text that `plain` turns into `text`: `text` itself where possible, else with `&`, `<`, `>` escaped."""
    return text if plain(text) == text else html.escape(text, quote=False)


def _gap(tag: re.Match[str]) -> str:
    return "" if tag[1] else " "


def _character(reference: re.Match[str]) -> str:
    return without_illegal(html.unescape(reference[0])).replace("\r", "\n")
