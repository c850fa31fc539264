"""The service's conditions, as its store shows them: those set there, and those that follow from its figures.

Must not know who asks. What the store can't show, such as that it is gone, the caller has to detect.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from feedsvc.store import conditions, dirty, trouble
from feedsvc.store.conditions import Condition
from feedsvc.store.engine import Store
from feedsvc.store.meta import read_meta

REFRESHED_AT: Final = "refreshed_at"
SILENT: Final = "refresher-silent"
LATE: Final = "feeds-late"
_LATE_AFTER: Final = timedelta(minutes=1)
_MISSED: Final = 3
"""A refresher that missed this many of its intervals counts as silent."""


def within(refresh: int) -> timedelta:
    """How long ago a healthy refresher may have run last; `refresh` is its interval in seconds."""
    return timedelta(seconds=_MISSED * refresh)


def standing(store: Store, connection: Connection, now: datetime, fresh_within: timedelta) -> list[Condition]:
    """Every present condition, by name. `now` is aware UTC.

    The refresher counts as silent if it did not run within `fresh_within`. Raises what reading the store
    raises.
    """
    found = conditions.current(connection)
    ran = refreshed_at(connection)
    if ran is not None and now - ran > fresh_within:
        found.append(Condition(SILENT, _silent(now - ran, fresh_within), ran))
    number, oldest = dirty.backlog(connection)
    if oldest is not None and now - oldest > _LATE_AFTER:
        found.append(Condition(LATE, _late(number, now - oldest), oldest))
    if found_wrong := _unwritable(store, connection):
        found.append(Condition(found_wrong.condition, f"{store.shown}: {found_wrong.words}", now))
    return sorted(found)


def refreshed_at(connection: Connection) -> datetime | None:
    """When the refresher last finished publishing the dirty feeds (aware UTC); None if it never did."""
    value = read_meta(connection, REFRESHED_AT)
    return datetime.fromisoformat(value) if value else None


def is_filled(connection: Connection) -> bool:
    """Whether the store's feeds have been published completely at least once."""
    return refreshed_at(connection) is not None


def _unwritable(store: Store, connection: Connection) -> trouble.Trouble | None:
    if store.file is not None:
        return trouble.of_file(store.file)
    setting = connection.execute(select(func.current_setting("transaction_read_only"))).scalar()
    return trouble.READ_ONLY_SERVER if setting == "on" else None


def _silent(since: timedelta, within: timedelta) -> str:
    return (
        f"the refresher last ran {since.total_seconds():.0f} s ago, and should within"
        f" {within.total_seconds():.0f} s; see that `feedsvc serve` or `feedsvc worker` runs and is not"
        " suspended, and what its log says"
    )


def _late(number: int, since: timedelta) -> str:
    feeds = "1 feed waits" if number == 1 else f"{number:,} feeds wait"
    return (
        f"{feeds} to be published, the longest for {since.total_seconds():.0f} s; unless very many stories"
        " have just come, the refresher's log says why (job_failed, feed_not_built)"
    )
