"""Dates as feedsvc does not take them for a story's own, and a person may mean them all the same.

Pure: `20270101`, Unix time, `01/02/2027`, `2027-01`, `autumn 2027`. They hold a story back under a key that
feedsvc does not know; none lets one out.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from feedsvc.loading import dates

_LONGEST: Final = 100
_DIGITS: Final = re.compile(r"[0-9]{4,19}")
_YEAR_FIRST: Final = re.compile(r"(?<!\d)(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)", re.ASCII)
_YEAR_LAST: Final = re.compile(r"(?<!\d)(\d{1,2})([-/. ]|\. )(\d{1,2})\2(\d{4}|\d{2})(?!\d)", re.ASCII)
_MONTH: Final = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})(?!\d)", re.ASCII)
_YEAR: Final = re.compile(r"(?<!\d)((?:19|20|21)\d\d)(?!\d)", re.ASCII)
_UNIX: Final = {9: 1, 10: 1, 13: 10**3, 16: 10**6, 19: 10**9}
"""Digits of Unix time → its ticks a second."""
_FORMS: Final = {
    4: ("%Y",),
    6: ("%Y%m",),
    8: ("%Y%m%d", "%d%m%Y"),
    12: ("%Y%m%d%H%M",),
    14: ("%Y%m%d%H%M%S",),
}
_DAY: Final = timedelta(days=1)


def latest(value: object, zone: ZoneInfo, *, names_day: bool = False) -> datetime | None:
    """The latest instant (aware UTC) that text or a number may mean as a date; None if it is none.

    `01/02/2027` is one of two days, and a day with words behind it may be any hour of it. With `names_day`,
    years and months count for nothing: `release: 2027.1` is a version.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
    if len(text) > _LONGEST:
        return None
    if _DIGITS.fullmatch(text):
        found = list(_of_digits(text)) if len(text) >= 8 or not names_day else []
    else:
        found = [day + _DAY for day in _days(text)] or ([] if names_day else list(_months_and_years(text)))
    moments = [made for moment in found if (made := dates.instant(moment, zone))]
    return max(moments, default=None)


def _of_digits(text: str) -> Iterator[datetime]:
    if ticks := _UNIX.get(len(text)):
        yield datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC")) + timedelta(seconds=int(text) // ticks)
    for form in _FORMS.get(len(text), ()):
        try:
            moment = datetime.strptime(text, form)  # noqa: DTZ007 - the caller's zone
        except ValueError:
            continue
        if 1970 <= moment.year < 2200:
            yield moment


def _days(text: str) -> Iterator[datetime]:
    for year, _, month, day in _YEAR_FIRST.findall(text):
        yield from _made(year, month, day)
    for first, _, second, year in _YEAR_LAST.findall(text):
        whole = year if len(year) == 4 else f"20{year}"
        yield from _made(whole, second, first)
        yield from _made(whole, first, second)


def _months_and_years(text: str) -> Iterator[datetime]:
    for year, month in _MONTH.findall(text):
        yield from _made(year, month, "1")
        if text == f"{year}{text[4]}{month}":
            return
    for year in _YEAR.findall(text):
        yield from _made(year, "12", "31")


def _made(year: str, month: str, day: str) -> Iterator[datetime]:
    try:
        yield datetime(int(year), int(month), int(day))  # noqa: DTZ001 - the caller's zone
    except ValueError:
        return
