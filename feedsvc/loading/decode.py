"""Bytes → text that every feed format can carry, with a note of each character that was removed.

Pure: knows encodings and characters, neither front matter keys nor formats.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Final

from feedsvc.domain.model import Note
from feedsvc.domain.xml_text import ILLEGAL, NEXT_LINE, may_hold_illegal, without_illegal
from feedsvc.loading.errors import FrontMatterError

YAML_ILLEGAL: Final = re.compile("[\x7f-\x84\x86-\x9f\ufeff]")
"""Characters that XML allows, and YAML's c-printable does not.

https://yaml.org/spec/1.2.2/#51-character-set
"""

_MOST_NOTES: Final = 5
_MOST_ILLEGAL: Final = 10_000


def decoded(raw: bytes) -> tuple[str, list[Note]]:
    """The text of a file with `\\n` line ends, without the characters that XML forbids; and notes of those.

    `raw` is UTF-8, with or without a byte order mark. Raises FrontMatterError, with the line, if it is not
    UTF-8, or holds so many forbidden characters that it is no text.
    """
    try:
        text = raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = _one_line_end(raw[: error.start].decode("latin-1"))
        seen = f"byte 0x{raw[error.start]:02X} is not UTF-8"
        raise FrontMatterError(
            before.count("\n") + 1, f"{seen}; save the file as UTF-8", "encoding"
        ) from None
    text = _one_line_end(text)
    notes: list[Note] = []
    if may_hold_illegal(raw):
        _note_all(ILLEGAL, text, 1, notes, "feeds")
        text = without_illegal(text)
    return text, notes


def _one_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def without(illegal: re.Pattern[str], text: str, start: int, notes: list[Note], standard: str) -> str:
    """`text` without the characters that `illegal` matches.

    Adds to `notes` each character with the first line it is on, up to `_MOST_NOTES` notes. `text` begins at
    line `start` of its file; `standard` names the standard that forbids the characters. Raises
    FrontMatterError if there are more than `_MOST_ILLEGAL`.
    """
    return illegal.sub("", text) if _note_all(illegal, text, start, notes, standard) else text


def _note_all(illegal: re.Pattern[str], text: str, start: int, notes: list[Note], standard: str) -> bool:
    places: dict[str, int] = {}
    for number, found in enumerate(illegal.finditer(text)):
        if number == _MOST_ILLEGAL:
            seen = f"more than {_MOST_ILLEGAL:,} characters that are not allowed in {standard}"
            told = f"{seen}; save the file as text"
            raise FrontMatterError(_line_at(text, found.start(), start), told, "encoding")
        places.setdefault(found[0], found.start())
    for char, place in sorted(places.items(), key=lambda pair: pair[1]):
        _note(notes, partial(_line_at, text, place, start), char, standard)
    return bool(places)


def _line_at(text: str, place: int, start: int) -> int:
    return start + text.count("\n", 0, place)


def scrubbed(value: object, line_of: Callable[[], int], notes: list[Note]) -> object:
    """A front matter value without the forbidden characters that an escape such as `\\u000b` can produce.

    `line_of` returns the line of the value; it is called only when there is something to add to `notes`. The
    caller has limited the depth of nesting already.
    """
    # YAML aliases share one value: scrubbing it once keeps an alias bomb ("billion laughs") from expanding.
    known: dict[int, object] = {}

    def scrub(node: object) -> object:
        if isinstance(node, str):
            for char in dict.fromkeys(ILLEGAL.findall(node)):
                _note(notes, line_of, char, "feeds")
            return without_illegal(node)
        if not isinstance(node, list | dict):
            return node
        if id(node) not in known:
            known[id(node)] = (
                [scrub(item) for item in node]
                if isinstance(node, list)
                else {scrub(name): scrub(item) for name, item in node.items()}
            )
        return known[id(node)]

    return scrub(value)


def _note(notes: list[Note], line_of: Callable[[], int], char: str, standard: str) -> None:
    done = "a space takes its place" if char == NEXT_LINE else "it is removed"
    told = f"U+{ord(char):04X} is not allowed in {standard}; {done}"
    # Finding a line takes a search through the file, so it is done only for a note that is kept.
    if len(notes) < _MOST_NOTES and not any(note.reason == told for note in notes):
        notes.append(Note(line_of(), told, "character-removed"))
