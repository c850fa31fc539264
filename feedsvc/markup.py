"""Markdown or HTML as its author wrote it → safe HTML with absolute URLs, and the plain text of that.

Pure: knows no article, no feed and no store. What may stay is listed here, and only here.
"""

import html
import re
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import nh3
import pyromark

from feedsvc.model import Markup
from feedsvc.urls import absolute

_MARKDOWN: Final = (
    pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_FOOTNOTES | pyromark.Options.ENABLE_STRIKETHROUGH
)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_INLINE: Final = _names(
    "a abbr b bdi bdo cite code data del dfn em i img ins kbd mark q rp rt ruby s samp small span strong "
    "sub sup time u var wbr"
)
_BLOCKS: Final = _names(
    "article aside audio blockquote br caption col colgroup dd details div dl dt figcaption figure footer "
    "h1 h2 h3 h4 h5 h6 header hr li main ol p picture pre section source summary table tbody td tfoot th "
    "thead tr track ul video"
)
_KEPT: Final = _INLINE | _BLOCKS
_GONE_WITH_CONTENT: Final = _names(
    "applet button canvas embed form frameset iframe math noembed noframes noscript object script select "
    "style svg template textarea title"
)
_CLOSED_BY_OTHERS: Final = _names(
    "area base br col embed hr img input link meta param source track wbr p li dt dd td th tr option"
)
_ATTRIBUTES: Final[dict[str, set[str]]] = {
    "*": {"dir", "id", "lang", "title"},
    "a": {"href", "hreflang"},
    "audio": {"controls", "loop", "muted", "preload", "src"},
    "blockquote": {"cite"},
    "code": {"class"},
    "col": {"align", "span"},
    "colgroup": {"align", "span"},
    "data": {"value"},
    "del": {"cite", "datetime"},
    "details": {"open"},
    "img": {"alt", "height", "sizes", "src", "srcset", "width"},
    "ins": {"cite", "datetime"},
    "li": {"value"},
    "ol": {"reversed", "start", "type"},
    "q": {"cite"},
    "source": {"height", "media", "sizes", "src", "srcset", "type", "width"},
    "table": {"align"},
    "td": {"align", "colspan", "headers", "rowspan"},
    "th": {"abbr", "align", "colspan", "headers", "rowspan", "scope"},
    "time": {"datetime"},
    "tr": {"align"},
    "track": {"default", "kind", "label", "src", "srclang"},
    "video": {"controls", "height", "loop", "muted", "playsinline", "poster", "preload", "src", "width"},
}
_WEB: Final = frozenset({"http", "https"})
_LINKS: Final = _WEB | {"mailto", "tel"}

_XML_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What the Char production of XML 1.0 leaves out: https://www.w3.org/TR/xml/#charsets"""

_URL_NOISE: Final = re.compile("[\x00-\x1f\ud800-\udfff\ufffe\uffff]")
"""What browsers skip in a URL (https://url.spec.whatwg.org/#url-parsing), or XML cannot hold."""

_LANGUAGE: Final = re.compile(r"language-[\w+#.-]+")
_DESCRIPTOR: Final = re.compile(r"\d+(?:\.\d+)?[wxh]")
_ALIGNED_CELL: Final = re.compile(r'<(t[dh]) style="text-align: (left|center|right)">')
_PRE_LINES: Final = re.compile(r"(<pre[^>]*>)\n+")
_TAG: Final = re.compile(r'<(/?)([a-zA-Z][a-zA-Z0-9]*)(?:"[^"]*"|[^">])*>')
_NOTE_MARK: Final = re.compile(r'<sup><a href="[^"]*#[^"]*">[^<]*</a></sup>')
_OPENING: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*/>)?")
_ANY_TAG: Final = re.compile(r"<[^<>]*>")
_BLANK_LINES: Final = re.compile(r"\n[ \t]*\n\s*")
_DRAWN: Final = _names("circle ellipse line path polygon polyline rect stop use")
"""Elements of SVG that close themselves; a slash closes no element of HTML."""
_MANY_TAGS = 2_000
_DEEPEST = 500
_PASSES = 8


def to_html(text: str, markup: Markup, base: str) -> str:
    """Safe HTML for a body: what a feed carries and a page shows.

    `text` is source in `markup`; raw HTML within Markdown is allowed, and sanitised like any other. `base` is
    the absolute URL of the story: every URL comes out absolute against it, and one that is not http, https,
    mailto or tel is dropped. The result holds nothing that XML cannot, and sanitising it again changes
    nothing, so that what a reader's own parser sees is what was judged here.
    """
    source = _XML_ILLEGAL.sub("", text)
    if markup == "markdown":
        source = _ALIGNED_CELL.sub(r'<\1 align="\2">', pyromark.html(source, options=_MARKDOWN))
    elif markup == "text":
        return _paragraphs(source)
    return _sanitised(source, base)


def to_text(html_text: str) -> str:
    """The plain text of safe HTML (what `to_html` returns), white space collapsed: for summaries.

    Footnote marks are left out: a summary has no notes to point at.
    """
    return " ".join(html.unescape(_TAG.sub(_gap, _NOTE_MARK.sub("", html_text))).split())


def _gap(tag: re.Match[str]) -> str:
    return "" if tag[2] in _INLINE else " "


def _paragraphs(text: str) -> str:
    blocks = (block.strip() for block in _BLANK_LINES.split(text))
    return "\n".join(f"<p>{html.escape(block, quote=False)}</p>" for block in blocks if block)


def _sanitised(source: str, base: str) -> str:
    # The sanitiser's tree takes time quadratic in depth: 100,000 open tags hold the process for 20 seconds.
    if source.count("<") > _MANY_TAGS and _depth(source) > _DEEPEST:
        return _paragraphs(html.unescape(_ANY_TAG.sub(" ", source)))
    cleaner = nh3.Cleaner(
        tags=_KEPT,
        clean_content_tags=_GONE_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=partial(_attribute, base),
        link_rel=None,
        url_schemes=_LINKS,
    )
    clean = _cleaned(cleaner, source)
    # HTML's error recovery can give a tree that parses differently once written out (a link in a table in a
    # link); sanitising until nothing moves leaves no such text for anybody else's parser to reinterpret.
    for _ in range(_PASSES):
        again = _cleaned(cleaner, clean)
        if again == clean:
            return clean
        clean = again
    return _paragraphs(html.unescape(_ANY_TAG.sub(" ", clean)))


def _cleaned(cleaner: nh3.Cleaner, source: str) -> str:
    # References such as &#x0B; have become characters that XML cannot hold. And a parser drops the first line
    # break in <pre>: each further pass would drop one more.
    return _PRE_LINES.sub(r"\1", _XML_ILLEGAL.sub("", cleaner.clean(source)))


def _depth(source: str) -> int:
    deepest = depth = 0
    for tag in _OPENING.finditer(source):
        name = tag[2].lower()
        if name in _CLOSED_BY_OTHERS or (tag[3] and name in _DRAWN):
            continue
        depth = max(depth - 1, 0) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _attribute(base: str, _element: str, name: str, value: str) -> str | None:
    if rule := _RULES.get(name):
        return rule(base, value)
    return value


def _link(base: str, value: str) -> str | None:
    return _url(base, value, _LINKS)


def _resource(base: str, value: str) -> str | None:
    return _url(base, value, _WEB)


def _url(base: str, value: str, schemes: frozenset[str]) -> str | None:
    written = _URL_NOISE.sub("", value).strip()
    if not written:
        return None
    try:
        url = absolute(base, written)
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    if parts.scheme not in schemes or (parts.scheme in _WEB and not parts.hostname):
        return None
    return url


def _srcset(base: str, value: str) -> str | None:
    """The candidates whose URL may stay; parsed by https://html.spec.whatwg.org/#parse-a-srcset-attribute"""
    kept = []
    position = 0
    while found := _CANDIDATE.match(value, position):
        position = found.end()
        url, descriptors = found[1], ""
        if url.endswith(","):
            url = url.rstrip(",")
        elif rest := _DESCRIPTORS.match(value, position):
            position, descriptors = rest.end(), rest[1]
        safe = _url(base, url, _WEB)
        words = descriptors.split()
        if safe and all(_DESCRIPTOR.fullmatch(word) for word in words):
            kept.append(" ".join([safe, *words]))
    return ", ".join(kept) or None


_CANDIDATE: Final = re.compile(r"[\s,]*([^\s,]\S*)")
_DESCRIPTORS: Final = re.compile(r"((?:[^,(]|\([^)]*\)?)*),?")


def _code_class(_base: str, value: str) -> str | None:
    return next((word for word in value.split() if _LANGUAGE.fullmatch(word)), None)


_RULES: Final[dict[str, Callable[[str, str], str | None]]] = {
    "href": _link,
    "src": _resource,
    "poster": _resource,
    "cite": _resource,
    "srcset": _srcset,
    "class": _code_class,
}
