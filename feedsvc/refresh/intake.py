"""Files → articles: what changed in the folder of stories, brought into the store.

Knows nothing of how feeds are built: it marks those dirty that a change touches, in one transaction with it.
"""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path

import structlog
from sqlalchemy import Connection

from feedsvc import applying, reading, urls
from feedsvc.applying import Arrival
from feedsvc.loading import content
from feedsvc.loading.content import FoundFile
from feedsvc.loading.rules import LoadRules
from feedsvc.model import Article, Change, Loaded, Note, Rejected, versioned
from feedsvc.reading import FILES_A_BATCH, Outcome, ReadRules, Ready
from feedsvc.refresh.holding import Holding
from feedsvc.refresh.looking import Look
from feedsvc.selection import Rules
from feedsvc.settling import Settling
from feedsvc.store import articles, representations, sources
from feedsvc.store.articles import Application
from feedsvc.store.schema import Store
from feedsvc.store.sources import Seen, Source

log = structlog.get_logger(__name__)

_BATCHES_A_TRANSACTION = 4  # each waits for the disk at its end, and keeps other writers waiting until then
_TELL_SECONDS = 5.0  # between two words on how far a long load has come
_PUSHED = "give this one another, or have it take that story's place with `feedsvc refresh --force`"
_STAYS = "; the last good version of the story stays published"


@dataclass(slots=True)
class LoadReport:
    """What a look at story files found. Files that had not changed were not read.

    `unsettled` has the paths of those that changed and were not read, for they may be half written.
    """

    read: int = 0
    changed: int = 0
    removed: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[tuple[str, Note]] = field(default_factory=list)
    unsettled: set[str] = field(default_factory=set)

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to bring in."""
        return not (self.read or self.removed)


class _Looks:
    """Several looks as one, for what happened in several places."""

    def __init__(self, looks: Sequence[Look]) -> None:
        self._looks = looks

    def changed(self) -> Iterator[FoundFile]:
        return chain.from_iterable(look.changed() for look in self._looks)

    @property
    def gone(self) -> list[str]:
        return [path for look in self._looks for path in look.gone]

    @property
    def linked(self) -> set[str]:
        return set().union(*(look.linked for look in self._looks))


class Intake:
    """Looks through the folder `root` and applies what it finds. `clock` returns aware UTC.

    What may be half written is left out, and noted in `settling`: its last whole version stays published.
    Once `stopped` is set, the work under way ends after its present transaction.
    """

    def __init__(
        self,
        store: Store,
        root: Path,
        load_rules: LoadRules,
        rules: Rules,
        clock: Callable[[], datetime],
        stopped: threading.Event,
        settling: Settling,
    ) -> None:
        self._store = store
        self._root = root
        self._read_rules = ReadRules(root.absolute(), load_rules, rules.customs, settling.settle)
        self._holding = Holding(root, settling)
        self._rules = rules
        self._clock = clock
        self._stopped = stopped
        self._filling = False
        self._forced = False
        self._linked: set[str] = set()  # the files that were met by way of a link

    @property
    def is_filling(self) -> bool:
        """Whether the first load of a store is under way: then its feeds are made once, at the end."""
        return self._filling

    def apply_again(self, tx: Connection) -> None:
        """Make the memberships of every article anew, as when custom feeds are defined otherwise.

        The first thing in a transaction: who writes stories meanwhile waits for it.
        """
        articles.lock_all(tx)
        every = articles.each(tx)
        while some := list(islice(every, FILES_A_BATCH)):
            changes = [applying.application(Change(one, one), self._rules) for one in some]
            articles.apply(tx, changes, self._clock())

    def scan(self, on_read: Callable[[int], None] | None = None, *, force: bool = False) -> LoadReport:
        """Look through the whole folder of stories and load what changed.

        A file whose size and time are as they were is not read. `on_read` is told how many files were read.
        With `force`, files take over the ids of stories that were pushed, those that waited for them, too.
        """
        report = LoadReport()
        if not self._root.is_dir():
            # Not the same as an empty folder: a disk that isn't mounted must not empty the feeds.
            log.error("content_folder_missing", path=str(self._root))
            return report
        with self._store.read() as connection:
            self._filling = representations.is_empty(connection)
        self._forced = force
        try:
            self._bring_in(self._look(), report, on_read, wait=True)
            if force:
                with self._store.read() as connection:
                    waiting = sources.waiting_for_pushed(connection)
                self._load_again(waiting, report)
        finally:
            self._filling = self._forced = False
        _tell_of(report)
        return report

    def scan_changed(self, paths: Collection[Path]) -> LoadReport:
        """Load what something happened to. A file that is named is read whatever its time says."""
        report = LoadReport()
        if not self._root.is_dir():
            log.error("content_folder_missing", path=str(self._root))
            return report
        stories = {story for path in paths if (story := content.story_path(self._root, path)) is not None}
        stories |= self._aliases(paths)
        looks = [self._look(path, every=not (self._root / path).is_dir()) for path in sorted(stories)]
        self._bring_in(_Looks(looks), report)
        _tell_of(report)
        return report

    def _load_fresh(self, report: LoadReport) -> None:
        """Look again at what was left out, once it has been quiet if nobody writes to it."""
        if report.unsettled:
            self._stopped.wait(self._holding.seconds)
            if not self._stopped.is_set():
                self._load_again(sorted(report.unsettled), report)

    def _look(self, under: str = "", *, every: bool = False) -> Look:
        return Look(content.walk(self._root, under), self._seen(under), every=every)

    def _seen(self, under: str) -> Iterator[Seen]:
        """What was read, a page at a time: a view of the store that lasted would keep its log from ending."""
        after = ""
        while True:
            with self._store.read() as connection:
                page = sources.seen(connection, under, after)
            if not page:
                return
            yield from page
            after = page[-1].path

    def _aliases(self, paths: Collection[Path]) -> set[str]:
        """The linked files that are at, or under, what changed: a watcher names the place a link leads to."""
        real = {os.path.realpath(path) for path in paths}
        return {linked for linked in self._linked if real & _with_parents(self._root / linked)}

    def _bring_in(
        self,
        look: Look | _Looks,
        report: LoadReport,
        on_read: Callable[[int], None] | None = None,
        *,
        wait: bool = False,
    ) -> None:
        """Load what a look finds changed, then remove what it finds gone: a file that moved is met first.

        With `wait`, what has just changed is waited for before that: it may be what was moved, copied.
        """
        began = told = time.monotonic()
        changed = self._holding.readable(look.changed(), report.unsettled)
        batches = reading.outcomes(self._read_rules, changed)
        while outcomes := list(chain.from_iterable(islice(batches, _BATCHES_A_TRANSACTION))):
            if self._stopped.is_set():
                return  # what was not found yet is not gone
            self._load(outcomes, report, began)
            if on_read:
                on_read(report.read)
            if time.monotonic() > told + _TELL_SECONDS:
                told = time.monotonic()
                log.info("stories_loading", read=report.read)
        self._linked |= look.linked
        if wait:
            self._load_fresh(report)
        if not self._stopped.is_set():
            self._remove(look.gone, report)

    def _load(self, outcomes: Sequence[Outcome], report: LoadReport, began: float) -> None:
        """Bring a batch in; what is known of its files was asked for after the instant `began`."""
        whole = self._holding.whole(outcomes, report.unsettled)
        if not whole:
            return
        report.read += len(whole)
        with self._store.write(repeatable=self._filling) as tx:  # the files are there to be read again
            waiting = self._accept(tx, whole, report)
        self._holding.were_read((file for file, _ in whole.values()), began)
        self._load_again(waiting, report)

    def _accept(
        self, tx: Connection, outcomes: Mapping[str, tuple[FoundFile, Ready | Rejected]], report: LoadReport
    ) -> list[str]:
        """Write what a batch of files came to; returns the paths that wait for an id that was given up."""
        owned_before = {
            path: source.article_id
            for path, source in sources.at(tx, list(outcomes)).items()
            if source.article_id
        }
        articles.lock(tx, [one.placed.id for _, one in outcomes.values() if isinstance(one, Ready)])
        accepted, rejected = self._told_apart(tx, [outcome for _, outcome in outcomes.values()])
        rejected = [_with_what_stays(one) if one.path in owned_before else one for one in rejected]
        owned = owned_before | {one.path: one.placed.id for one in accepted}
        sources.remember(
            tx,
            [Source(path, file.size, file.mtime_ns, owned.get(path)) for path, (file, _) in outcomes.items()],
        )
        sources.release(tx, [one.path for one in accepted])
        sources.put_in_quarantine(tx, rejected, self._clock())
        given_up = [before for path, before in owned_before.items() if owned[path] != before]
        report.changed += self._apply(tx, [(outcomes[one.path][0], one) for one in accepted])
        report.removed += self._remove_unowned(tx, given_up)
        _tell(report, accepted, rejected)
        return sources.waiting_for(tx, given_up)

    def _load_again(self, paths: Sequence[str], report: LoadReport) -> None:
        began = time.monotonic()
        files = [file for path in paths for file in content.walk(self._root, path)]
        for outcomes in reading.outcomes(self._read_rules, self._holding.readable(files, report.unsettled)):
            self._load(outcomes, report, began)

    def _told_apart(
        self, tx: Connection, outcomes: Sequence[Ready | Rejected]
    ) -> tuple[list[Ready], list[Rejected]]:
        """Of several files that claim one id, the first keeps it; whoever owned it before comes first.

        None gets that of a story that was pushed, unless it is forced to.
        """
        loaded = [outcome for outcome in outcomes if isinstance(outcome, Ready)]
        rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
        ids = [one.placed.id for one in loaded]
        twins = self._twins(tx, ids)
        owners = sources.owners(tx, [*ids, *twins.values()])
        pushed = sources.ingested(tx, ids)
        there = set(articles.digests(tx, list(twins.values())))
        accepted: list[Ready] = []
        for one in loaded:
            article_id = one.placed.id
            twin = twins.get(article_id)
            if twin and (twin in there or twin in owners) and owners.get(twin) != {one.path}:
                told = f"id: {article_id!r} is, in feeds, the id of the story {twin!r}; give this one another"
                rejected.append(Rejected(one.path, 1, told, twin, "id-duplicate"))
                continue
            if article_id not in owners and article_id not in pushed:
                accepted.append(one)
                owners[article_id] = {one.path}
                continue
            if article_id in pushed and not self._forced:
                reason = f"id: {article_id!r} is the id of a story that came by the API; {_PUSHED}"
                rejected.append(Rejected(one.path, 1, reason, article_id, "id-duplicate"))
                continue
            others = owners.get(article_id, set()) - {one.path}
            holder = next((other for other in sorted(others) if self._still_claims(other, article_id)), None)
            if holder is None:
                accepted.append(one)
                owners[article_id] = {one.path}
            else:
                reason = f"id: {article_id!r} is the id of {holder} already; give this story another"
                rejected.append(Rejected(one.path, 1, reason, article_id, "id-duplicate"))
        if taken := [one.placed.id for one in accepted if one.placed.id in pushed]:
            sources.disown(tx, taken)
        return accepted, rejected

    def _twins(self, tx: Connection, ids: Sequence[str]) -> dict[str, str]:
        """Of ids that feeds write as they would another, that other; see `urls.twin`. Hardly any are so."""
        prefix = f"tag:{self._rules.site.authority}:"
        if not any(one.startswith(prefix) for one in ids) and not articles.is_any(tx, prefix):
            return {}
        return {one: other for one in ids if (other := urls.twin(self._rules.site, one))}

    def _still_claims(self, path: str, article_id: str) -> bool:
        """Whether the file at `path` is there and its story still has the id that another claims, too.

        If it is being written, nobody knows yet: the id stays its own until it is whole.
        """
        if not os.path.lexists(self._root / path):
            return False
        known = self._holding.known(path)
        if known is None:
            return True
        rules = self._read_rules
        try:
            outcome = content.load(self._root, path, rules.load, rules.settle, known)
        except FileNotFoundError:
            return False
        return not isinstance(outcome, Loaded) or outcome.article.id == article_id

    def _apply(self, tx: Connection, found: Sequence[tuple[FoundFile, Ready]]) -> int:
        known = articles.digests(tx, [ready.placed.id for _, ready in found])
        changes = [
            Application(ready.placed.id, ready.placed, ready.placed.keys)
            for _, ready in found
            if ready.plain and ready.placed.id not in known
        ]
        others = [
            (file, ready.article)
            for file, ready in found
            if (ready.placed.id in known and known[ready.placed.id] != ready.placed.digest) or not ready.plain
        ]
        applying.exhume(tx, [change.article_id for change in changes], self._rules)
        changes += self._replacements(tx, others)
        articles.apply(tx, changes, self._clock(), filling=self._filling)
        return len(changes)

    def _replacements(self, tx: Connection, found: Sequence[tuple[FoundFile, Article]]) -> list[Application]:
        """The changes of stories that were there before, or whose date or end follows from what was."""
        old = articles.get_many(tx, [article.id for _, article in found])
        arrivals: list[Arrival] = []
        for file, article in found:
            before = old.get(article.id)
            dated = _dated(article, before, file)
            if before is None or before.digest != dated.digest:
                arrivals.append(Arrival(Change(before, dated), _modified(file)))
        return applying.prepared(tx, arrivals, self._rules, self._clock())

    def _remove(self, paths: Sequence[str], report: LoadReport) -> None:
        for start in range(0, len(paths), FILES_A_BATCH):
            # Another process may have loaded a file after this one listed its folder: that isn't gone.
            some = [
                path
                for path in paths[start : start + FILES_A_BATCH]
                if next(content.walk(self._root, path), None) is None
            ]
            with self._store.write() as tx:
                owned = [source.article_id for source in sources.at(tx, some).values() if source.article_id]
                sources.forget(tx, some)
                report.removed += self._remove_unowned(tx, owned)
                waiting = sources.waiting_for(tx, owned)
            self._load_again(waiting, report)

    def _remove_unowned(self, tx: Connection, ids: Sequence[str]) -> int:
        """Remove the stories that no file owns any more."""
        owned = sources.owners(tx, ids).keys() | sources.ingested(tx, ids)
        gone = articles.get_many(tx, [article_id for article_id in ids if article_id not in owned])
        now = self._clock()
        applying.apply(tx, [Arrival(Change(one, None), now) for one in gone.values()], self._rules, now)
        return len(gone)


def _with_parents(path: Path) -> set[str]:
    target = Path(os.path.realpath(path))
    return {str(place) for place in (target, *target.parents)}


def _dated(article: Article, before: Article | None, file: FoundFile) -> Article:
    """A correction that says not when dates the story by its file, once: a change that readers are to see."""
    if not article.correction or article.updated > article.published:
        return article
    kept = before is not None and before.correction == article.correction
    when = before.updated if before and kept else max(_modified(file), article.published)
    return versioned(replace(article, updated=when))


def _modified(file: FoundFile) -> datetime:
    return datetime.fromtimestamp(file.mtime_ns // 1_000_000_000, UTC)


def _tell_of(report: LoadReport) -> None:
    if report.read or report.removed:
        log.info(
            "stories_loaded",
            read=report.read,
            changed=report.changed,
            removed=report.removed,
            quarantined=len(report.rejected),
        )


def _tell(report: LoadReport, accepted: Sequence[Ready], rejected: Sequence[Rejected]) -> None:
    report.rejected += rejected
    for one in rejected:
        log.warning("story_quarantined", file=one.path, line=one.line, reason=one.reason)
    for story in accepted:
        report.notes += [(story.path, note) for note in story.notes]
        for note in story.notes:
            log.warning("story_mended", file=story.path, line=note.line, reason=note.reason)


def _with_what_stays(rejected: Rejected) -> Rejected:
    return replace(rejected, reason=rejected.reason + _STAYS)
