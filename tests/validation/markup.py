"""HTML inside feeds: whether it is whole, and safe for every reader.

Pure: knows no feed. It judges the text as it stands, which a forgiving parser would not.
"""

import re
from collections.abc import Callable, Iterator
from html import unescape
from html.entities import html5
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urlsplit

from tests.validation.rules import Document, Rulebook, words

_SAFE_ELEMENTS: Final = words(
    "a abbr address area article aside audio b bdi big blockquote br caption center cite code col colgroup "
    "data dd del details dfn dir div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hgroup "
    "hr i img ins kbd li main map mark menu nav ol p picture pre q rp rt ruby s samp section small source "
    "span strike strong sub summary sup table tbody td tfoot th thead time tr track tt u ul var video "
    "wbr"
)
_UNSAFE_ELEMENTS: Final = words(
    "applet base basefont bdo body button canvas dialog embed fieldset form frame frameset head html iframe "
    "input label legend link listing meta meter noembed noframes noscript object optgroup option output "
    "param plaintext progress script select slot style template textarea title xmp"
)
KNOWN_ELEMENTS: Final = _SAFE_ELEMENTS | _UNSAFE_ELEMENTS
"""What HTML has or had; a tag of any other name is no HTML."""

_SAFE_ATTRIBUTES: Final = words(
    "abbr align alt bgcolor border cellpadding cellspacing char charoff cite class clear color cols colspan "
    "compact coords crossorigin datetime decoding default dir download face headers height hidden href "
    "hreflang hspace id ismap kind label lang loading loop media muted name nowrap open playsinline poster "
    "preload referrerpolicy rel rev reversed rows rowspan rules scope shape size sizes span src srclang "
    "srcset start summary target title translate type usemap valign value vspace width"
)
_VOID: Final = words("area base br col embed hr img input link meta param source track wbr")
_ENDS_PARAGRAPH: Final = words(
    "address article aside blockquote center dd details dir div dl dt figcaption figure footer h1 h2 h3 h4 "
    "h5 h6 header hgroup hr li main menu nav ol p pre section summary table ul"
)
_KEEPS_PARAGRAPH: Final = words("caption td th")
_URLS: Final = frozenset({"href", "src", "poster", "cite"})
_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})
_AMPERSAND: Final = re.compile(r"&(#[xX][0-9a-fA-F]+;|#\d+;|[A-Za-z][A-Za-z0-9]*;|(?=[A-Za-z#]))")
_CANDIDATE: Final = re.compile(r"\s*(\S*[^\s,])(?:\s+\d+(?:\.\d+)?[wxh])*\s*(?:,|$)")

Fault = tuple[str, str]


class _Judge(HTMLParser):
    """Collects the faults of a fragment: which rule, and what was seen."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.faults: list[Fault] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in KNOWN_ELEMENTS:
            self._fault("html-element-known", tag)
        elif tag not in _SAFE_ELEMENTS:
            self._fault("html-element-safe", tag)
        if (tag in _ENDS_PARAGRAPH and self._in_paragraph()) or (tag == "a" and "a" in self._open):
            self._fault("html-nesting", f"<{tag}> in <{self._open[-1]}>")
        names = [name for name, _ in attrs]
        for name in {name for name in names if names.count(name) > 1}:
            self._fault("html-nesting", f"{name} twice")
        for name, value in attrs:
            self._attribute(name, value or "")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self._fault("html-nesting", f"</{tag}> in {self._open[-1:]}")
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "<" in data:
            self._fault("html-escaping", data)

    def handle_decl(self, decl: str) -> None:
        self._fault("html-escaping", decl)

    def unknown_decl(self, data: str) -> None:
        self._fault("html-escaping", data)

    def handle_pi(self, data: str) -> None:
        self._fault("html-escaping", data)

    def end(self) -> None:
        """Say what was never closed."""
        if self.rawdata:
            self._fault("html-escaping", self.rawdata)
        if self._open:
            self._fault("html-nesting", f"never closed: {self._open}")

    def _in_paragraph(self) -> bool:
        for name in reversed(self._open):
            if name in _KEEPS_PARAGRAPH:
                return False
            if name == "p":
                return True
        return False

    def _attribute(self, name: str, value: str) -> None:
        if name not in _SAFE_ATTRIBUTES and not name.startswith("data-"):
            self._fault("html-attribute-safe", name)
        urls = [value] if name in _URLS else _CANDIDATE.findall(value) if name == "srcset" else []
        for url in urls:
            parts = urlsplit(unescape(url))
            if not parts.scheme or (parts.scheme in {"http", "https"} and not parts.netloc):
                self._fault("html-url-absolute", url)
            elif parts.scheme not in _SCHEMES:
                self._fault("html-url-safe", url)

    def _fault(self, rule: str, seen: str) -> None:
        self.faults.append((rule, seen[:80]))


def faults(fragment: str) -> list[Fault]:
    """What is wrong with an HTML fragment: the rule it breaks, and what was seen."""
    judge = _Judge()
    judge.feed(fragment)
    judge.end()
    unknown = [
        found[0]
        for found in _AMPERSAND.finditer(fragment)
        if not found[1] or (found[1][0] != "#" and found[1] not in html5)
    ]
    return judge.faults + [("html-escaping", one) for one in unknown]


HTML_RULES: Final = (
    "html-nesting",
    "html-escaping",
    "html-element-known",
    "html-element-safe",
    "html-attribute-safe",
    "html-url-absolute",
    "html-url-safe",
)


def add_rules(book: Rulebook, fragments: Callable[[Document], Iterator[str]]) -> None:
    """Hold the HTML that a format carries to the rules of this module."""

    def check(name: str) -> Callable[[Document], Iterator[str]]:
        return lambda document: (
            seen for fragment in fragments(document) for rule, seen in faults(fragment) if rule == name
        )

    for name in HTML_RULES:
        book.rule(name)(check(name))
