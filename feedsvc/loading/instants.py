"""The dates of a story: when it was first published, from and until when it may be seen.

Pure: knows these keys and their precedence; how a date is written is in `dates`.
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
    """When the story was first published: what is written, else the date in the file's name.

    Raises FieldError for what is no date, FrontMatterError if a story that is out has none.
    """
    if written:
        return instant_of(written, zone)
    if moment := dates.instant(place.day, zone):
        return max(moment, BEGINNING)
    if status == "published":
        raise FrontMatterError(1, f"no date; {A_DATE} after date:", "date-missing")
    return BEGINNING


def first_published(found: FrontMatter) -> Written | None:
    """What the story's date is written under, if it is."""
    return next(iter(_dated(found, *KEYS["published"])), None)


def updated(found: FrontMatter, zone: ZoneInfo, published: datetime) -> datetime:
    """When the story was last changed: never before it was published."""
    written = found.first(*KEYS["updated"])
    return max(instant_of(written, zone), published) if written else published


def embargo(found: FrontMatter, zone: ZoneInfo, published: datetime) -> datetime | None:
    """The latest of the instants before which some key wants the story kept back: a story never leaks."""
    dated = [moment for moment in _instants(found, zone, *KEYS["published"]) if moment > published]
    return max([*_instants(found, zone, *KEYS["embargo"]), *dated], default=None)


def expires(found: FrontMatter, zone: ZoneInfo) -> datetime | None:
    """The earliest of the instants from which some key wants the story gone."""
    return min(_instants(found, zone, *KEYS["expires"]), default=None)


def is_no_date(written: Written) -> bool:
    """Whether what stands under `published` is a flag or a status: Jekyll's `published: false`."""
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
    """A date as aware UTC. Raises FieldError for what is none, or lies before 1970."""
    moment = dates.instant(written.value, zone)
    if moment is None:
        raise written.unfit(f"is not a date; {A_DATE}", "date-invalid")
    if moment < BEGINNING:
        raise written.unfit("is before 1970; write a later date", "date-too-early")
    return moment
