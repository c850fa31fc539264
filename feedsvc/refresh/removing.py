"""Files that are gone → stories that are removed, or held until somebody confirms their removal.

Must not know how files are read. `domain.removals` decides how many are too many, by what the store has of
the last minute, so that all refreshers of a store count together.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import structlog
from sqlalchemy import Connection

from feedsvc.changes import apply
from feedsvc.changes.apply import IncomingChange
from feedsvc.domain.model import Change, to_micros
from feedsvc.domain.removals import RemovalLimit, is_allowed, moves
from feedsvc.domain.selection import Rules
from feedsvc.loading import walk
from feedsvc.loading.generators import Site
from feedsvc.refresh.read_pool import FILES_A_BATCH
from feedsvc.store import articles, conditions, removals, sources
from feedsvc.store.engine import Store
from feedsvc.store.sources import Source
from feedsvc.util.repeated_faults import Faults

log = structlog.get_logger(__name__)

MISSING = "content-missing"


class _Decision(NamedTuple):
    """The paths to forget, whose stories are removed, and how many stories are held instead."""

    going: list[str]
    held: int


class Remover:
    """Removes the stories of files that are gone below `root`, up to `limit`. `clock` returns aware UTC."""

    def __init__(
        self,
        store: Store,
        root: Path,
        site: Site,
        rules: Rules,
        limit: RemovalLimit,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._root = root
        self._site = site
        self._rules = rules
        self._limit = limit
        self._clock = clock
        self._missing: bool | None = None
        self._faults = Faults(log)
        self.is_untold = False
        """Whether stories that were held no longer are, and the condition doesn't say so yet."""

    # -- the content folder -------------------------------------------------------------------------------

    def is_folder_there(self, *, surely: bool = False) -> bool:
        """Whether the content folder exists; if not, a condition is set, and nothing must be removed.

        A missing folder is not an empty one: a disk that isn't mounted must not empty the feeds. With
        `surely`, the condition is read from the store first, as another process may have set it.
        """
        why = why_missing(self._root)
        if why:
            told = str(self._root)
            self._faults.failed("folder", "content_folder_missing", why, is_error=True, path=told)
        else:
            self._faults.over("folder")
        if surely or bool(why) != self._missing:
            if bool(why) != self._is_told(MISSING):
                with self._store.write() as tx:
                    tell_folder(tx, self._root, why, self._clock())
            self._missing = bool(why)
        return not why

    def _is_told(self, condition: str) -> bool:
        with self._store.read() as connection:
            return any(one.name == condition for one in conditions.current(connection))

    # -- what is gone -------------------------------------------------------------------------------------

    def remove(
        self,
        gone: Sequence[str],
        allowed: tuple[str, ...],
        load_again: Callable[[Sequence[str]], None],
        go_on: Callable[[], bool],
    ) -> tuple[int, int]:
        """Remove or hold the stories of files that a scan found gone; returns how many of each.

        Stories at or below one of the `allowed` paths are removed however many they are. `load_again` is
        called with the paths that waited in quarantine for an id that became free. `go_on` is called between
        two transactions, and says whether to go on: the next scan finds the rest gone. Whether stories are
        held is decided once, for all files together.
        """
        with self._store.read() as connection:
            known = sources.at(connection, gone)
        # Another process may have loaded a file after this one listed its folder: that isn't gone.
        absent = self._absent([path for path, row in known.items() if not self._stays(row, allowed)])
        if not absent or why_missing(self._root):
            return 0, 0
        ids = [row.article_id for path in absent if (row := known[path]).article_id]
        with self._store.read() as connection:
            waiting = sources.waiting_for(connection, ids)
        load_again(waiting)  # files with the same id: where one of them loads, the story isn't gone
        with self._store.write() as tx:
            articles.lock(tx, ids)
            removals.lock(tx)
            decision = self._decide(tx, absent, allowed)
            self.is_untold = self.is_untold or any(known[path].missing_since for path in decision.going)
            first, rest = decision.going[:FILES_A_BATCH], decision.going[FILES_A_BATCH:]
            removed, waiting = self._forget(tx, first)
        load_again(waiting)
        for start in range(0, len(rest), FILES_A_BATCH):
            if not go_on():
                break
            some = self._absent(rest[start : start + FILES_A_BATCH])
            with self._store.write() as tx:
                more, waiting = self._forget(tx, some)
            removed += more
            load_again(waiting)
        return removed, decision.held

    def _stays(self, row: Source, allowed: tuple[str, ...]) -> bool:
        """Whether it was decided earlier that a file's story stays."""
        is_held = row.missing_since is not None and row.article_id is not None
        return is_held and not self._limit.is_off and not is_allowed(row.path, allowed)

    def _absent(self, paths: Sequence[str]) -> list[str]:
        return [path for path in paths if self._is_absent(path)]

    def _is_absent(self, path: str) -> bool:
        """Whether a file surely doesn't exist; False while its folder may not be read, or its disk fails."""
        try:
            os.lstat(f"{self._root}/{path}")
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        found = next(walk.walk(self._root, path, self._site), None)
        # A folder that could not be read is recorded like a file; once it can be read, it is no file.
        return found is None or (found.path != path and not found.unreadable)

    def _decide(self, tx: Connection, absent: Sequence[str], allowed: tuple[str, ...]) -> _Decision:
        now = self._clock()
        known = sources.at(tx, absent)
        in_doubt = {
            path: row
            for path, row in _losing(tx, known).items()
            if row.missing_since is None and not is_allowed(path, allowed)
        }
        held = set() if self._limit.is_off else self._to_hold(tx, in_doubt, now)
        going = [path for path, row in known.items() if path not in held and not self._stays(row, allowed)]
        if held:
            removals.hold(tx, held, now)
            number = removals.tell(tx, now)
            log.error("removals_held", gone=len(held), held=number, confirm=removals.CONFIRM)
        return _Decision(going, len(held))

    def _to_hold(self, tx: Connection, gone: Mapping[str, Source], now: datetime) -> set[str]:
        """The paths whose stories are held; if none, removals are recorded, and count for a minute."""
        if not gone:
            return set()
        moved = _moved(tx, gone, now)
        live = removals.live(tx, [str(row.article_id) for row in gone.values()], now)
        its_ids = {str(gone[path].article_id) for path in moved}
        of_moved, live = len(live & its_ids), live - its_ids
        lately = {one.article_id for one in removals.lately(tx, now)}
        before = lately | removals.held_lately(tx, now)
        enough = self._limit.enough_to_know(len(before | live))
        there = removals.count_live(tx, now, enough + of_moved) if enough else of_moved
        published = there - of_moved + len(lately)  # as before that minute; a moved story counts once
        is_any_left = len(live) < 2 or removals.is_any_left(tx, list(gone), now)
        number = len(live - before)
        if self._limit.holds(number, before=len(before), published=published, is_any_left=is_any_left):
            return set(gone) - moved
        counted = [row for path, row in gone.items() if path not in moved and row.article_id in live]
        removals.note(tx, counted, now)
        return set()

    def _forget(self, tx: Connection, paths: Sequence[str]) -> tuple[int, list[str]]:
        """Forget files and remove their stories; returns how many, and the paths that wait for their ids."""
        owned = [row.article_id for row in sources.at(tx, paths).values() if row.article_id]
        sources.forget(tx, paths)
        return remove_unowned(tx, owned, self._rules, self._clock()), sources.waiting_for(tx, owned)

    # -- what is there again ------------------------------------------------------------------------------

    def take_back(self, paths: Sequence[str]) -> None:
        """Record held files as there again, unchanged."""
        if paths:
            with self._store.write() as tx:
                removals.returned(tx, paths)
            self.is_untold = True

    def tell(self, *, surely: bool = False) -> None:
        """Set or clear the condition that stories are held, if that changed.

        With `surely`, what is held is read from the store first, as another process may have changed it.
        """
        if surely:
            with self._store.read() as connection:
                is_any_held = removals.is_any_held(connection)
            self.is_untold = is_any_held or self._is_told(removals.HELD)
        if self.is_untold:
            with self._store.write() as tx:
                removals.tell(tx, self._clock())
            self.is_untold = False


def found_again(tx: Connection, arrived: Collection[Source], now: datetime) -> list[str]:
    """Forget the held files whose stories were just found elsewhere: by their id, or by the same bytes.

    Returns the ids of the stories that these files owned. `arrived` are the files that have just been loaded;
    one that was first found with its bytes at `now` may replace one that is gone. A story that was removed in
    the last minute and is found in this way no longer counts as removed.
    """
    if not removals.is_any_gone(tx):
        return []
    removals.lock(tx)
    ids = {one.article_id for one in arrived if one.article_id}
    new = {one.path: one.fingerprint or "" for one in arrived if one.found_at == to_micros(now)}
    held = removals.held_like(tx, list(ids), list(set(new.values()) - {""}))
    lately = {one.path: one for one in removals.lately(tx, now)}
    owned = {path: row.article_id for gone in (lately, held) for path, row in gone.items()}
    same_id = {path for path, article_id in owned.items() if article_id in ids}
    known = {owned[path] for path in same_id}
    accounted = {one.path for one in arrived if one.article_id in known}
    again = set(same_id)
    for gone in (held, lately):  # held ones first: they would stay published beside the copy at the new path
        old = {path: row.fingerprint or "" for path, row in gone.items() if path not in same_id}
        pairs = moves(old, {path: new[path] for path in new.keys() - accounted})
        accounted |= set(pairs.values())
        again |= pairs.keys()
    removals.account_for(tx, list(accounted))
    removals.discount(tx, list(again & lately.keys()))
    forgotten = sorted(again & held.keys())
    sources.forget(tx, forgotten)
    return [row.article_id for path in forgotten if (row := held[path]).article_id]


def remove_unowned(tx: Connection, ids: Sequence[str], rules: Rules, now: datetime) -> int:
    """Remove those of the stories that no file owns any more and that were not pushed; returns how many."""
    owned = sources.owners(tx, ids).keys() | sources.ingested(tx, ids)
    gone = articles.get_many(tx, [article_id for article_id in ids if article_id not in owned])
    apply.apply(tx, [IncomingChange(Change(one, None), now) for one in gone.values()], rules, now)
    return len(gone)


def tell_folder(tx: Connection, root: Path, why: str, now: datetime) -> None:
    """Set the condition that the content folder is missing, or clear it if there is no reason `why`."""
    if why:
        told = f"{root}: {why}; its stories stay published, and no file is read until it is back"
        conditions.put(tx, MISSING, told, now)
    else:
        conditions.clear(tx, MISSING)


def why_missing(root: Path) -> str:
    """Why there is no content folder to scan; empty if there is one."""
    try:
        return "" if root.is_dir() else "there is no such folder"
    except OSError as error:  # a network disk that has gone
        return error.strerror or str(error)


def _moved(tx: Connection, gone: Mapping[str, Source], now: datetime) -> set[str]:
    """The paths among `gone` whose bytes were found at another path in the minute before.

    A new file replaces one old file only, and is recorded as no longer new.
    """
    pairs = moves({path: row.fingerprint or "" for path, row in gone.items()}, removals.found_lately(tx, now))
    removals.account_for(tx, list(pairs.values()))
    return set(pairs)


def _losing(tx: Connection, gone: Mapping[str, Source]) -> dict[str, Source]:
    """Those of the files in `gone` whose story no other file has and that was not pushed."""
    ids = [row.article_id for row in gone.values() if row.article_id]
    owners = sources.owners(tx, ids)
    elsewhere = {one for one, paths in owners.items() if any(path not in gone for path in paths)}
    kept = elsewhere | sources.ingested(tx, ids)
    return {path: row for path, row in gone.items() if row.article_id and row.article_id not in kept}
