"""Dates and times as people write them in front matter → aware UTC.

Pure: no clock, and no key names. A date that cannot be parsed is None; the caller reports which key held it.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from feedsvc.domain import constraints

_ISO: Final = re.compile(
    r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})"
    r"(?:(?:[ \t]+|[Tt])(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?"
    r"[ \t]*(?:([Zz]|UTC|GMT)|(CES?T|WES?T|EES?T|BST)|([+-])(\d{1,2})(?:(?::|(?<=[+-]\d\d))(\d{2}))?)?)?",
    re.ASCII,
)
"""ISO 8601 and RFC 3339, with the variants that YAML 1.1, Hugo, Jekyll and Pelican write."""

_RFC3339: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})", re.ASCII
)
"""The form that programs write, which the standard library parses in a tenth of the time."""

_ZONES: Final = {"WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3}
"""Abbreviations of European time zones that are unambiguous to a newsroom → hours ahead of UTC."""

_IN_WORDS: Final = re.compile(
    r"(?:(\d{1,2})\s+([A-Za-z]{3,9})\.?,?|([A-Za-z]{3,9})\.?\s+(\d{1,2}),?)\s+(\d{4})", re.ASCII
)
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)

_RFC2822: Final = re.compile(
    r"(?:[A-Za-z]{3,9},?\s+)?\d{1,2}\s+[A-Za-z]{3,9}\s+\d{4}\s+\d{1,2}:\d{2}(?::\d{2})?"
    r"(\s+(?:[+-]\d{4}|UTC?|GMT|Z|[ECMP][SD]T))?(?:\s+\([^)]*\))?",
    re.ASCII,
)
"""https://www.rfc-editor.org/rfc/rfc5322#section-3.3 with the zone names of its section 4.3."""

_LONGEST: Final = 100  # characters, with surrounding white space: bounds what `_instant` caches
TOO_EARLY: Final = datetime.min.replace(tzinfo=UTC)


def instant(value: object, zone: ZoneInfo) -> datetime | None:
    """`value` as aware UTC, to the microsecond, so that an embargo never lifts a fraction of a second early.

    `value` is text, or a date or time that the TOML parser returned. `zone` applies to a date without a zone;
    a day without a time means its midnight. Returns None if it is no date, `TOO_EARLY` if its year is before
    1970; see `constraints.in_time`.
    """
    if isinstance(value, str):
        return _instant(value, zone) if len(value) <= _LONGEST else None
    return _aware(value, zone)


@lru_cache(maxsize=1_024)  # several fields of a story are derived from the same date
def _instant(text: str, zone: ZoneInfo) -> datetime | None:
    return _aware(_written(text.strip()), zone)


def _aware(value: object, zone: ZoneInfo) -> datetime | None:
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - gets its zone below
    else:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return constraints.in_time(moment) or TOO_EARLY


def _written(text: str) -> datetime | None:
    try:
        if _RFC3339.fullmatch(text):
            return datetime.fromisoformat(text)
        if found := _ISO.fullmatch(text):
            return _iso(found)
        if found := _IN_WORDS.fullmatch(text):
            return _in_words(found)
        if found := _RFC2822.fullmatch(text):
            moment = parsedate_to_datetime(text)
            # RFC 5322 section 3.3: -0000 is UTC with an unknown local zone; the standard library drops it.
            return moment.replace(tzinfo=UTC) if found[1] and moment.tzinfo is None else moment
    except ValueError:
        return None
    return None


def _iso(found: re.Match[str]) -> datetime:
    year, _, month, day, hour, minute, second, fraction, utc, named, sign, hours, minutes = found.groups()
    zone: timezone | None = UTC if utc else timezone(timedelta(hours=_ZONES[named])) if named else None
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
    micros = int((fraction or "")[:6].ljust(6, "0"))
    time = (int(hour or 0), int(minute or 0), int(second or 0), micros)
    return datetime(int(year), int(month), int(day), *time, tzinfo=zone)


def _in_words(found: re.Match[str]) -> datetime | None:
    named = (found[2] or found[3]).lower()
    numbers = [
        number
        for number, month in enumerate(_MONTHS, start=1)
        if named in (month, month[:3]) or (named == "sept" and number == 9)
    ]
    day = int(found[1] or found[4])
    return datetime(int(found[5]), numbers[0], day) if numbers else None  # noqa: DTZ001 - the caller's zone
