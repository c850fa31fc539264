"""JSON text → values, with duplicate keys refused: for story files, pushed documents and feeds under check.

Pure: knows JSON's syntax only, neither stories nor requests. Of two equal keys some parsers keep the first,
others the last, so with two embargoes nobody could tell which one applies.
"""

import json
import re
from typing import Final

MOST_VALUES: Final = 50_000
"""The most values a document may hold, nested ones included; a live blog of a whole day has a tenth of it."""

_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


class DuplicateKeyError(ValueError):
    """An object has a key twice. `key` is as written; `pointer` (RFC 6901) is its place in the document."""

    def __init__(self, key: str, pointer: str = "") -> None:
        super().__init__(f"{key}: is written twice; keep one")
        self.key = key
        self.pointer = pointer


class TooManyValuesError(ValueError):
    """A document holds more than `MOST_VALUES` values: parsing it takes seconds, and it cannot be a story."""

    def __init__(self) -> None:
        super().__init__(f"more than {MOST_VALUES:,} values are too many; write fewer")


def decoded(text: str, begin: int = 0) -> tuple[object, int]:
    """The JSON value that begins at the index `begin` of `text`, and the index where it ends.

    Raises DuplicateKeyError without a pointer, TooManyValuesError, json.JSONDecodeError, ValueError for a
    number of thousands of digits, and RecursionError for deep nesting.
    """
    if has_too_many_values(text):
        raise TooManyValuesError
    return _ONCE.raw_decode(text, begin)


def refuse_unfit(text: str) -> None:
    """Raise DuplicateKeyError, with its pointer, or TooManyValuesError if the document must not be parsed.

    Invalid JSON raises nothing here: the parser that comes next reports it.
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
    """Whether the text, if it is JSON, holds more than `MOST_VALUES` values."""
    if _separators(text) <= MOST_VALUES:
        return False
    return _separators(_STRING.sub("", text)) > MOST_VALUES  # commas in strings don't count


def _separators(text: str) -> int:
    return sum(map(text.count, "[{,"))


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A dict made from the pairs that `json` gives to `object_pairs_hook`. Raises DuplicateKeyError."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise DuplicateKeyError(pairs[_first_repeated(pairs)][0])
    return made


class _Pairs(list[tuple[str, object]]):
    """An object as a list of its pairs, so that duplicate keys are kept."""


_ONCE: Final = json.JSONDecoder(object_pairs_hook=once)
_PAIRS: Final = json.JSONDecoder(object_pairs_hook=_Pairs)


def _first_repeated(pairs: list[tuple[str, object]]) -> int:
    """The index of the first pair whose key occurs earlier in the list; -1 if there is none."""
    seen: set[str] = set()
    for number, (key, _) in enumerate(pairs):
        if key in seen:
            return number
        seen.add(key)
    return -1


def _pointer(tree: object) -> str:
    """The JSON Pointer of a duplicate key in a document decoded to `_Pairs`; "" if there is none."""
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
