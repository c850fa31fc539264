"""JSON text → values, every key of an object once: for story files, pushed documents and feeds under check.

Pure: knows syntax alone, neither stories nor requests. Of two equal keys one parser takes the first, another
the last: of two embargoes nobody could tell which holds.
"""

import json
import re
from typing import Final

MOST_VALUES: Final = 50_000
"""How many values a document may hold, nested ones too; a live blog of a whole day has a tenth of it."""

_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


class DuplicateKeyError(ValueError):
    """An object holds a key twice. `key` is as written; `pointer` (RFC 6901) says where in the document."""

    def __init__(self, key: str, pointer: str = "") -> None:
        super().__init__(f"{key}: is written twice; keep one")
        self.key = key
        self.pointer = pointer


class TooManyValuesError(ValueError):
    """A document holds more than `MOST_VALUES`, which takes seconds to read, and is no story."""

    def __init__(self) -> None:
        super().__init__(f"more than {MOST_VALUES:,} values are too many; write fewer")


def decoded(text: str, begin: int = 0) -> tuple[object, int]:
    """The value that begins at `begin`, and where it ends in `text`.

    Raises DuplicateKeyError without a pointer, TooManyValuesError, json.JSONDecodeError, ValueError for a
    number of thousands of digits, and RecursionError.
    """
    if has_too_many_values(text):
        raise TooManyValuesError
    return _ONCE.raw_decode(text, begin)


def refuse_unfit(text: str) -> None:
    """Raise DuplicateKeyError, with its pointer, or TooManyValuesError if the document is not to be read.

    What is no JSON raises nothing: the parser that comes next says so.
    """
    begin = len(text) - len(text.lstrip())
    try:
        decoded(text, begin)
    except DuplicateKeyError as error:
        raise DuplicateKeyError(error.key, _pointer(_PAIRS.raw_decode(text, begin)[0])) from None
    except TooManyValuesError:
        raise
    except (ValueError, RecursionError):
        return


def has_too_many_values(text: str) -> bool:
    """Whether the text, if it is JSON, holds more than `MOST_VALUES`."""
    if _separators(text) <= MOST_VALUES:
        return False
    return _separators(_STRING.sub("", text)) > MOST_VALUES  # a body is full of commas


def _separators(text: str) -> int:
    return sum(map(text.count, "[{,"))


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of its pairs, as `json` hands them to `object_pairs_hook`. Raises DuplicateKeyError."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise DuplicateKeyError(pairs[_first_repeated(pairs)][0])
    return made


class _Pairs(list[tuple[str, object]]):
    """An object as its pairs, so that none is lost."""


_ONCE: Final = json.JSONDecoder(object_pairs_hook=once)
_PAIRS: Final = json.JSONDecoder(object_pairs_hook=_Pairs)


def _first_repeated(pairs: list[tuple[str, object]]) -> int:
    """Which of the pairs is the first whose key was there before; -1 if none is."""
    seen: set[str] = set()
    for number, (key, _) in enumerate(pairs):
        if key in seen:
            return number
        seen.add(key)
    return -1


def _pointer(tree: object) -> str:
    """Where in a document of `_Pairs` a key stands for the second time."""
    waiting = [("", tree)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, _Pairs):
            parts = [(_below(place, key), one) for key, one in value]
            if (number := _first_repeated(value)) >= 0:
                return parts[number][0]
            waiting.extend(reversed(parts))
        elif isinstance(value, list):
            waiting.extend(reversed([(f"{place}/{number}", one) for number, one in enumerate(value)]))
    return ""


def _below(place: str, key: str) -> str:
    return f"{place}/{key.replace('~', '~0').replace('/', '~1')}"
