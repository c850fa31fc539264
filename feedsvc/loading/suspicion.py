"""Decides whether a value holds a story back, under a key that may be meant to do so.

Pure: is given what the key may mean, and the value. Which keys are suspected is in `unknown_keys`.
"""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from feedsvc.domain.rights import LEVELS
from feedsvc.loading import dates, vague_dates
from feedsvc.loading.errors import FieldError
from feedsvc.loading.flags import FLAGS
from feedsvc.loading.values import Written, as_flag, shown
from feedsvc.loading.vocabulary import NEVER, Suspect, audience_of, says_held, says_later, status_of

_DATED: Final = frozenset({"begins", "released"})
"""What a later date holds back, and an earlier one does not."""
_ENDS: Final = frozenset({"expires", "expiryDate", "unpublish_date"})
_FEW: Final = 4
"""Words from which on a value tells something else: `live: next to the harbour, after dark`."""
_OF_DATES: Final = frozenset({"begins", "ends"})
"""What nothing but a date stands under, or the word that there is none."""


def holds_back(meant: Suspect, value: object, zone: ZoneInfo, since: datetime | None = None) -> bool:
    """Whether `value` may hold the story back, under a key that was meant as `meant`.

    `since` (aware UTC) is the time from which the story is published otherwise: if the key may be any kind of
    date, a date that is no later holds nothing back. `zone` applies to dates without a zone.
    """
    if value in (None, "", [], {}):
        return False
    if meant.says == "flag":
        return _asks(meant, value)
    word = value.strip().lower() if isinstance(value, str) else ""
    if meant.says == "status":
        status = status_of(word or shown(value))
        return status in {"draft", "withdrawn"} or (meant.is_strict and status is None)
    if meant.says == "access":
        return _restricts_access(meant, value)
    if meant.says == "level":
        return _restricts_level(meant, value)
    if moment := _moment(meant, value, zone, is_vague=since is not None):
        return meant.is_strict or since is None or moment > since or _holds_when_past(meant)
    if meant.says == "word":
        return says_held(word)
    return _says_so(meant, value, word) or says_held(word) or _is_unread(meant, value, word)


def _holds_when_past(meant: Suspect) -> bool:
    """Whether a date that has passed holds back, too, under a key that may mean something else."""
    return meant.nearest in _ENDS if meant.says == "word" else meant.says not in _DATED


def is_later(value: object, zone: ZoneInfo, since: datetime) -> bool:
    """Whether a value is a day later than `since` (aware UTC), or may be one."""
    moment = _moment(Suspect("released", ""), value, zone, is_vague=True)
    return moment is not None and moment > since


def _asks(meant: Suspect, value: object) -> bool:
    """Whether the value, under another system's flag, holds the story back or cannot be interpreted."""
    try:
        return FLAGS[meant.nearest](Written(meant.nearest, value)) is not None
    except FieldError:
        return True


def _says_so(meant: Suspect, value: object, word: str) -> bool:
    said = as_flag(value)
    if meant.says == "released":
        return said is False or word in NEVER or (len(word.split()) < _FEW and says_later(word))
    return said is True or (meant.says == "begins" and says_later(word))


def _restricts_access(meant: Suspect, value: object) -> bool:
    words = [
        one.strip().lower() for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)
    ]
    if all(word in NEVER for word in words) and words:
        return False
    named = [audience_of(word) for word in words]
    if any(one in {"members", "internal"} for one in named) or "partners" in words:
        return as_flag(value) is None
    return meant.is_strict and as_flag(value) is not True and not any(named)


def _restricts_level(meant: Suspect, value: object) -> bool:
    if isinstance(value, dict):
        return any(_restricts_level(meant, one) for one in value.values())
    word = value.strip().lower() if isinstance(value, str) else ""
    if as_flag(value) is False or word in NEVER or word in LEVELS[:-1]:
        return True
    return meant.is_strict and as_flag(value) is None and word != LEVELS[-1]


def _is_unread(meant: Suspect, value: object, word: str) -> bool:
    """Whether it stands under a strict key and says neither yes, no, nor when.

    Under a key of dates a number is one that nobody can read; elsewhere it counts something.
    """
    if meant.is_dated and (word == "never" or "://" in word):
        return word == "never"
    if not (meant.is_strict or meant.is_dated) or as_flag(value) is not None or word in NEVER:
        return False
    if _is_number(value) or meant.says in _OF_DATES:
        return meant.says in _OF_DATES
    return meant.says != "released" or (isinstance(value, str) and audience_of(word) != "public")


def _is_number(value: object) -> bool:
    if isinstance(value, int | float):
        return True
    return isinstance(value, str) and value.strip().replace(".", "", 1).isdigit()


def _moment(meant: Suspect, value: object, zone: ZoneInfo, *, is_vague: bool) -> datetime | None:
    """The date it says; with `is_vague`, the latest that it may mean, under a key that has dates."""
    if not isinstance(value, bool | int | float | list | dict) and (moment := dates.instant(value, zone)):
        return moment
    if not is_vague or meant.says not in {"begins", "ends", "released"}:
        return None
    return vague_dates.latest(value, zone, names_day=meant.says == "released")
