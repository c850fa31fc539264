"""The text of a story file → its front matter (keys and values), and its body.

Knows where front matter begins and ends; must not know what a key means. python-frontmatter is not used: it
does not tell the line at which the body begins, and treats an unclosed block as body.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Final

from feedsvc.domain.model import Markup, Note
from feedsvc.domain.xml_text import without_illegal
from feedsvc.loading import excess, html_head
from feedsvc.loading.decode import YAML_ILLEGAL, scrubbed, without
from feedsvc.loading.errors import LONGEST_FRONT_MATTER, FieldError, FrontMatterError, too_long
from feedsvc.loading.formats import read_json, read_toml, read_yaml
from feedsvc.loading.generators import Generator
from feedsvc.loading.header_block import header_block, refuse_second_block, unfenced_yaml
from feedsvc.loading.values import Written, normalised, place, text

_FENCE: Final = re.compile(r"\s*^(---|\+\+\+)[ \t]*(?:\n|\Z)", re.MULTILINE)
_CLOSING: Final = {
    "---": re.compile(r"\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)"),
    "+++": re.compile(r"\n\+\+\+[ \t]*(?:\n|\Z)"),
}
_MARKUPS: Final[dict[str, Markup]] = {".html": "html", ".htm": "html"}
_BODY_KEYS: Final[dict[str, Markup]] = {
    "contenthtml": "html",
    "contentmarkdown": "markdown",
    "contenttext": "text",
}
_TABS: Final = re.compile(r"^\t+", re.MULTILINE)
_LIKE_HTML: Final = re.compile(r"\s*<(?:!--|/?[a-zA-Z])")
_MOST_PLACES: Final = 1_000
_WANTED: Final = "begin the file with lines '---', 'title: …', 'date: 2026-02-11', '---'"


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The keys and values of a story file, and its body.

    `fields` holds the keys that are not empty, by their names as `values.normalised` returns them. `source`
    is the text that `fields` were parsed from; it begins at line `start` of the file, `body` at `body_line`.
    """

    fields: dict[str, Written]
    source: str
    start: int
    body: str
    body_line: int
    markup: Markup
    notes: tuple[Note, ...] = ()

    def first(self, *names: str) -> Written | None:
        """The value of the first of these keys (see `values.normalised`) that is not empty, else None."""
        for name in names:
            if name in self.fields:
                return self.fields[name]
        return None

    def all(self, *names: str) -> list[Written]:
        """The values of all of these keys (see `values.normalised`) that are not empty, in this order."""
        return [self.fields[name] for name in names if name in self.fields]

    def line_of(self, key: str) -> int:
        """The line of the file that `key`, as its author wrote it, is on; `start` if it is not found."""
        return _line_of(key, self.source, self.start)


def read(story: str, suffix: str, generator: Generator | None = None) -> FrontMatter:
    """Split a story file into its front matter and its body.

    `story` is the file's text, with `\\n` line ends and without characters that XML forbids; `suffix` is that
    of the file name, in lower case with its dot; `generator` is the one the stories are written for. Raises
    FrontMatterError, with the line of the file.
    """
    if suffix == ".json":
        return _json_article(story)
    markup = _MARKUPS.get(suffix, "markdown")
    if fence := _FENCE.match(story):
        return _fenced(story, fence, markup, generator)
    if story.lstrip().startswith("{"):
        return _json_block(story, markup)
    found = _html_head(story) if markup == "html" else _header_block(story, generator)
    if found is None:
        raise FrontMatterError(1, f"no title and no date; {_WANTED}", "front-matter-missing")
    return found


def _fenced(story: str, fence: re.Match[str], markup: Markup, generator: Generator | None) -> FrontMatter:
    mark = fence[1]
    opened = _lines(story, fence.start(1)) + 1
    closing = _CLOSING[mark].search(story, fence.end() - 1)
    if closing is None:
        told = (
            f"front matter is opened with {mark!r} and not closed; write a line {mark!r} after the last key"
        )
        raise FrontMatterError(opened, told, "front-matter-unclosed")
    source, start = story[fence.end() : closing.start() + 1], opened + 1
    if len(source) > LONGEST_FRONT_MATTER:
        raise too_long(opened)
    notes: list[Note] = []
    pairs = _yaml(source, start, notes, generator) if mark == "---" else read_toml(source, start)
    body, body_line = story[closing.end() :], start + _lines(source, len(source)) + 1
    refuse_second_block(body, body_line, datetime.now(UTC))
    return _made(pairs, source, start, body, body_line, markup, notes)


def _json_block(story: str, markup: Markup) -> FrontMatter:
    """Splits a file that begins with a JSON object, followed by the story's body."""
    begin = len(story) - len(story.lstrip())
    head = story[: begin + LONGEST_FRONT_MATTER]
    try:
        pairs, end = read_json(head)
    except FrontMatterError as error:
        if error.rule == "front-matter-unclosed" and len(head) < len(story):
            raise too_long(error.line) from None
        raise
    body_line = _lines(story, end) + 1
    below = story[end:].lstrip(" \t").removeprefix("\n")
    refuse_second_block(below, body_line + 1, datetime.now(UTC))
    return _made(pairs, story[:end], 1, story[end:], body_line, markup)


def _json_article(story: str) -> FrontMatter:
    if not story.strip():
        told = 'the file is empty; write an object: {"title": …, "date": …, "body": …}'
        raise FrontMatterError(1, told, "file-empty")
    pairs, end = read_json(story)
    if rest := story[end:].strip():
        line = _lines(story, story.index(rest, end)) + 1
        told = "there is more after the closing '}'; write one object in a .json file"
        raise FrontMatterError(line, told, "json-trailing")
    made = _made(pairs, story, 1, "", 1, "markdown")
    try:
        return _with_json_body(made)
    except FieldError as error:
        raise FrontMatterError(made.line_of(error.key), str(error), error.rule) from None


def _with_json_body(made: FrontMatter) -> FrontMatter:
    markups: dict[object, Markup] = {"markdown": "markdown", "html": "html", "text": "text"}
    kind = made.first("markup")
    named = text(kind) if kind else "markdown"
    if kind and named not in markups:
        raise kind.unfit("is not one of markdown, html, text; write one of them", "markup-unknown")
    for name, markup in {"body": markups[named], **_BODY_KEYS}.items():
        if found := made.first(name):
            return replace(made, body=text(found), body_line=made.line_of(found.key), markup=markup)
    # Other publishing systems may have a list or a number under these names, which is not a body.
    for found in made.all("content", "html", "text"):
        if isinstance(found.value, str):
            guessed = _guessed(normalised(found.key), found.value)
            markup = markups[named] if kind else guessed
            return replace(made, body=text(found), body_line=made.line_of(found.key), markup=markup)
    if made.first("summary", "description", "excerpt"):
        return made
    note = Note(made.start, "no body and no summary; write body: … if there is a story", "body-missing")
    return replace(made, notes=(*made.notes, note))


def _guessed(key: str, body: str) -> Markup:
    names: dict[str, Markup] = {"html": "html", "text": "text"}
    return names.get(key) or ("html" if _LIKE_HTML.match(body) else "markdown")


def _header_block(story: str, generator: Generator | None) -> FrontMatter | None:
    """Reads front matter without an opening line of dashes: Hexo's YAML, or Pelican's `Key: value` lines."""
    # Pelican's lines are not YAML: ` #` does not begin a comment, and `a: b` may be a title.
    unfenced = unfenced_yaml(story, may_have_gaps=generator == "hexo") if generator != "pelican" else None
    if unfenced:
        source, end = unfenced
        if len(source) > LONGEST_FRONT_MATTER:
            raise too_long(1)
        notes: list[Note] = []
        with suppress(FrontMatterError):  # Pelican's lines need not be YAML
            pairs = _yaml(source, 1, notes, generator)
            return _made(pairs, source, 1, story[end:], _lines(story, end) + 1, "markdown", notes)
    found = header_block(story)
    if found is None:
        return None
    source, body = story[: found.end], story[found.end :]
    return _made(found.pairs, source, 1, body, _lines(story, found.end) + 1, "markdown")


def _yaml(source: str, start: int, notes: list[Note], generator: Generator | None) -> dict[str, object]:
    if generator == "hexo":  # which reads each tab at the beginning of a line as two spaces
        source = _TABS.sub(lambda tabs: "  " * len(tabs[0]), source)
    if not source.isascii() or "\x7f" in source:
        source = without(YAML_ILLEGAL, source, start, notes, "YAML")
    return read_yaml(source, start)


def _html_head(story: str) -> FrontMatter | None:
    """Reads Pelican's HTML: `<title>` and `<meta name= content=>` in the head, the story in the body."""
    # Reject front matter of an unknown kind (Eleventy's `---json`): it may hold the story back.
    head = None if story.lstrip().startswith("---") else html_head.read(story)
    if head is None:
        return None
    body = story[head.body_start : head.body_end]
    line = _lines(story, head.body_start) + 1
    # Literal: `html_head` has resolved references and split tags from text; what looks like one is text.
    return _made(head.pairs, story[: head.end], 1, body, line, "html", literal=True)


def _made(
    pairs: dict[str, object],
    source: str,
    start: int,
    body: str,
    body_line: int,
    markup: Markup,
    notes: Sequence[Note] = (),
    literal: bool = False,
) -> FrontMatter:
    found = list(notes)
    fields: dict[str, Written] = {}
    # `decode` removed forbidden characters from the file's text; only an escape can bring them back.
    escapes = "\\" in source or "&#" in source
    try:
        excess.refuse(pairs)
        for key, value in pairs.items():
            clean = scrubbed(value, partial(_line_of, key, source, start), found) if escapes else value
            key = without_illegal(key) if escapes else key
            place(fields, Written(key, clean, "", literal), key)
    except FieldError as error:
        raise FrontMatterError(_line_of(error.key, source, start), str(error), error.rule) from None
    filled = {name: written for name, written in fields.items() if not written.is_empty}
    return FrontMatter(filled, source, start, body, body_line, markup, tuple(found))


def _line_of(key: str, source: str, start: int) -> int:
    place = _written_place(key, source)
    if place < 0:
        name = rf"""["']?{re.escape(key)}["']?"""
        # Ignoring case, as HTML does.
        anywhere = rf"(?:^|(?<=[\s,{{])){name}[ \t]*[:=]|name={name}|^\[+[ \t]*{name}|<{name}\b"
        found = re.search(anywhere, source, re.MULTILINE | re.IGNORECASE)
        place = found.start() if found else -1
    return start + _lines(source, place) if place >= 0 else start


def _written_place(key: str, source: str) -> int:
    """The offset of a key that is followed by a colon or equals sign; -1 if there is none.

    Prefers a key at the beginning of a line. A JSON story is one long line: there, a pattern that begins with
    the key finds it a hundred times faster than one that begins with the characters allowed before it.
    """
    first = -1
    for found in islice(re.finditer(rf"""{re.escape(key)}(?=["']?[ \t]*[:=])""", source), _MOST_PLACES):
        place = found.start()
        before = source[max(place - 2, 0) : place]
        before = before[:-1] if before.endswith(('"', "'")) else before
        if before[-1:] in ("", "\n"):
            return place
        if first < 0 and (before[-1] in ",{" or before[-1].isspace()):
            first = place
    return first


def _lines(story: str, end: int) -> int:
    return story.count("\n", 0, end)
