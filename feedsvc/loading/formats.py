"""Parses YAML, TOML and JSON → keys and values, or an error with the line of the syntax error.

Pure: knows syntax; must not know what a story is. Safe against deep nesting and alias bombs.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Final

import yaml

from feedsvc.domain import json_text
from feedsvc.loading.errors import FrontMatterError
from feedsvc.loading.excess import DEEPEST, TOO_DEEP
from feedsvc.loading.values import shown

_LOADER: Final[type[yaml.BaseLoader] | type[yaml.CBaseLoader]] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_YAML_WANTED: Final = "indent with spaces, and put a value that holds ': ' or ' #' in quotes"
_NULLS: Final = frozenset({"", "~", "null"})
_LONGEST_REASON: Final = 200
_LONGEST_NAME: Final = 60
# An unclosed string matches to the end of the line, or of the text, so that the search never backtracks.
_TOML_STRING: Final = r"""(?:"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?+|'[^'\n]*+'?+)"""
_TOML_KEYS: Final = re.compile(
    r"""\"{3}(?:[^"\\]|\\.|"(?!""))*+(?:"{3})?+|'{3}(?:[^']|'(?!''))*+(?:'{3})?+|\#[^\n]*+"""
    rf"""|(?P<deep>(?:(?:[\w-]++|{_TOML_STRING})[ \t]*+\.[ \t]*+){{{DEEPEST}}})|[\w-]++|{_TOML_STRING}""",
    re.DOTALL,
)
"""Matches TOML strings and comments, to skip the dots in them, and, as `deep`, keys of too many parts."""
_TOML_PLACE: Final = re.compile(r" \(at line (\d+), column \d+\)")


def read_yaml(source: str, start: int) -> dict[str, object]:
    """The mapping in a block of YAML that begins at line `start` of its file.

    A plain scalar is the text its author wrote (`12:30`, `no`, `2026-02-11`), or None if it is empty, `~` or
    `null`. An alias is the same object as the value it refers to. Raises FrontMatterError.
    """
    plain = plain_yaml(source)
    return yaml_of_events(source, start) if plain is None else plain


def yaml_of_events(source: str, start: int) -> dict[str, object]:
    """As `read_yaml`, for YAML of any kind."""
    # From events, not by yaml.load: libyaml's composer recurses in C; 100,000 brackets crash the process.
    events = yaml.parse(source, Loader=_LOADER)
    try:
        tree = _YamlTree(events, start).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # The parser reports an unclosed bracket or quote at the end; the author needs the line that opens it.
        if mark and error.context_mark and mark.line >= source.count("\n"):
            mark = error.context_mark
        line = start + min(mark.line if mark else 0, max(source.count("\n") - 1, 0))
        told = f"not valid YAML: {error.problem or error.context}; {_YAML_WANTED}"
        raise FrontMatterError(line, told, "yaml-syntax") from error
    except yaml.YAMLError as error:
        raise FrontMatterError(start, f"not valid YAML: {error}; {_YAML_WANTED}", "yaml-syntax") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        told = f"front matter is {shown(tree)}; write lines such as 'title: …'"
        raise FrontMatterError(start, told, "front-matter-not-keys")
    return tree


def plain_yaml(source: str) -> dict[str, object] | None:
    """The mapping in a block of the simplest YAML, which most front matter is; None for any other YAML.

    Each line is `key: text` or `key: [text, text]`, without any other YAML syntax. The result is that of
    `yaml_of_events`, in a sixth of the time.
    """
    if "\t" in source or "\r" in source or not (source.isascii() or _BREAKS.isdisjoint(source)):
        return None
    found = _PLAIN_LINE.findall(source)
    if len(found) != sum(map(bool, source.split("\n"))):
        return None
    made: dict[str, object] = {}
    for key, text in found:
        if key in made or key in _NULLS or ": " in text or " #" in text:
            return None
        text = text.rstrip(" ")
        if text[0] != "[":
            if text[-1] == ":":
                return None
            made[key] = None if text in _NULLS else text
        else:
            items = _PLAIN_LIST.fullmatch(text)
            if items is None:
                return None
            parts = [part.strip(" ") for part in text[1:-1].split(",")]
            made[key] = [None if part in _NULLS else part for part in parts]
    return made


_BREAKS: Final = frozenset("\x85\u2028\u2029")
"""Line breaks to libyaml, as is a carriage return, but not to the patterns below."""
_PLAIN_LINE: Final = re.compile(r"^([A-Za-z][A-Za-z0-9_-]{0,60}): +([\[\w].*)$", re.MULTILINE)
_PLAIN_LIST: Final = re.compile(r"\[ *\w[^\[\]{},:#]*(?:,\ *\w[^\[\]{},:#]*)*\]")


_MERGE: Final = "<<"
"""The key that merges another mapping into this one: https://yaml.org/type/merge.html"""
_MOST_MERGED: Final = 100


class _YamlTree:
    """Builds values from YAML events; keeps the anchors seen so far."""

    def __init__(self, events: Iterator[yaml.Event], start: int) -> None:
        self._events = events
        self._start = start
        self._anchors: dict[str, object] = {}
        self._merged = 0

    def document(self) -> object:
        tree: object = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    told = "a second YAML document; write one"
                    raise FrontMatterError(self._line(event), told, "yaml-documents")
            elif isinstance(event, yaml.NodeEvent):
                tree = self._node(event, 0)
        return tree

    def _node(self, event: yaml.Event, depth: int) -> object:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > DEEPEST:
            raise FrontMatterError(self._line(event), TOO_DEEP, "nested-too-deeply")
        value: object
        if isinstance(event, yaml.ScalarEvent):
            value = None if event.implicit[0] and event.value in _NULLS else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(depth + 1)
        else:
            value = self._mapping(depth + 1)
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _alias(self, event: yaml.AliasEvent) -> object:
        # An anchor is stored only when its value is complete, so that no value can contain itself.
        if event.anchor not in self._anchors:
            name = str(event.anchor)[:_LONGEST_NAME]
            told = f"*{name}: no &{name} ends before it; write the value itself"
            raise FrontMatterError(self._line(event), told, "yaml-alias")
        return self._anchors[event.anchor]

    def _sequence(self, depth: int) -> list[object]:
        made: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            made.append(self._node(event, depth))
        return made

    def _mapping(self, depth: int) -> dict[str, object]:
        made: dict[str, object] = {}
        merged: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth)
            if key == _MERGE and isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
                self._merge(merged, self._node(next(self._events), depth), self._line(event))
                continue
            if not isinstance(key, str):
                told = f"{shown(key)} is not a key; write 'title: …'"
                raise FrontMatterError(self._line(event), told, "key-invalid")
            value = self._node(next(self._events), depth)
            if key in made and _is_nothing(value):
                continue  # a key with nothing behind it says nothing
            if key in made and not _is_nothing(made[key]) and not _is_same(made[key], value):
                told = f"{key[:_LONGEST_NAME]}: is written twice; keep one"
                raise FrontMatterError(self._line(event), told, "duplicate-key")
            made[key] = value
        return merged | made

    def _merge(self, into: dict[str, object], value: object, line: int) -> None:
        """Merge one mapping, or a list of them, into `into`; of several with one key, the first counts."""
        self._merged += 1
        if self._merged > _MOST_MERGED:
            raise FrontMatterError(line, f"more than {_MOST_MERGED} merges; write the keys", "too-many")
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                told = f"{_MERGE}: {shown(value)} is no mapping; write '{_MERGE}: *name', or the keys"
                raise FrontMatterError(line, told, "yaml-alias")
            for key, inherited in one.items():
                into.setdefault(key, inherited)

    def _line(self, event: yaml.Event) -> int:
        return self._start + (event.start_mark.line if event.start_mark else 0)


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def _is_same(value: object, other: object) -> bool:
    """Whether a key's two values are equal, so that either may be used; lists and mappings never count."""
    return type(value) is type(other) and value == other and not isinstance(value, list | dict)


def read_toml(source: str, start: int) -> dict[str, object]:
    """The table in a block of TOML that begins at line `start` of its file. Raises FrontMatterError."""
    for key in _TOML_KEYS.finditer(source):
        if key["deep"]:  # tomllib's time grows with the square of the number of parts
            line = start + source.count("\n", 0, key.start())
            raise FrontMatterError(line, TOO_DEEP, "nested-too-deeply")
    try:
        return tomllib.loads(source)
    except ValueError as error:
        place = _TOML_PLACE.search(str(error))
        line = start + (int(place[1]) - 1 if place else max(source.count("\n") - 1, 0))
        reason = _TOML_PLACE.sub("", str(error)).removesuffix(" (at end of document)")[:_LONGEST_REASON]
        told = f'not valid TOML: {reason}; write lines such as title = "…"'
        raise FrontMatterError(line, told, "toml-syntax") from error
    except RecursionError:
        raise FrontMatterError(start, TOO_DEEP, "nested-too-deeply") from None


def read_json(text: str) -> tuple[dict[str, object], int]:
    """The JSON object at the beginning of `text`, and the offset of its end. Raises FrontMatterError."""
    begin = len(text) - len(text.lstrip())
    try:
        made, end = json_text.decoded(text, begin)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()):
            opened = text.count("\n", 0, begin) + 1
            told = "'{' is opened and not closed; write '}' after the last key"
            raise FrontMatterError(opened, told, "front-matter-unclosed") from None
        told = f'not valid JSON: {error.msg}; write "key": "value", with commas between'
        raise FrontMatterError(error.lineno, told, "json-syntax") from None
    except json_text.DuplicateKeyError as error:
        last = text.rfind(json.dumps(error.key, ensure_ascii=False))
        line = text.count("\n", 0, max(last, 0)) + 1
        raise FrontMatterError(line, str(error), "duplicate-key") from None
    except json_text.TooManyValuesError as error:
        raise FrontMatterError(1, str(error), "too-many") from None
    except (RecursionError, ValueError):
        told = f"JSON is nested too deeply, or holds too long a number; write at most {DEEPEST} levels"
        raise FrontMatterError(1, told, "nested-too-deeply") from None
    if not isinstance(made, dict):
        told = f'the file holds {shown(made)}; write an object: {{"title": …}}'
        raise FrontMatterError(1, told, "front-matter-not-keys")
    return made, end
