"""The dates of a story: when it was published and updated, and from and until when it is visible.

Pure: knows these keys and their precedence; must not know how a date is written, which is in `dates`.
"""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from feedsvc.domain.model import BEGINNING, Status
from feedsvc.loading import dates
from feedsvc.loading.errors import FrontMatterError
from feedsvc.loading.front_matter import FrontMatter
from feedsvc.loading.keys import KEYS
from feedsvc.loading.path import Place
from feedsvc.loading.values import Written, as_flag
from feedsvc.loading.vocabulary import NEVER, status_of

A_DATE: Final = "write 2026-02-11 or 2026-02-11T14:00:00+01:00"


def published(written: Written | None, place: Place, status: Status, zone: ZoneInfo) -> datetime:
    """When the story was first published (aware UTC): the written date, else the date in the file's name.

    A story that is not published may lack a date, which is then `BEGINNING`. `zone` applies to a date without
    a zone. Raises FieldError for an invalid date, FrontMatterError if a published story has none.
    """
    if written:
        return instant_of(written, zone)
    if moment := dates.instant(place.day, zone):
        return max(moment, BEGINNING)
    if status == "published":
        raise FrontMatterError(1, f"no date; {A_DATE} after date:", "date-missing")
    return BEGINNING


def first_published(found: FrontMatter) -> Written | None:
    """The key and value of the story's date, from the first key that has one; None if no key has."""
    return next(iter(_dated(found, *KEYS["published"])), None)


def updated(found: FrontMatter, zone: ZoneInfo, published: datetime) -> datetime:
    """When the story was last changed (aware UTC), never before `published`. Raises FieldError."""
    written = found.first(*KEYS["updated"])
    return max(instant_of(written, zone), published) if written else published


def embargo(found: FrontMatter, zone: ZoneInfo, published: datetime) -> datetime | None:
    """The latest of all dates (aware UTC) before which a key holds the story back; None if there is none.

    A date of publication later than `published` counts, too, so that a story never leaks. Raises FieldError.
    """
    dated = [moment for moment in _instants(found, zone, *KEYS["published"]) if moment > published]
    return max([*_instants(found, zone, *KEYS["embargo"]), *dated], default=None)


def expires(found: FrontMatter, zone: ZoneInfo) -> datetime | None:
    """The earliest of all dates (aware UTC) from which a key removes the story; None if there is none.

    Raises FieldError.
    """
    return min(_instants(found, zone, *KEYS["expires"]), default=None)


def is_no_date(written: Written) -> bool:
    """Whether the value of `published` is a flag or a status, not a date: Jekyll's `published: false`."""
    if as_flag(written.value) is not None:
        return True
    return isinstance(written.value, str) and status_of(written.value) is not None


def _dated(found: FrontMatter, *names: str) -> list[Written]:
    flag_of_jekyll = found.first("published")
    return [
        written for written in found.all(*names) if written is not flag_of_jekyll or not is_no_date(written)
    ]


def _instants(found: FrontMatter, zone: ZoneInfo, *names: str) -> list[datetime]:
    return [instant_of(written, zone) for written in _dated(found, *names) if not _is_never(written)]


def _is_never(written: Written) -> bool:
    return isinstance(written.value, str) and written.value.strip().lower() in NEVER


def instant_of(written: Written, zone: ZoneInfo) -> datetime:
    """A date as aware UTC; `zone` applies if it has none. Raises FieldError if invalid or before 1970."""
    moment = dates.instant(written.value, zone)
    if moment is None:
        raise written.unfit(f"is not a date; {A_DATE}", "date-invalid")
    if moment < BEGINNING:
        raise written.unfit("is before 1970; write a later date", "date-too-early")
    return moment
