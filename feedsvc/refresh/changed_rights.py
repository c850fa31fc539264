"""Rights reduced by the configuration → revocations of what partners hold and may no longer have.

Must not know feeds' bytes. It goes through the delivery log some stories at a time, and records its
progress in the store: after a restart it continues from there, and memory does not grow with the log.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from feedsvc.changes import apply
from feedsvc.domain import revocation, selection
from feedsvc.domain.model import Article, CustomFeed
from feedsvc.domain.revocation import Given
from feedsvc.domain.rights import Audience, Revocation
from feedsvc.domain.selection import Rules
from feedsvc.store import articles, deliveries, dirty, revocations
from feedsvc.store.engine import Store
from feedsvc.store.meta import read_meta, write_meta

log = structlog.get_logger(__name__)

_STORIES = 500  # in a page of the delivery log
_NOTED = 20  # pages after which progress is recorded, if none of them had anything to revoke
_TOLD = "rights_told"
_TELLING = "rights_telling"


@dataclass(frozen=True, slots=True)
class Rights:
    """What decides, besides the stories, which stories each partner may have."""

    audiences: tuple[Audience, ...]
    customs: tuple[CustomFeed, ...]

    def audience(self, name: str) -> Audience | None:
        """The audience of a partner; None if there is none of that name."""
        return next((one for one in self.audiences if one.name == name), None)


_RIGHTS: TypeAdapter[Rights] = TypeAdapter(Rights)


class ChangedRights:
    """Records what the present rights take from partners that hold it. `clock` returns aware UTC.

    Once `stopped` is set, the work under way ends after its present transaction.
    """

    def __init__(
        self, store: Store, rules: Rules, clock: Callable[[], datetime], stopped: threading.Event
    ) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock
        self._stopped = stopped
        self._now = Rights(tuple(one.audience for one in rules.partners), rules.customs)
        self._written = _RIGHTS.dump_json(self._now).decode()
        self._is_told = False
        self._lock = threading.Lock()

    def take_for_told(self, tx: Connection) -> None:
        """Record the present rights as processed, if no earlier ones are recorded to compare them with."""
        if read_meta(tx, _TOLD) is None:
            write_meta(tx, _TOLD, self._written)

    def tell(self, seconds: float | None = None) -> int:
        """Record what is revoked, for at most `seconds`; returns of how many stories.

        The feeds that have to say so are marked dirty. The next call goes on with what is left.
        """
        if self._is_told or not self._lock.acquire(blocking=False):
            return 0
        try:
            return self._tell(None if seconds is None else time.monotonic() + seconds)
        finally:
            self._lock.release()

    def _tell(self, deadline: float | None) -> int:
        with self._store.read() as connection:
            told = read_meta(connection, _TOLD)
            before = _parsed(told)
            after = self._begun(read_meta(connection, _TELLING))
        names = self._changed(before) if told != self._written else set()
        number = pages = 0
        while names and not self._stopped.is_set():
            with self._store.read() as connection:
                ids = deliveries.received(connection, after, _STORIES)
                found = self._revoked(connection, ids, names, before)
            if not ids:
                break
            after, pages = ids[-1], pages + 1
            if found or pages % _NOTED == 0:
                number += self._note(list(found), names, before, after)
            if deadline is not None and time.monotonic() > deadline:
                return number
        if self._stopped.is_set():
            return number
        if told != self._written:
            with self._store.write() as tx:
                write_meta(tx, _TOLD, self._written)
                write_meta(tx, _TELLING, "")
            if names:
                log.info("rights_told", partners=sorted(names), stories=number)
        self._is_told = True
        return number

    def _note(self, ids: Sequence[str], names: set[str], before: Rights | None, after: str) -> int:
        """Write the revocations of stories, determined anew under lock; record `after` as progress."""
        with self._store.write() as tx:
            found: dict[str, list[Revocation]] = {}
            if ids:
                articles.lock(tx, ids)
                found = self._revoked(tx, ids, names, before)
                dirty.mark(tx, apply.revoke(tx, found, self._rules), self._clock())
            write_meta(tx, _TELLING, json.dumps([self._written, after]))
        return len(found)

    def _begun(self, telling: str | None) -> str:
        """The id of the story up to which an earlier call got, under the same rights."""
        if not telling:
            return ""
        written, after = json.loads(telling)
        return str(after) if written == self._written else ""

    def _changed(self, before: Rights | None) -> set[str]:
        """The partners whose rights may have changed."""
        if before is None or before.customs != self._now.customs:
            return {one.name for one in self._now.audiences}
        return {one.name for one in self._now.audiences if before.audience(one.name) != one}

    def _revoked(
        self, connection: Connection, ids: Sequence[str], names: set[str], before: Rights | None
    ) -> dict[str, list[Revocation]]:
        """Story id → the revocations that are to be recorded, for stories where these differ from before."""
        places = deliveries.places_of(connection, ids)
        standing = revocations.of(connection, ids)
        stories = articles.get_many(connection, ids)
        found: dict[str, list[Revocation]] = {}
        for article_id, article in stories.items():
            if article.status != "published":
                continue  # a recall already says that it is gone
            noted = [one.revocation for one in standing.get(article_id, ())]
            holders = {partner for partner, _ in places.get(article_id, ())} & names
            others = [one for one in noted if one.audience not in holders]
            wanted = others + self._of(article, holders, noted, before)
            if set(wanted) != set(noted):
                found[article_id] = wanted
        return found

    def _of(
        self, article: Article, holders: set[str], noted: Sequence[Revocation], before: Rights | None
    ) -> list[Revocation]:
        keys = selection.keys_of(article, self._now.customs)
        keys_before = keys if before is None else selection.keys_of(article, before.customs)
        now = self._clock()
        wanted: list[Revocation] = []
        for name in sorted(holders):
            audience = self._now.audience(name)
            assert audience is not None
            had = before.audience(name) if before else None
            ended = article.expires is not None and article.expires <= now
            wanted += revocation.after(
                Given(article, had, keys_before) if had else None,
                Given(article, audience, keys),
                now,
                # If it isn't known under which rights the partner got the story, it counts as having had it;
                # but a story that has expired did so as announced, and is not revoked.
                had=had is None and not ended,
                standing=[one for one in noted if one.audience == name],
            )
        return wanted


def _parsed(told: str | None) -> Rights | None:
    if told is None:
        return None
    try:
        return _RIGHTS.validate_json(told)
    except ValidationError:  # written by another version of feedsvc
        return None
