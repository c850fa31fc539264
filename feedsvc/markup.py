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
_EMBEDS: Final = _names("embed iframe noscript object param")
_LAZY: Final = {
    **dict.fromkeys(("data-original", "data-lazy-src", "data-src"), "src"),
    **dict.fromkeys(("data-original-set", "data-lazy-srcset", "data-srcset"), "srcset"),
}
"""Where scripts find the picture to load, least trusted first, and the attribute they put it in."""

_READ_ONCE: Final[dict[str, set[str]]] = {
    **_ATTRIBUTES,
    **{name: _ATTRIBUTES[name] | set(_LAZY) for name in ("audio", "source", "video")},
    "img": _ATTRIBUTES["img"] | set(_LAZY) | {"style"},
    "iframe": {"height", "src", "style", "width"} | set(_LAZY),
    "embed": {"height", "src", "width"},
    "object": {"data", "height", "width"},
    "param": {"name", "value"},
}
"""What tells the page behind an embed, or the picture behind a placeholder; none of it stays."""

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
_POINTER: Final = re.compile(r'<sup><a href="[^"]*#[^"]*">[^<]*</a></sup>|<p><a [^<>]*>[^<]*</a></p>')
_OPENING: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*/>)?")
_ANY_TAG: Final = re.compile(r"<[^<>]*>")
_WRITTEN_TAG: Final = re.compile(r'<(/?)([a-z][a-z0-9]*)((?: [^\s"=<>]+="[^"]*")*)>')
"""A tag as the sanitiser writes it: always in this one form, so that an expression can tell it from text."""

_ATTRIBUTE: Final = re.compile(r' ([^\s"=<>]+)="([^"]*)"')
_MEDIA: Final = re.compile(r'<(/?)(audio|img|source|track|video)((?: [^\s"=<>]+="[^"]*")*)>')
_AT_MOST_ONE: Final = re.compile(r"0*[01](?:\.0*)?(?:px)?")
_COUNTER: Final = re.compile(
    r'src="https?://(?:pixel\.wp\.com/|stats\.wordpress\.com/|(?:www\.)?facebook\.com/tr[/?]|pixel\.quantserve\.com/'
    r"|(?:www|ssl)\.google-analytics\.com/|s?b\.scorecardresearch\.com/|feeds\.feedburner\.com/~r/)"
)
"""Pictures whose only use is to be counted, by the places that every list of trackers names."""

_REPLACEABLE: Final = (
    *("<iframe", "<embed", "<object", "<noscript", "data:image", "data-src", "data-lazy", "data-original"),
    *("display:none", "display: none", "visibility:hidden", "visibility: hidden"),
)
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

    Footnote marks and paragraphs that are one link are left out: a summary has nothing they could point at.
    """
    return " ".join(html.unescape(_TAG.sub(_gap, _POINTER.sub("", html_text))).split())


def _gap(tag: re.Match[str]) -> str:
    return "" if tag[2] in _INLINE else " "


def _paragraphs(text: str) -> str:
    blocks = (block.strip() for block in _BLANK_LINES.split(text))
    return "\n".join(f"<p>{html.escape(block, quote=False)}</p>" for block in blocks if block)


def _sanitised(source: str, base: str) -> str:
    # The sanitiser's tree takes time quadratic in depth: 100,000 open tags hold the process for 20 seconds.
    if source.count("<") > _MANY_TAGS and _depth(source) > _DEEPEST:
        return _paragraphs(html.unescape(_ANY_TAG.sub(" ", source)))
    lowered = source.lower()
    if any(mark in lowered for mark in _REPLACEABLE):
        source = _replaced(source, base)
    cleaner = _cleaner(base, _KEPT, _ATTRIBUTES)
    clean = _cleaned(cleaner, source)
    # HTML's error recovery can give a tree that parses differently once written out (a link in a table in a
    # link); sanitising until nothing moves leaves no such text for anybody else's parser to reinterpret.
    for _ in range(_PASSES):
        again = _cleaned(cleaner, clean)
        if again == clean:
            return clean
        clean = again
    return _paragraphs(html.unescape(_ANY_TAG.sub(" ", clean)))


def _cleaner(base: str, tags: frozenset[str], attributes: dict[str, set[str]]) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=tags,
        clean_content_tags=_GONE_WITH_CONTENT - tags,
        attributes=attributes,
        attribute_filter=partial(_attribute, base),
        link_rel=None,
        url_schemes=_LINKS,
    )


def _cleaned(cleaner: nh3.Cleaner, source: str) -> str:
    # References such as &#x0B; have become characters that XML cannot hold. And a parser drops the first line
    # break in <pre>: each further pass would drop one more.
    return _PRE_LINES.sub(r"\1", _without_empty_media(_XML_ILLEGAL.sub("", cleaner.clean(source))))


def _without_empty_media(clean: str) -> str:
    """What the sanitiser wrote, without pictures and players that have nothing to show, or only to count."""
    kept: list[bool] = []

    def judged(tag: re.Match[str]) -> str:
        closing, name, attributes = tag.groups()
        if closing:
            return tag[0] if not kept or kept.pop() else ""
        stays = ' src="' in attributes or ' srcset="' in attributes
        if name in ("audio", "video"):
            # What it holds besides its sources stays: an unclosed player holds the rest of the story.
            stays = stays or "<source " in clean[tag.end() : clean.find(f"</{name}>", tag.end())]
            kept.append(stays)
        elif name == "img":
            stays = (
                stays
                and not _is_tiny(dict(_ATTRIBUTE.findall(attributes)))
                and not _COUNTER.search(attributes)
            )
        return tag[0] if stays else ""

    return _MEDIA.sub(judged, clean)


def _is_tiny(attributes: dict[str, str]) -> bool:
    return all(_AT_MOST_ONE.fullmatch(attributes.get(side, "").strip()) for side in ("width", "height"))


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
    "data": _resource,
    **{name: _srcset if place == "srcset" else _resource for name, place in _LAZY.items()},
}

_PHRASING: Final = (_INLINE - {"img", "wbr"}) | _names("h1 h2 h3 h4 h5 h6 p pre summary")
"""Elements in which a paragraph may not stand: https://html.spec.whatwg.org/#phrasing-content-2"""

_SELF_CLOSED: Final = re.compile(r"(<iframe\b[^<>]*)/>(?!\s*</iframe)", re.IGNORECASE)
_HIDDEN: Final = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_PLACEHOLDER: Final = re.compile(
    r"(?:^|[/_.-])(?:1x1|blank|clear|lazy(?:load)?|loading|pixel|placeholder|spacer|transparent)"
    r"\.(?:gif|jpe?g|png|svg|webp)(?:[?#\s]|$)",
    re.IGNORECASE,
)
_PLAYER: Final = re.compile(
    r"https?://(?:www\.)?youtube(?:-nocookie)?\.com/(?:embed|v)/(?!live_|videos)([\w-]+).*"
)
"""Opened by itself it fills the window; people know the page that shows the same video."""


def _replaced(source: str, base: str) -> str:
    """A body with links for embeds and pictures for their placeholders; to be sanitised after that.

    The sanitiser reads it first, as browsers would, and writes every tag in one form: a walk over tags is
    enough, and no second parser with views of its own on broken HTML is needed.
    """
    cleaner = _cleaner(base, _KEPT | _EMBEDS, _READ_ONCE)
    walk = _Replacement(base, cleaner)
    # To a parser <iframe src="…" /> is open, and hides the rest of the story.
    walk.read(cleaner.clean(_SELF_CLOSED.sub(r"\1></iframe>", source)))
    return walk.written()


def _loaded(attributes: dict[str, str]) -> tuple[dict[str, str], bool]:
    """Attributes as they are when a script has put the picture in place; whether one would have."""
    made = {name: value for name, value in attributes.items() if name not in _LAZY}
    found = {place: attributes[name] for name, place in _LAZY.items() if name in attributes}
    if found and _is_placeholder(made.get("srcset", "")):
        made.pop("srcset", None)
    return made | found, bool(found)


def _is_placeholder(url: str) -> bool:
    return not url or bool(_PLACEHOLDER.search(url))


def _first_candidate(attributes: dict[str, str]) -> str:
    return attributes.get("srcset", "").split(" ")[0].rstrip(",")


def _opening(name: str, attributes: dict[str, str]) -> str:
    return f"<{name}" + "".join(f' {key}="{value}"' for key, value in attributes.items()) + ">"


class _Replacement:
    """One walk over a body; holds the pieces of what it becomes."""

    def __init__(self, base: str, cleaner: nh3.Cleaner) -> None:
        self._base = base
        self._cleaner = cleaner
        self._pieces: list[str] = []
        self._pictures: dict[int, bool] = {}  # those that wait for a script; False if nobody says for what
        self._fallbacks: dict[int, dict[str, str]] = {}
        self._shown: set[str] = set()
        self._phrasing = self._links = self._objects = 0
        self._object = ("", "")
        self._spare = ""
        self._after_link = False

    def read(self, clean: str) -> None:
        """Walk over a body that the sanitiser wrote with `_READ_ONCE`."""
        position = 0
        while found := _WRITTEN_TAG.search(clean, position):
            self._text(clean[position : found.start()])
            position = found.end()
            closing, name, written = found.groups()
            if name in ("iframe", "noscript"):
                # No parser looks into these two: what they hold comes out as it went in.
                end = clean.index(f"</{name}>", position)
                if name == "iframe":
                    self._embed("iframe", _loaded(dict(_ATTRIBUTE.findall(written)))[0])
                else:
                    self._fallback(clean[position:end])
                position = end + len(name) + 3
            elif name in ("embed", "object", "param"):
                self._embed(closing + name, dict(_ATTRIBUTE.findall(written)))
            elif not self._objects:
                self._tag(found)
        self._text(clean[position:])

    def written(self) -> str:
        """What the body became, each picture once."""
        for index, pictures in self._fallbacks.items():
            beside = next((near for near in (index - 1, index + 1) if near in self._pictures), index)
            if pictures.keys() <= self._shown or self._pictures.get(beside):
                continue
            self._pieces[beside] = ""
            self._pieces[index] = "".join(pictures.values())
        return "".join(self._pieces)

    def _text(self, text: str) -> None:
        if self._objects:
            return
        if text.isspace() and self._pieces:
            self._pieces[-1] += text  # so that what stands side by side does so in the list, too
        elif text:
            self._pieces.append(f" {text}" if self._after_link and text[0].isalnum() else text)
            self._after_link = False

    def _tag(self, tag: re.Match[str]) -> None:
        self._after_link = False
        closing, name, written = tag.groups()
        step = -1 if closing else 1
        self._phrasing += step * (name in _PHRASING)
        self._links += step * (name == "a")
        if name == "picture":
            self._spare = ""
        if closing or name not in ("audio", "img", "source", "video"):
            self._pieces.append(tag[0])
            return
        attributes, waits = _loaded(dict(_ATTRIBUTE.findall(written)))
        if name == "img":
            self._image(attributes, waits)
        else:
            self._spare = _first_candidate(attributes) or self._spare
            self._pieces.append(_opening(name, attributes))

    def _image(self, attributes: dict[str, str], waits: bool) -> None:
        if not waits and _HIDDEN.search(attributes.get("style", "")):
            return
        spare = (_first_candidate(attributes) if waits else "") or self._spare
        if spare and _is_placeholder(attributes.get("src", "")):
            attributes["src"] = spare
        is_known = not _is_placeholder(attributes.get("src", ""))
        if waits or not is_known:
            self._pictures[len(self._pieces)] = is_known
        self._shown.add(attributes.get("src", ""))
        self._pieces.append(_opening("img", attributes))

    def _fallback(self, inner: str) -> None:
        pictures = {}
        for tag in _WRITTEN_TAG.finditer("" if self._objects else self._cleaner.clean(inner)):
            attributes, _ = _loaded(dict(_ATTRIBUTE.findall(tag[3])))
            if tag[2] == "img" and "src" in attributes and not _HIDDEN.search(attributes.get("style", "")):
                pictures[attributes["src"]] = _opening("img", attributes)
        if pictures:
            self._fallbacks[len(self._pieces)] = pictures
            self._pieces.append("")

    def _embed(self, name: str, attributes: dict[str, str]) -> None:
        """An embed, or a part of one: the first URL in an object is what it shows."""
        if name == "/object":
            self._objects -= 1
            if not self._objects:
                self._link(*self._object)
            return
        title = attributes.get("title", "")
        url = html.unescape(attributes.get("data" if name == "object" else "src", ""))
        if name == "param" and attributes.get("name", "").lower() in ("movie", "src", "url"):
            url = _resource(self._base, html.unescape(attributes.get("value", ""))) or ""
        if _is_tiny(attributes) or _HIDDEN.search(attributes.get("style", "")):
            url = ""
        if self._objects:
            self._object = (self._object[0] or url, self._object[1] or title)
        elif name == "object":
            self._object = (url, title)
        else:
            self._link(url, title)
        self._objects += name == "object"

    def _link(self, url: str, title: str) -> None:
        url = _PLAYER.sub(r"https://www.youtube.com/watch?v=\1", url)
        words = " ".join(html.unescape(title).split()) or (urlsplit(url).hostname or "").removeprefix("www.")
        made = html.escape(words, quote=False)
        if url and not self._links:
            made = f'<a href="{html.escape(url)}">{made}</a>'
        if url and not self._phrasing:
            self._pieces.append(f"<p>{made}</p>")
        elif url:
            touches = self._after_link or "".join(self._pieces[-1:])[-1:] not in ("", ">", "(", " ", "\n")
            self._pieces.append(f" {made}" if touches else made)
            self._after_link = True
