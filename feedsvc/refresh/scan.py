"""Files → articles: scans the folder of stories, and loads what changed into the store.

Must not know how feeds are built: it marks the feeds that a change affects dirty, in the same transaction.
"""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path

import structlog
from sqlalchemy import Connection

from feedsvc.changes import apply
from feedsvc.changes.apply import IncomingChange
from feedsvc.domain.model import Article, Change, Rejected, to_micros, versioned
from feedsvc.domain.removals import RemovalLimit
from feedsvc.domain.selection import Rules
from feedsvc.loading import walk
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.settling import Settling
from feedsvc.loading.walk import FoundFile
from feedsvc.refresh import read_pool
from feedsvc.refresh.changed_files import Look, Looking, NamedLook
from feedsvc.refresh.claims import Claims
from feedsvc.refresh.holding import Holding, is_not_read
from feedsvc.refresh.load_report import LoadReport
from feedsvc.refresh.overtaking import Overtaking
from feedsvc.refresh.read_pool import FILES_A_BATCH, Outcome, ReadRules, Ready
from feedsvc.refresh.removing import Remover, found_again, remove_unowned
from feedsvc.store import articles, representations, sources
from feedsvc.store.articles import ArticleWrite
from feedsvc.store.engine import Store
from feedsvc.store.sources import Seen, Source

log = structlog.get_logger(__name__)

_BATCHES_A_TRANSACTION = 4  # in a first load: each waits for the disk at its end
_PAGE = 5_000  # files that are looked up in one query
_TELL_SECONDS = 5.0  # between two log events on the progress of a long load
_Outcomes = Mapping[str, tuple[FoundFile, Ready | Rejected]]
"""The outcomes of reading files, by path."""

_STAYS = "; the last good version of the story stays published"
_HELD_BACK = "; the story's last good version is held back, too"
_UNREADABLE = "its file is in quarantine, and may be meant to hold it back"


class Intake:
    """Scans the folder `root` and loads what changed. `clock` returns aware UTC.

    A file that may be half written is left out, and noted in `settling`: its last complete version stays
    published. Urgent work overtakes long work (see `overtaking`). Once `stopped` is set, the work under way
    ends after its present transaction.
    """

    def __init__(
        self,
        store: Store,
        root: Path,
        load_rules: LoadRules,
        rules: Rules,
        clock: Callable[[], datetime],
        stopped: threading.Event,
        limit: RemovalLimit,
        settling: Settling,
        overtaking: Overtaking,
    ) -> None:
        self._store = store
        self._root = root
        self._read_rules = ReadRules(root.absolute(), load_rules, rules.customs, settling.settle)
        self._site = load_rules.site
        self._holding = Holding(root, settling)
        self._claims = Claims(root, self._read_rules, rules.site, self._holding)
        self._rules = rules
        self._clock = clock
        self._stopped = stopped
        self._overtaking = overtaking
        self._filling = False
        self._forced = False
        self._linked: set[str] = set()  # the files that were found through a symbolic link
        self._remover = Remover(store, root, load_rules.site, rules, limit, clock)
        self._allowed: tuple[str, ...] = ()

    @property
    def is_filling(self) -> bool:
        """Whether the first load of a store is under way: its feeds are made once, at the end."""
        return self._filling

    def apply_again(self, tx: Connection) -> None:
        """Rebuild all memberships, as custom feeds are defined now. First in `tx`: other writers wait."""
        articles.lock_all(tx)
        every = articles.each(tx)
        while some := list(islice(every, FILES_A_BATCH)):
            changes = [apply.application(Change(one, one), self._rules) for one in some]
            articles.apply(tx, changes, self._clock())

    def scan(
        self,
        on_read: Callable[[int], None] | None = None,
        *,
        force: bool = False,
        allowed: tuple[str, ...] = (),
    ) -> LoadReport:
        """Scan the whole folder of stories and load what changed.

        A file whose size and time have not changed is not read. `on_read` is called with the number of files
        read. With `force`, files take over the ids of stories that were pushed, including files in quarantine
        for that reason. Below the `allowed` paths (`""` is the folder itself), stories whose files are gone
        are removed however many they are.
        """
        report = LoadReport()
        if not self._remover.is_folder_there(surely=True):
            return report
        with self._store.read() as connection:
            self._filling = representations.is_empty(connection)
        self._forced, self._allowed = force, allowed
        try:
            with self._overtaking.long_work():
                self._bring_in([self._look()], report, on_read, wait=True)
            if force:
                with self._store.read() as connection:
                    waiting = sources.waiting_for_pushed(connection)
                self._load_again(waiting, report)
        finally:
            self._filling = self._forced = False
            self._allowed = ()
        self._remover.tell(surely=True)
        report.tell()
        return report

    def scan_changed(self, paths: Collection[Path]) -> LoadReport:
        """Load the files at these paths, those read before first, then what changed in the folders at them.

        A file that is named is read even if its size and time have not changed.
        """
        report = LoadReport()
        if not self._remover.is_folder_there():
            return report
        with self._overtaking.long_work():
            files, folders = self._named(paths)
            self._overtaking.note([*files, *folders])
            self._bring_in([self._look_at(files), *map(self._look, folders)], report)
        self._remover.tell()
        report.tell()
        return report

    def _named(self, paths: Collection[Path]) -> tuple[list[str], list[str]]:
        """The files and the folders that these paths name below the folder of stories, each once."""
        places: dict[str, bool] = {}
        for path in self._overtaking.each(paths):
            story = walk.story_path(self._root, path, self._site)
            if story is not None and story not in places:
                places[story] = os.path.isdir(self._root / story)
        for story in sorted(self._aliases(paths)):
            places.setdefault(story, os.path.isdir(self._root / story))
        return [one for one in places if not places[one]], [one for one in places if places[one]]

    def _load_fresh(self, report: LoadReport) -> None:
        """Try again to load the files that were left out, when those that nobody writes to have settled."""
        if report.unsettled and self._overtaking.wait(self._holding.seconds):
            self._load_again(sorted(report.unsettled), report)

    def _look(self, under: str = "") -> Look:
        found = self._overtaking.each(walk.walk(self._root, under, self._site))
        return Look(found, self._seen(under))

    def _look_at(self, files: Sequence[str]) -> NamedLook:
        seen: dict[str, Seen] = {}
        for start in range(0, len(files), _PAGE):
            with self._store.read() as connection:
                seen |= sources.seen_at(connection, files[start : start + _PAGE])
        return NamedLook(files, seen, self._found, self._seen, self._overtaking.each)

    def _found(self, path: str) -> Iterable[FoundFile]:
        return walk.walk(self._root, path, self._site)

    def _seen(self, under: str) -> Iterator[Seen]:
        """The files read before, by pages: one long transaction would keep SQLite's WAL from being reset."""
        after = ""
        while True:
            with self._store.read() as connection:
                page = sources.seen(connection, under, after)
            if not page:
                return
            yield from page
            after = page[-1].path

    def _aliases(self, paths: Collection[Path]) -> set[str]:
        """The linked files at or below what changed: a watcher reports the target of a link, not the link."""
        if not self._linked:
            return set()
        real = {os.path.realpath(path) for path in self._overtaking.each(paths)}
        return {linked for linked in self._linked if real & _with_parents(self._root / linked)}

    def _bring_in(
        self,
        looks: Sequence[Looking],
        report: LoadReport,
        on_read: Callable[[int], None] | None = None,
        *,
        wait: bool = False,
    ) -> None:
        """Load what scans find changed, then remove what they find gone: a moved file is loaded first.

        With `wait`, it waits before the removal for files that have just changed: one may be the copy of a
        file that is gone.
        """
        gone: list[str] = []
        for look in looks:
            if not self._load_changed(look, report, on_read):
                return  # the scan is not complete: a file that it has not found may exist
            self._linked |= look.linked
            self._remover.take_back(look.returned)
            gone += look.gone
        if wait:
            self._load_fresh(report)
        if gone and self._overtaking.pause():
            self._holding.are_gone(gone)
            removed, held = self._remover.remove(
                gone,
                self._allowed,
                lambda paths: self._load_again(paths, report),
                self._overtaking.pause,
            )
            report.removed += removed
            report.held += held

    def _load_changed(self, look: Looking, report: LoadReport, on_read: Callable[[int], None] | None) -> bool:
        """Load what a scan finds changed; returns whether it was completed."""
        began = told = time.monotonic()
        changed = self._holding.readable(look.changed(), report.unsettled)
        batches = read_pool.outcomes(self._read_rules, changed, self._overtaking.pause)
        at_once = _BATCHES_A_TRANSACTION if self._filling else 1
        while outcomes := list(chain.from_iterable(islice(batches, at_once))):
            if self._stopped.is_set():
                return False
            self._load(outcomes, report, began)
            if on_read:
                on_read(report.read)
            if time.monotonic() > told + _TELL_SECONDS:
                told = time.monotonic()
                log.info("stories_loading", read=report.read)
            self._overtaking.pause()
        return not self._stopped.is_set()

    def _load(self, outcomes: Sequence[Outcome], report: LoadReport, began: float) -> None:
        """Load a batch, with what was known of its files after `began` (monotonic seconds)."""
        news = [one for one in outcomes if not self._overtaking.has_overtaken(one[0].path)]
        whole = self._holding.whole(news, report.unsettled)
        untold = self._without_repeated(whole)
        waiting: list[str] = []
        if untold:
            report.read += len(untold)
            with self._store.write(repeatable=self._filling) as tx:  # the files are there to be read again
                waiting = self._accept(tx, untold, report)
        self._holding.were_read((file for file, _ in whole.values()), began)
        self._load_again(waiting, report)

    def _without_repeated(self, outcomes: _Outcomes) -> _Outcomes:
        """The outcomes without files that, again, can't be read for the reason they are in quarantine for."""
        failed = {path: one.reason for path, (_, one) in outcomes.items() if is_not_read(one)}
        if not failed:
            return outcomes
        with self._store.read() as connection:
            told = sources.reasons(connection, list(failed))
        return {
            path: outcome
            for path, outcome in outcomes.items()
            if path not in failed or not told.get(path, "").startswith(failed[path])
        }

    def _accept(self, tx: Connection, outcomes: _Outcomes, report: LoadReport) -> list[str]:
        """Write the outcomes of a batch; returns the quarantined paths that wait for an id now free."""
        before = sources.at(tx, list(outcomes))
        owned_before = {path: source.article_id for path, source in before.items() if source.article_id}
        articles.lock(tx, [one.placed.id for _, one in outcomes.values() if isinstance(one, Ready)])
        accepted, rejected = self._claims.settle(
            tx, [outcome for _, outcome in outcomes.values()], forced=self._forced
        )
        rejected = [_with_what_stays(one) if one.path in owned_before else one for one in rejected]
        suspected = [owned_before[one.path] for one in rejected if one.may_hold and one.path in owned_before]
        report.changed += self._hold_back(tx, suspected)
        owned = owned_before | {one.path: one.placed.id for one in accepted}
        now = self._clock()
        read = {
            path: self._source(file, outcome, owned.get(path), before.get(path), now)
            for path, (file, outcome) in outcomes.items()
        }
        sources.remember(tx, read.values())
        sources.release(tx, [one.path for one in accepted])
        sources.put_in_quarantine(tx, rejected, now)
        given_up = [article_id for path, article_id in owned_before.items() if owned[path] != article_id]
        report.changed += self._apply(tx, [(outcomes[one.path][0], one) for one in accepted])
        again = found_again(tx, [read[one.path] for one in accepted], now)
        given_up += again
        if again or any(source.missing_since for source in before.values()):
            self._remover.is_untold = True
        report.removed += remove_unowned(tx, given_up, self._rules, now)
        report.add(accepted, rejected)
        return sources.waiting_for(tx, given_up)

    def _source(
        self,
        file: FoundFile,
        outcome: Ready | Rejected,
        owns: str | None,
        before: Source | None,
        now: datetime,
    ) -> Source:
        """The record of a file that was read; it is new if its bytes are, except in a first load.

        A file that could not be read is recorded so that the next scan reads it again.
        """
        if is_not_read(outcome):
            known = before or Source(file.path, file.size, 0, owns)
            return known._replace(size=file.size, mtime_ns=sources.NOT_READ, missing_since=None)
        fingerprint = outcome.fingerprint if isinstance(outcome, Ready) else ""
        is_known = self._filling if before is None else before.fingerprint in {None, fingerprint}
        found_at = (before.found_at if before else 0) if is_known else to_micros(now)
        return Source(file.path, file.size, file.stamp, owns, fingerprint, found_at)

    def _load_again(self, paths: Sequence[str], report: LoadReport) -> None:
        began = time.monotonic()
        files = [file for path in paths for file in walk.walk(self._root, path, self._site)]
        for outcomes in read_pool.outcomes(self._read_rules, self._holding.readable(files, report.unsettled)):
            self._load(outcomes, report, began)

    def _apply(self, tx: Connection, found: Sequence[tuple[FoundFile, Ready]]) -> int:
        ids = [ready.placed.id for _, ready in found]
        known = articles.digests(tx, ids)
        gone = apply.gone_before(tx, ids)
        new = [
            ready.placed for _, ready in found if ready.plain and ready.placed.id not in known.keys() | gone
        ]
        changes = [ArticleWrite(one.id, one, one.keys) for one in new]
        written = {one.id for one in new}
        others = [
            (file, ready.article)
            for file, ready in found
            if ready.placed.id not in written
            and (known.get(ready.placed.id) != ready.placed.digest or not ready.plain)
        ]
        changes += self._replacements(tx, others)
        articles.apply(tx, changes, self._clock(), filling=self._filling)
        return len(changes)

    def _hold_back(self, tx: Connection, ids: Sequence[str]) -> int:
        """Hold back stories whose file can't be loaded, but may ask for that; returns how many."""
        there = articles.get_many(tx, ids).values()
        now = self._clock()
        changes = [
            Change(one, versioned(replace(one, status="draft", held_by=_UNREADABLE)))
            for one in there
            if one.status == "published"
        ]
        apply.apply(tx, [IncomingChange(change, now) for change in changes], self._rules, now)
        return len(changes)

    def _replacements(self, tx: Connection, found: Sequence[tuple[FoundFile, Article]]) -> list[ArticleWrite]:
        """The changes of stories that existed before, or whose date or end depends on the earlier version."""
        old = articles.get_many(tx, [article.id for _, article in found])
        arrivals: list[IncomingChange] = []
        for file, article in found:
            before = old.get(article.id)
            dated = _dated(article, before, file)
            if before is None or before.digest != dated.digest:
                arrivals.append(IncomingChange(Change(before, dated), _modified(file)))
        return apply.prepared(tx, arrivals, self._rules, self._clock())


def _with_parents(path: Path) -> set[str]:
    target = Path(os.path.realpath(path))
    return {str(place) for place in (target, *target.parents)}


def _dated(article: Article, before: Article | None, file: FoundFile) -> Article:
    """The article; a correction without a date of its own sets `updated` to the file's time, once.

    Readers are to see that the story changed.
    """
    if not article.correction or article.updated > article.published:
        return article
    kept = before is not None and before.correction == article.correction
    when = before.updated if before and kept else max(_modified(file), article.published)
    return versioned(replace(article, updated=when))


def _modified(file: FoundFile) -> datetime:
    return datetime.fromtimestamp(file.mtime_ns // 1_000_000_000, UTC)


def _with_what_stays(rejected: Rejected) -> Rejected:
    return replace(rejected, reason=rejected.reason + (_HELD_BACK if rejected.may_hold else _STAYS))
