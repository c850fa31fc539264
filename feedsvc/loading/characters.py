"""Bytes → text that every feed can carry, with a note of what was taken out.

Pure: knows encodings and characters, neither keys nor formats.
"""

import re
from collections.abc import Callable
from typing import Final

from feedsvc.loading.faults import FrontMatterError
from feedsvc.model import Note

XML_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What the Char production of XML 1.0 leaves out: https://www.w3.org/TR/xml/#charsets"""

YAML_ILLEGAL: Final = re.compile("[\x7f-\x84\x86-\x9f\ufeff]")
"""What YAML's c-printable leaves out beyond that: https://yaml.org/spec/1.2.2/#51-character-set"""

_CONTROLS: Final = bytes(sorted({*range(0x20)} - {0x09, 0x0A, 0x0D}))
_NONCHARACTERS: Final = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")
_MOST_NOTES: Final = 5
_DEEPEST: Final = 20


def decoded(raw: bytes) -> tuple[str, list[Note]]:
    """The text of a file: UTF-8 with or without a byte order mark, `\\n` line ends, nothing XML forbids.

    Raises FrontMatterError, with the line, if `raw` is not UTF-8.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = _one_line_end(raw[: error.start].decode("latin-1"))
        seen = f"byte 0x{raw[error.start]:02X} is not UTF-8"
        raise FrontMatterError(
            before.count("\n") + 1, f"{seen}; save the file as UTF-8", "encoding"
        ) from None
    text = _one_line_end(text)
    notes: list[Note] = []
    # Looking at the bytes takes a tenth of what a regular expression takes, and nearly every file is clean.
    if len(raw.translate(None, _CONTROLS)) != len(raw) or any(mark in raw for mark in _NONCHARACTERS):
        text = without(XML_ILLEGAL, text, 1, notes, "XML")
    return text, notes


def _one_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def without(illegal: re.Pattern[str], text: str, start: int, notes: list[Note], standard: str) -> str:
    """`text` without what `illegal` matches; `notes` gets the first line of each, if there is room.

    `text` begins at line `start` of its file; `standard` names who forbids the characters.
    """
    seen: set[str] = set()
    line, position = start, 0
    for found in illegal.finditer(text):
        line += text.count("\n", position, found.start())
        position = found.start()
        if found[0] not in seen:
            seen.add(found[0])
            _note(notes, line, found[0], standard)
    return illegal.sub("", text) if seen else text


def scrubbed(value: object, line_of: Callable[[], int], notes: list[Note], key: str) -> object:
    """A value of front matter without the characters that an escape such as `\\u000b` brought in.

    `line_of` finds the line of its `key` when there is something to note. Raises FrontMatterError if it is
    nested too deeply to be front matter.
    """
    known: dict[int, object] = {}  # YAML aliases share a value: scrubbing it once keeps a bomb from going off

    def scrub(node: object, depth: int) -> object:
        if depth > _DEEPEST:
            told = f"{key}: is nested too deeply; write at most {_DEEPEST} levels"
            raise FrontMatterError(line_of(), told, "nested-too-deeply")
        if isinstance(node, str):
            for char in dict.fromkeys(XML_ILLEGAL.findall(node)):
                _note(notes, line_of(), char, "XML")
            return XML_ILLEGAL.sub("", node)
        if not isinstance(node, list | dict):
            return node
        if id(node) not in known:
            known[id(node)] = (
                [scrub(item, depth + 1) for item in node]
                if isinstance(node, list)
                else {scrub(name, depth): scrub(item, depth + 1) for name, item in node.items()}
            )
        return known[id(node)]

    return scrub(value, 0)


def _note(notes: list[Note], line: int, char: str, standard: str) -> None:
    told = f"U+{ord(char):04X} is not allowed in {standard}; it is removed"
    note = Note(line, told, "character-removed")
    if len(notes) < _MOST_NOTES and note not in notes:
        notes.append(note)
