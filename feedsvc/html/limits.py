"""Detect bodies that the sanitiser would need seconds for, and that nobody could have meant.

Pure: counts tags and how deep they nest, by https://html.spec.whatwg.org/#tree-construction; where that is
hard to tell, it overestimates the depth. What may stay is in `sanitize`.
"""

import re
from collections import Counter
from typing import Final

from feedsvc.html import tokens
from feedsvc.html.tokens import CDATA, Tag, closes_itself, tags

_MOST_TAGS: Final = 100_000
_MOST_REFERENCES: Final = 50_000
_MOST_GREATER: Final = 200_000
"""Most `>` besides those that end tags."""
_FEW_TAGS: Final = 2_000
_DEEPEST: Final = 500
_MOST_STEPS: Final = 4_000_000
_MOST_OPENED_AGAIN: Final = 100_000
_LONG: Final = 10_000
_READINGS: Final = 10
_TAG_BEGINS: Final = re.compile(r"</?[a-zA-Z]")
_TAG_ATTRIBUTES: Final = re.compile(
    r"[^\s/>]*+(?:[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'>][^\s>]*+)?+)?+){0,100}+"
    r"([\s/]*+[^\s/>])?"
)
"""A hundred attributes by https://html.spec.whatwg.org/#before-attribute-name-state, and one more."""


def is_bomb(source: str) -> bool:
    """Whether the sanitiser would need seconds for a body.

    Its time is quadratic in the depth of tags, in the attributes of one tag, and in the references in a text.
    """
    count = source.count("<")
    return (
        count > _MOST_TAGS
        or source.count("&") > _MOST_REFERENCES
        or source.count(">") > count + _MOST_GREATER
        or (count > _FEW_TAGS and Nesting().is_too_deep(source))
        or (len(source) > _LONG and _has_overfull_tag(source))
    )


def _has_overfull_tag(source: str) -> bool:
    # Comments and quoted values may hide a tag, or seem to hold one, so all that looks like a tag is read.
    # The matches hardly overlap, except in a body that was made to be read over and over.
    most = _READINGS * len(source)
    for begin in _TAG_BEGINS.finditer(source):
        end = _TAG_ATTRIBUTES.match(source, begin.end())
        if end and end[1] is not None:
            return True
        most -= end.end() - begin.start() if end else 0
        if most < 0:
            return True
    return False


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEVER_OPEN: Final = _names(
    "area base basefont bgsound body br col embed form frame frameset head hr html image img input keygen "
    "link meta optgroup option param source track wbr"
)
"""Elements without content, and those that nest in their own kind only with another one between them."""
_CELLS: Final = _names("caption col colgroup tbody td tfoot th thead tr")
"""Tags that close all elements that are open in the cell, row or caption before them."""
_FORMATTING: Final = _names("a b big code em font i nobr s small strike strong tt u")
"""Formatting elements: one that is not closed in its block is opened again in the next one."""
_SPECIAL: Final = _names(
    "address annotation-xml applet article aside blockquote button center dd desc details dir div dl dt "
    "fieldset figcaption figure footer foreignobject h header hgroup iframe li listing main marquee menu mi "
    "mn mo ms mtext nav noembed noframes noscript object ol plaintext pre script search section select style "
    "summary table template textarea title ul xmp"
)
_SCOPES: Final = _names(
    "annotation-xml applet desc foreignobject marquee mi mn mo ms mtext object table template title"
)
"""Scopes: an end tag within one of these closes no element outside of it."""
_LISTS: Final = _SCOPES | _names("ol ul")
_BEYOND_LISTED: Final = _SPECIAL - _names("address div")
_ENDS_PARAGRAPH: Final = _names(
    "address article aside blockquote center dd details dir div dl dt fieldset figcaption figure footer h "
    "header hgroup li listing main menu nav ol p pre search section summary ul xmp"
)
_BEYOND_PARAGRAPH: Final = _SCOPES | _names("button")
_ROOTS: Final = _names("math svg")
_HTML_AGAIN: Final = _names("annotation-xml desc foreignobject mi mn mo ms mtext title")
"""Elements of SVG and MathML that may contain HTML."""
_BREAKS_OUT: Final = _names(
    "b big blockquote body br center code dd div dl dt em embed h head hr i img li listing menu meta nobr ol "
    "p pre ruby s small span strong strike sub sup table tt u ul var"
)
"""Elements of HTML that end SVG and MathML instead of nesting in them."""
_OF_FONT: Final = _names("color face size")
_ENDS_BLOCKS: Final = _SPECIAL - _HTML_AGAIN
"""Elements whose end tag closes all others that are open within them."""
_HEADINGS: Final = _names("h1 h2 h3 h4 h5 h6")
_LISTED: Final = {"li": _names("li"), "dd": _names("dd dt"), "dt": _names("dd dt")}
_OF_RUBY: Final = _names("rb rp rt rtc")
_IMPLIED: Final = _OF_RUBY | _names("dd dt li p")
_MOST_ALIKE: Final = 3
"""The most formatting elements with equal attributes that are opened again."""
_OPENING: Final = re.compile("<[a-zA-Z]")
_SCRIPT: Final = re.compile("<script", re.IGNORECASE)
_SCRIPT_END: Final = re.compile("</script", re.IGNORECASE)


class Nesting:
    """The elements that are open, tag after tag of a body.

    `deepest` is their greatest depth so far: never less than a quarter of that in a browser's tree.
    """

    def __init__(self) -> None:
        self.deepest = 0
        self._open: list[tuple[str, str]] = []  # names and attributes
        self._counts: Counter[str] = Counter()
        self._left: dict[str, Counter[str]] = {}  # unclosed formatting, to be opened again
        self._opened_again = 0
        self._text_end = 0

    def is_too_deep(self, source: str) -> bool:
        """Whether the elements of a body nest too deep, or too many of them deep."""
        steps = end = 0
        for tag in tags(source):
            if tag.start > end:  # text
                self._open_again()
            end = tag.content_end
            self._read(source, tag)
            left = sum(sum(alike.values()) for alike in self._left.values())
            depth = len(self._open) + left
            self.deepest = max(self.deepest, depth)
            steps += depth
            if depth > _DEEPEST or steps > _MOST_STEPS or self._opened_again > _MOST_OPENED_AGAIN:
                return True
        return False

    def _read(self, source: str, tag: Tag) -> None:
        name = "h" if tag.name in _HEADINGS else tag.name
        has_foreign = bool(self._counts["svg"] or self._counts["math"])
        if name == CDATA:
            self._text_end = tag.content_end if has_foreign else self._text_end
        elif tag.closing:
            # An end tag that may be text must close nothing, or the depth would be underestimated.
            if tag.start >= self._text_end:
                self._close(name)
        elif has_foreign:
            self._read_foreign(source, tag, name)
        elif name in _CELLS:
            self._clear_to_table()
        elif name not in _NEVER_OPEN and not (name in _ROOTS and closes_itself(tag)):
            self._read_html(source, tag, name)

    def _read_foreign(self, source: str, tag: Tag, name: str) -> None:
        """A tag in SVG or MathML, or in HTML within them."""
        if name in _BREAKS_OUT or (name == "font" and not _OF_FONT.isdisjoint(tokens.attributes(tag))):
            while (root := self._foreign_root()) >= 0:
                self._pop(root)
        elif closes_itself(tag) and (name in _ROOTS or self._foreign_root() >= 0):
            return
        if self._foreign_root() >= 0:
            self._push(name, tag.attributes)
        else:
            self._read_html(source, tag, name)
        # The content of such an element is only text in HTML, but may be elements in SVG.
        for _ in _OPENING.finditer(source, tag.end, tag.content_end):
            self._push("?", "")

    def _foreign_root(self) -> int:
        """The index of the SVG or MathML element that the last open element is in; -1 if that is in HTML."""
        return self._place(("math", "svg"), _HTML_AGAIN)

    def _read_html(self, source: str, tag: Tag, name: str) -> None:
        if name in _ENDS_PARAGRAPH:
            self._close_within("p", _BEYOND_PARAGRAPH)
        if name in ("a", "nobr"):
            self._close_formatting(name)
        for listed in _LISTED.get(name, ()):
            self._close_within(listed, _BEYOND_LISTED)
        if name in _OF_RUBY and self._counts["ruby"]:
            while self._open[-1][0] in _IMPLIED:
                self._pop(len(self._open) - 1)
        if name not in _ENDS_PARAGRAPH:
            self._open_again()
        self._push(name, tag.attributes)
        if name == "script" and tag.start >= self._text_end:
            self._read_script(source, tag)

    def _open_again(self) -> None:
        """Open unclosed formatting again, as text and all elements except blocks do."""
        for name, alike in self._left.items():
            for attributes in alike.elements():
                self._push(name, attributes)
                self._opened_again += 1
        self._left.clear()

    def _read_script(self, source: str, tag: Tag) -> None:
        """`<script` in a comment within a script hides one end tag, so that the text goes on."""
        comment = source.find("<!--", tag.end, tag.content_end)
        if comment >= 0 and _SCRIPT.search(source, comment, tag.content_end):
            end = _SCRIPT_END.search(source, tag.content_end + 1)
            self._text_end = end.start() if end else len(source)

    def _push(self, name: str, attributes: str) -> None:
        self._open.append((name, attributes))
        self._counts[name] += 1

    def _pop(self, kept: int, *, forget: bool = False) -> None:
        """Close all but the first `kept` elements; unless `forget`, formatting among them is opened again."""
        for name, attributes in self._open[kept:]:
            self._counts[name] -= 1
            if name in _FORMATTING and not forget:
                alike = self._left.setdefault(name, Counter())
                alike[attributes] = min(alike[attributes] + 1, _MOST_ALIKE)
        del self._open[kept:]

    def _close(self, name: str) -> None:
        if name in _FORMATTING:
            self._close_formatting(name)
        elif name == "p":
            self._close_within(name, _BEYOND_PARAGRAPH)
        else:
            self._close_within(
                name, _LISTS if name == "li" else _SCOPES if name in _ENDS_BLOCKS else _SPECIAL
            )

    def _close_within(self, name: str, barriers: frozenset[str]) -> None:
        if self._counts[name]:
            place = self._place((name,), barriers)
            if place >= 0:
                self._pop(place)

    def _close_formatting(self, name: str) -> None:
        if not self._counts[name]:
            if alike := self._left.get(name):
                alike.subtract([next(iter(+alike), "")])
                self._left[name] = +alike
            return
        place = self._place((name,), _SPECIAL)
        if place >= 0:
            self._pop(place + 1)
        else:  # blocks within it stay open
            place = max(n for n, one in enumerate(self._open) if one[0] == name)
        del self._open[place]
        self._counts[name] -= 1

    def _clear_to_table(self) -> None:
        if self._counts["table"]:
            place = self._place(("table", "template"), frozenset())
            self._pop(place + 1, forget=True)

    def _place(self, names: tuple[str, ...], barriers: frozenset[str]) -> int:
        """The index of the last open element of these names; -1 if there is none, or a barrier after it."""
        for place in range(len(self._open) - 1, -1, -1):
            name = self._open[place][0]
            if name in names:
                return place
            if name in barriers:
                break
        return -1
