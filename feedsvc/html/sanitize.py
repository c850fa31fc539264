"""Markdown or HTML as its author wrote it → safe HTML with absolute URLs, and the plain text of that.

Pure: knows no article, no feed and no store. Only this module lists the elements and attributes allowed.
"""

import html
import re
import threading
from collections.abc import Callable
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import nh3
import pyromark

from feedsvc.domain import constraints
from feedsvc.domain.model import Markup
from feedsvc.domain.urls import absolute
from feedsvc.domain.xml_text import without_illegal
from feedsvc.html import embeds
from feedsvc.html.limits import is_bomb

_MARKDOWN: Final = (
    pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_FOOTNOTES | pyromark.Options.ENABLE_STRIKETHROUGH
)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_INLINE: Final = _names(
    "a abbr b bdi cite code data del dfn em i img ins kbd mark q rp rt ruby s samp small span strong "
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
_ATTRIBUTES: Final[dict[str, set[str]]] = {
    "*": {"dir", "id", "lang", "title"},
    "a": {"href", "hreflang"},
    "audio": {"loop", "muted", "preload", "src"},
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
    "video": {"height", "loop", "muted", "playsinline", "poster", "preload", "src", "width"},
}
_READ_ONCE: Final = {
    name: _ATTRIBUTES.get(name, set()) | embeds.ATTRIBUTES.get(name, set())
    for name in {**_ATTRIBUTES, **embeds.ATTRIBUTES}
}
"""The attributes that may stay, and those that tell the page behind an embed, or a placeholder's picture."""

_WEB: Final = frozenset({"http", "https"})
_LINKS: Final = _WEB | {"mailto", "tel"}

_URL_NOISE: Final = re.compile("[\x00-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that browsers skip in a URL (https://url.spec.whatwg.org/#url-parsing), or XML cannot hold."""

_PLAIN_URL: Final = re.compile(
    r"https?://[a-z0-9.-]{1,253}/(?:[\w/.~!$&'()*+,=:-]+(?:\?[\w/.~!$&'()*+,;=:?-]+)?(?:#[\w.~-]+)?)?",
    re.ASCII,
)
"""URLs that need no change: nearly every one, the second time the sanitiser sees it."""

_LANGUAGE: Final = re.compile(r"language-[\w+#.-]+")
_DESCRIPTOR: Final = re.compile(r"\d+(?:\.\d+)?[wxh]")
_ALIGNED_CELL: Final = re.compile(r'<(t[dh]) style="text-align: (left|center|right)">')
_CODE: Final = re.compile(r"<(code|kbd|pre|samp)\b[^<>]*>.*?</\1>", re.DOTALL)
_IPV6: Final = re.compile(r'(="https?://(?:[^"/@]*@)?)%5B([0-9A-Fa-f:.]+)%5D')
"""An IPv6 host as pyromark writes it, with encoded brackets, which the sanitiser doesn't take for a host."""
_PRE_LINES: Final = re.compile(r"(<pre[^>]*>)\n+")
_TAG: Final = re.compile(r'<(/?)([a-zA-Z][a-zA-Z0-9]*)(?:"[^"]*"|[^">])*>')
_POINTER: Final = re.compile(r'<sup><a href="[^"#]*+#[^"]*+">[^<]*</a></sup>|<p><a [^<>]*>[^<]*</a></p>')
_ANY_TAG: Final = re.compile(r"<[^<>]*>")
_MEDIA: Final = re.compile(r'<(/?)(audio|img|source|track|video)((?: [^\s"=<>]+="[^"]*")*)>')
_COUNTER: Final = re.compile(
    r'src="https?://(?:pixel\.wp\.com/|stats\.wordpress\.com/|(?:www\.)?facebook\.com/tr[/?]|pixel\.quantserve\.com/'
    r"|(?:www|ssl)\.google-analytics\.com/|s?b\.scorecardresearch\.com/|feeds\.feedburner\.com/~r/)"
)
"""Tracking pixels, by the hosts that every list of trackers names."""

_BLANK_LINES: Final = re.compile(r"\n[ \t]*\n\s*")
_PASSES = 8
_SHORT = 4_000
_MOST_MARKS = 200_000
_MARKS: Final = re.compile(r"&(?:#?\w{1,32};)?|[<>]")
_MOST_URLS = 10_000
_MOST_CANDIDATES = 50
_LONGEST_VALUE = 100_000


def to_html(text: str, markup: Markup, base: str) -> str:
    """Safe HTML for a body: what a feed carries and a page shows.

    `text` is source in `markup`; raw HTML within Markdown is allowed, and sanitised like any other. `base` is
    the absolute URL of the story: every URL is resolved against it, and one that is not http, https, mailto
    or tel is dropped. User names and passwords are removed from URLs in attributes, and from URLs in the
    text, except in code. The result holds only characters that XML allows, and sanitising it again changes
    nothing: a reader's own parser sees the tree that was checked here.
    """
    return _without_shown_credentials(_converted(without_illegal(text), markup, base))


def _converted(source: str, markup: Markup, base: str) -> str:
    if markup == "text":
        return _paragraphs(source)
    if markup == "html":
        return _sanitised(source, base)
    is_tame = not any(mark in source for mark in _WILD)
    source = _ALIGNED_CELL.sub(r'<\1 align="\2">', pyromark.html(source, options=_MARKDOWN))
    source = _IPV6.sub(r"\1[\2]", source) if "//%5B" in source or "@%5B" in source else source
    return _tamed(source, base) if is_tame else _sanitised(source, base)


def loses_credentials(text: str, markup: Markup, base: str) -> bool:
    """Whether `to_html` removes a user name or a password from a URL in this body."""
    if "@" not in text and "&" not in text:  # a character reference may stand for @
        return False
    cleaners = _cleaners()
    cleaners.took_credentials = False
    clean = _converted(without_illegal(text), markup, base)
    return cleaners.took_credentials or _without_shown_credentials(clean) != clean


def loses_markup(text: str, markup: Markup, base: str) -> bool:
    """Whether `to_html` reduces this body to plain paragraphs or drops URLs, because it holds too many."""
    if len(text) < _SHORT:
        return False
    cleaners = _cleaners()
    cleaners.left_out = False
    _converted(without_illegal(text), markup, base)
    return cleaners.left_out


def _without_shown_credentials(clean: str) -> str:
    if not constraints.shows_credentials(clean):
        return clean
    shown, position = [], 0
    for code in _CODE.finditer(clean):  # left as it is: it shows what readers are to type
        shown += [constraints.without_shown_credentials(clean[position : code.start()]), code[0]]
        position = code.end()
    return "".join([*shown, constraints.without_shown_credentials(clean[position:])])


def to_text(html_text: str) -> str:
    """The plain text of safe HTML (what `to_html` returns), white space collapsed: for summaries.

    Footnote marks, and paragraphs that are only a link, are left out: a summary has nothing for them to point
    at.
    """
    return " ".join(html.unescape(_TAG.sub(_gap, _POINTER.sub("", html_text))).split())


def has_words(html_text: str) -> bool:
    """Whether `to_text` would return any text."""
    return _WORDS_FIRST.search(html_text) is not None or bool(to_text(html_text))


_WORDS_FIRST: Final = re.compile(r"<p>[^<&\s]")
"""A paragraph that begins with a word; nearly every body has one."""


def _gap(tag: re.Match[str]) -> str:
    return "" if tag[2] in _INLINE else " "


def _paragraphs(text: str) -> str:
    blocks = (block.strip() for block in _BLANK_LINES.split(text))
    return "\n".join(f"<p>{html.escape(block, quote=False)}</p>" for block in blocks if block)


_WILD: Final = ("<", "[^", "data:", "&")
"""Markdown without any of these becomes plain, well-nested HTML: they begin tags, footnotes, references."""


def _tamed(source: str, base: str) -> str:
    """The same as `_sanitised`, for Markdown without raw HTML: it holds no embeds, and one pass is enough."""
    return _bare(source) if is_bomb(source) else _cleaned(_cleaners().final.at(base), source)


def _sanitised(source: str, base: str) -> str:
    if is_bomb(source):
        return _bare(source)
    if embeds.is_wanted(source.lower()):
        reading = _cleaners().reading.at(base)
        source = embeds.replaced(source, reading.clean, reading.judged)
    cleaner = _cleaners().final.at(base)
    clean = _cleaned(cleaner, source)
    # HTML's error recovery can give a tree that parses differently once written out (a link in a table in a
    # link). Sanitising until nothing changes leaves nothing that another parser could read differently.
    for _ in range(_PASSES):
        again = _cleaned(cleaner, clean)
        if again == clean:
            return clean
        clean = again
    return _bare(clean)


def _bare(source: str) -> str:
    """The words, as plain paragraphs, of a body that is not HTML anybody could have meant."""
    _cleaners().left_out = True
    words = _ANY_TAG.sub(" ", source)
    words = html.unescape(words) if words.count("&") <= _MOST_MARKS else words
    if sum(words.count(mark) for mark in "&<>") > _MOST_MARKS:
        words = _MARKS.sub(" ", words)
    return _paragraphs(without_illegal(words))


class _Cleaner:
    """The sanitiser, for given elements and attributes; counts URLs. Not thread-safe, and slow to make."""

    def __init__(self, tags: frozenset[str], attributes: dict[str, set[str]]) -> None:
        self._base = ""
        self._left = 0
        self._cleaner = nh3.Cleaner(
            tags=tags,
            clean_content_tags=_GONE_WITH_CONTENT - tags,
            attributes=attributes,
            attribute_filter=lambda _element, name, value: self.judged(name, value),
            link_rel=None,
            url_schemes=_LINKS,
        )

    def at(self, base: str) -> "_Cleaner":
        """The same sanitiser, which from now on resolves URLs against `base`, a story's absolute URL."""
        self._base = base
        return self

    def clean(self, source: str) -> str:
        self._left = _MOST_URLS
        return self._cleaner.clean(source)

    def judged(self, name: str, value: str) -> str | None:
        """The new value of an attribute; None to drop it, as all URLs after the first `_MOST_URLS` are."""
        rule = _RULES.get(name)
        if rule is None:
            return value
        self._left -= 1 + (value.count(",") if rule is _srcset else 0)
        if self._left < 0 or len(value) > _LONGEST_VALUE:
            _cleaners().left_out = True
            return None
        return rule(self._base, value)


class _Cleaners(threading.local):
    """A thread's own sanitisers: `final` keeps what may stay, `reading` also embeds and placeholders."""

    def __init__(self) -> None:
        self.final = _Cleaner(_KEPT, _ATTRIBUTES)
        self.reading = _Cleaner(_KEPT | embeds.ELEMENTS, _READ_ONCE)
        self.took_credentials = False  # whether credentials were removed from a URL since a caller reset this
        self.left_out = False  # whether, since its reset, tags or URLs were dropped as too many or too long


@cache
def _cleaners() -> _Cleaners:
    return _Cleaners()


def _cleaned(cleaner: _Cleaner, source: str) -> str:
    # The sanitiser turns references such as &#x0B; into characters that XML cannot hold. And it drops the
    # first line break in <pre>, as parsers do: each further pass would drop one more.
    return _PRE_LINES.sub(r"\1", _without_empty_media(without_illegal(cleaner.clean(source))))


def _without_empty_media(clean: str) -> str:
    """Sanitised HTML without pictures and players that have nothing to show, and without tracking pixels."""
    kept: list[bool] = []
    places = {part: _Places(clean, part) for part in ("<source ", "</audio>", "</video>")}

    def judged(tag: re.Match[str]) -> str:
        closing, name, attributes = tag.groups()
        if closing:
            return tag[0] if not kept or kept.pop() else ""
        stays = ' src="' in attributes or ' srcset="' in attributes
        if name in ("audio", "video"):
            # Only its tags are dropped, not its content: an unclosed player contains the rest of the story.
            end = places[f"</{name}>"].after(tag.end())
            stays = stays or places["<source "].after(tag.end()) < end
            kept.append(stays)
        elif name == "img":
            stays = (
                stays
                and not embeds.is_tiny(dict(embeds.ATTRIBUTE.findall(attributes)))
                and not _COUNTER.search(attributes)
            )
        return tag[0] if stays else ""

    return _MEDIA.sub(judged, clean)


class _Places:
    """The positions of `part` in a text, asked for in ascending order, so that the text is searched once."""

    def __init__(self, whole: str, part: str) -> None:
        self._whole = whole
        self._part = part
        self._place = -1

    def after(self, position: int) -> int:
        """The first one from `position` on; else the text's end. `position` must not shrink between calls."""
        if self._place < position:
            found = self._whole.find(self._part, position)
            self._place = found if found >= 0 else len(self._whole)
        return self._place


def _link(base: str, value: str) -> str | None:
    return _url(base, value, _LINKS)


def _resource(base: str, value: str) -> str | None:
    return _url(base, value, _WEB)


def _url(base: str, value: str, schemes: frozenset[str]) -> str | None:
    written = _URL_NOISE.sub("", value).strip()
    if not written:
        return None
    if _PLAIN_URL.fullmatch(written):
        return written
    if constraints.has_credentials(written):
        _cleaners().took_credentials = True
    try:
        url = absolute(base, written)
        scheme = urlsplit(url).scheme
    except ValueError:
        return None
    if scheme not in schemes or (scheme in _WEB and not constraints.WEB_ADDRESS.matches(url)):
        return None
    return url


def _srcset(base: str, value: str) -> str | None:
    """The candidates whose URL may stay, parsed as https://html.spec.whatwg.org/#parse-a-srcset-attribute"""
    kept = []
    position = 0
    for _ in range(_MOST_CANDIDATES):
        found = _CANDIDATE.match(value, position)
        if found is None:
            break
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
    "data": _resource,
    **{name: _srcset if place == "srcset" else _resource for name, place in embeds.LAZY.items()},
}
