"""Embeds → links to what they show, and placeholders → the pictures that a script would load.

Pure: walks over what a sanitiser wrote; must not know which elements, attributes and URLs may stay.
"""

import html
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from feedsvc.html import tokens

ELEMENTS: Final = frozenset(("embed", "iframe", "noscript", "object", "param"))
LAZY: Final = {
    **dict.fromkeys(("data-original", "data-lazy-src", "data-src"), "src"),
    **dict.fromkeys(("data-original-set", "data-lazy-srcset", "data-srcset"), "srcset"),
}
"""Attributes in which scripts find the picture to load, least trusted first → the one they copy it to."""

ATTRIBUTES: Final[dict[str, set[str]]] = {
    **{name: set(LAZY) for name in ("audio", "source", "video")},
    "img": set(LAZY) | {"style"},
    "iframe": {"height", "src", "style", "width"} | set(LAZY),
    "embed": {"height", "src", "width"},
    "object": {"data", "height", "width"},
    "param": {"name", "value"},
}
"""The attributes that tell the page behind an embed, or a placeholder's picture; none of them stays."""

_OF_PICTURES: Final = ATTRIBUTES["img"] | {
    *("alt", "dir", "height", "id", "lang", "sizes", "src", "srcset", "title", "width")
}
_WRITTEN_TAG: Final = re.compile(r'<(/?)([a-z][a-z0-9]*)((?: [^\s"=<>]+="[^"]*")*)>')
"""A tag as the sanitiser writes it: always in this form, so that an expression can tell it from text."""

ATTRIBUTE: Final = re.compile(r' ([^\s"=<>]+)="([^"]*)"')

_AT_MOST_ONE: Final = re.compile(r"0*[01](?:\.0*)?(?:px)?")
_REPLACEABLE: Final = (
    *("<iframe", "<embed", "<object", "<noscript", "data:image", "data-src", "data-lazy", "data-original"),
    *("display:none", "display: none", "visibility:hidden", "visibility: hidden"),
)
_PHRASING: Final = frozenset(
    (*("a", "abbr", "b", "bdi", "cite", "code", "data", "del", "dfn", "em", "i", "ins", "kbd", "mark", "q"),
     *("rp", "rt", "ruby", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u", "var"),
     *("h1", "h2", "h3", "h4", "h5", "h6", "p", "pre", "summary"))
)  # fmt: skip
"""Elements that may not contain a paragraph: https://html.spec.whatwg.org/#phrasing-content-2"""

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
"""A YouTube player fills the window when opened by itself; readers know the page with the same video."""


def is_tiny(attributes: dict[str, str]) -> bool:
    """Whether a picture or an embed has one pixel at most: it is there for tracking."""
    return all(_AT_MOST_ONE.fullmatch(attributes.get(side, "").strip()) for side in ("width", "height"))


def is_wanted(lowered: str) -> bool:
    """Whether a body, in lower case, may hold something that `replaced` would replace."""
    return any(mark in lowered for mark in _REPLACEABLE)


Judged = Callable[[str, str], str | None]
"""An attribute's name and value → the value it may have; None if it may not stay."""


def replaced(source: str, sanitise: Callable[[str], str], judged: Judged) -> str:
    """A body with links instead of embeds and pictures instead of placeholders; it must be sanitised again.

    `sanitise` keeps `ELEMENTS` and `ATTRIBUTES` besides what may stay, and writes every tag in one form. It
    parses the body as browsers do, so that walking over its tags is enough: a second parser might read broken
    HTML in another way. `judged` makes URLs absolute.
    """
    walk = _Replacement(judged)
    # A parser takes <iframe src="…" /> for unclosed, and would read the rest of the story as its content.
    walk.read(sanitise(_SELF_CLOSED.sub(r"\1></iframe>", source)))
    return walk.written()


def _loaded(attributes: dict[str, str]) -> tuple[dict[str, str], bool]:
    """The attributes as they are once a script has loaded the picture, and whether one would load it."""
    made = {name: value for name, value in attributes.items() if name not in LAZY}
    found = {place: attributes[name] for name, place in LAZY.items() if name in attributes}
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
    """One walk over a body; collects the pieces of the result."""

    def __init__(self, judged: Judged) -> None:
        self._judged = judged
        self._pieces: list[str] = []
        self._pictures: dict[int, bool] = {}  # placeholders; False if the picture is not known
        self._fallbacks: dict[int, dict[str, str]] = {}
        self._shown: set[str] = set()
        self._phrasing = self._links = self._objects = 0
        self._object = ("", "")
        self._spare = ""
        self._after_link = False

    def read(self, clean: str) -> None:
        """Walk over a body that the sanitiser wrote to keep `ELEMENTS` and `ATTRIBUTES`."""
        position = 0
        while found := _WRITTEN_TAG.search(clean, position):
            self._text(clean[position : found.start()])
            position = found.end()
            closing, name, written = found.groups()
            if name in ("iframe", "noscript"):
                # Parsers take the content of these two for text, so the sanitiser left it as it was.
                end = clean.index(f"</{name}>", position)
                if name == "iframe":
                    self._embed("iframe", _loaded(dict(ATTRIBUTE.findall(written)))[0])
                else:
                    self._fallback(clean[position:end])
                position = end + len(name) + 3
            elif name in ("embed", "object", "param"):
                self._embed(closing + name, dict(ATTRIBUTE.findall(written)))
            elif not self._objects:
                self._tag(found)
        self._text(clean[position:])

    def written(self) -> str:
        """The body after the walk, with each picture once."""
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
            self._pieces[-1] += text  # so that neighbours in the body are neighbours in the list
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
        attributes, waits = _loaded(dict(ATTRIBUTE.findall(written)))
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
        # Not with the sanitiser, which takes as long for each of a thousand of these as for a whole body.
        for tag in tokens.tags("" if self._objects else inner):
            if tag.name != "img" or tag.closing or not tag.whole:
                continue
            attributes, _ = _loaded(self._written(tokens.attributes(tag)))
            if "src" in attributes and not _HIDDEN.search(attributes.get("style", "")):
                pictures[attributes["src"]] = _opening("img", attributes)
        if pictures:
            self._fallbacks[len(self._pieces)] = pictures
            self._pieces.append("")

    def _written(self, attributes: dict[str, str]) -> dict[str, str]:
        """The attributes of a picture, or of its placeholder, as the sanitiser would write them."""
        judged = {
            name: self._judged(name, value) for name, value in attributes.items() if name in _OF_PICTURES
        }
        return {
            name: value.replace("&", "&amp;").replace('"', "&quot;")
            for name, value in judged.items()
            if value is not None
        }

    def _embed(self, name: str, attributes: dict[str, str]) -> None:
        """An embed, or a part of one. An object shows the first URL in it."""
        if name == "/object":
            self._objects -= 1
            if not self._objects:
                self._link(*self._object)
            return
        title = attributes.get("title", "")
        url = html.unescape(attributes.get("data" if name == "object" else "src", ""))
        if name == "param" and attributes.get("name", "").lower() in ("movie", "src", "url"):
            url = self._judged("src", html.unescape(attributes.get("value", ""))) or ""
        if is_tiny(attributes) or _HIDDEN.search(attributes.get("style", "")):
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
