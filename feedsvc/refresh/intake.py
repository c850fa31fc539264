"""Files → articles: what changed in the folder of stories, brought into the store.

Knows nothing of how feeds are built: it marks those dirty that a change touches, in one transaction with it.
"""

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import structlog
from sqlalchemy import Connection

from feedsvc import selection
from feedsvc.loading import content
from feedsvc.loading.content import FoundFile, LoadRules
from feedsvc.model import Article, Change, Loaded, Note, Rejected, versioned
from feedsvc.selection import Rules
from feedsvc.store import articles, tombstones
from feedsvc.store.articles import Application, Source
from feedsvc.store.schema import Store

log = structlog.get_logger(__name__)

_FILES_A_BATCH = 200
_STAYS = "; the last good version of the story stays published"


@dataclass(slots=True)
class LoadReport:
    """What a look at story files found. Files that had not changed were not read."""

    read: int = 0
    changed: int = 0
    removed: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[tuple[str, Note]] = field(default_factory=list)


class Intake:
    """Looks through the folder `root` and applies what it finds. `clock` returns aware UTC.

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
    ) -> None:
        self._store = store
        self._root = root
        self._load_rules = load_rules
        self._rules = rules
        self._clock = clock
        self._stopped = stopped
        self._linked: set[str] = set()  # the files that were met by way of a link

    def apply_again(self, tx: Connection) -> None:
        """Make the memberships of every article anew, as when custom feeds are defined otherwise."""
        every = articles.each(tx)
        while some := list(islice(every, _FILES_A_BATCH)):
            changes = (Change(article, article) for article in some)
            articles.apply(tx, [self._application(change) for change in changes], self._clock())

    def scan(self, on_read: Callable[[int], None] | None = None) -> LoadReport:
        """Look through the whole folder of stories and load what changed.

        A file whose size and time are as they were is not read. `on_read` is told how many files were read.
        """
        report = LoadReport()
        if not self._root.is_dir():
            # Not the same as an empty folder: a disk that isn't mounted must not empty the feeds.
            log.error("content_folder_missing", path=str(self._root))
            return report
        with self._store.read() as connection:
            seen = articles.sources(connection)
        changed = self._changed(content.walk(self._root), seen)
        while some := list(islice(changed, _FILES_A_BATCH)):
            self._load(some, report)
            if on_read:
                on_read(report.read)
            if self._stopped.is_set():
                return report  # what was not found yet is not gone
        self._remove(sorted(seen), report)
        _tell_of(report)
        return report

    def scan_changed(self, paths: Collection[Path]) -> LoadReport:
        """Load what something happened to. A file that is named is read whatever its time says."""
        report = LoadReport()
        if not self._root.is_dir():
            log.error("content_folder_missing", path=str(self._root))
            return report
        files: list[FoundFile] = []
        gone: list[str] = []
        stories = {story for path in paths if (story := content.story_path(self._root, path)) is not None}
        stories |= self._aliases(paths)
        with self._store.read() as connection:
            for path in sorted(stories):
                seen = articles.sources(connection, path)
                named = not (self._root / path).is_dir()
                files += self._changed(content.walk(self._root, path), seen, every=named)
                gone += sorted(seen)
        for start in range(0, len(files), _FILES_A_BATCH):
            if self._stopped.is_set():
                return report
            self._load(files[start : start + _FILES_A_BATCH], report)
        self._remove(gone, report)
        _tell_of(report)
        return report

    def _aliases(self, paths: Collection[Path]) -> set[str]:
        """The linked files that are at, or under, what changed: a watcher names the place a link leads to."""
        real = {os.path.realpath(path) for path in paths}
        return {linked for linked in self._linked if real & _with_parents(self._root / linked)}

    def _changed(
        self, found: Iterable[FoundFile], seen: dict[str, Source], *, every: bool = False
    ) -> Iterator[FoundFile]:
        """The files to read. Takes every file found out of `seen`, which is left with those that are gone."""
        for file in found:
            known = seen.pop(file.path, None)
            if file.linked:
                self._linked.add(file.path)
            if file.unreadable:  # a folder: what is in it isn't gone
                for path in [path for path in seen if file.path == "." or path.startswith(f"{file.path}/")]:
                    del seen[path]
            if every or known is None or (known.size, known.mtime_ns) != (file.size, file.mtime_ns):
                yield file

    def _load(self, files: Sequence[FoundFile], report: LoadReport) -> None:
        outcomes: dict[str, tuple[FoundFile, Loaded | Rejected]] = {}
        for file in files:
            try:
                outcomes[file.path] = (file, content.load(self._root, file.path, self._load_rules))
            except FileNotFoundError:
                continue  # gone since it was found; the watcher or the next look will say so
        report.read += len(outcomes)
        with self._store.write() as tx:
            waiting = self._accept(tx, outcomes, report)
        self._load_again(waiting, report)

    def _accept(
        self, tx: Connection, outcomes: Mapping[str, tuple[FoundFile, Loaded | Rejected]], report: LoadReport
    ) -> list[str]:
        """Write what a batch of files came to; returns the paths that wait for an id that was given up."""
        owned_before = {
            path: source.article_id
            for path, source in articles.sources_at(tx, list(outcomes)).items()
            if source.article_id
        }
        accepted, rejected = self._told_apart(tx, [outcome for _, outcome in outcomes.values()])
        rejected = [_with_what_stays(one) if one.path in owned_before else one for one in rejected]
        owned = owned_before | {one.path: one.article.id for one in accepted}
        articles.remember_sources(
            tx,
            [Source(path, file.size, file.mtime_ns, owned.get(path)) for path, (file, _) in outcomes.items()],
        )
        articles.release(tx, [one.path for one in accepted])
        articles.put_in_quarantine(tx, rejected, self._clock())
        given_up = [before for path, before in owned_before.items() if owned[path] != before]
        report.changed += self._apply(tx, [(outcomes[one.path][0], one.article) for one in accepted])
        report.removed += self._remove_unowned(tx, given_up)
        _tell(report, accepted, rejected)
        return articles.waiting_for(tx, given_up)

    def _load_again(self, paths: Sequence[str], report: LoadReport) -> None:
        if paths:
            self._load([file for path in paths for file in content.walk(self._root, path)], report)

    def _told_apart(
        self, tx: Connection, outcomes: Sequence[Loaded | Rejected]
    ) -> tuple[list[Loaded], list[Rejected]]:
        """Of several files that claim one id, the first keeps it; whoever owned it before comes first."""
        loaded = [outcome for outcome in outcomes if isinstance(outcome, Loaded)]
        rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
        owners = articles.owners(tx, [one.article.id for one in loaded])
        accepted: list[Loaded] = []
        for one in loaded:
            others = owners.get(one.article.id, set()) - {one.path}
            holder = next((other for other in sorted(others) if self._still_claims(other, one)), None)
            if holder is None:
                accepted.append(one)
                owners[one.article.id] = {one.path}
            else:
                reason = f"id: {one.article.id!r} is the id of {holder} already; give this story another"
                rejected.append(Rejected(one.path, 1, reason, one.article.id, "id-duplicate"))
        return accepted, rejected

    def _still_claims(self, path: str, other: Loaded) -> bool:
        """Whether the file at `path` is there and its story still has the id that `other` claims, too."""
        try:
            outcome = content.load(self._root, path, self._load_rules)
        except FileNotFoundError:
            return False
        return isinstance(outcome, Rejected) or outcome.article.id == other.article.id

    def _apply(self, tx: Connection, found: Sequence[tuple[FoundFile, Article]]) -> int:
        old = articles.get_many(tx, [article.id for _, article in found])
        found = [(file, _dated(article, old.get(article.id), file)) for file, article in found]
        changed = [
            (file, Change(old.get(article.id), article))
            for file, article in found
            if article.id not in old or old[article.id].digest != article.digest
        ]
        tombstones.exhume(tx, [article.id for _, article in found if article.status != "withdrawn"])
        for file, change in changed:
            self._bury(tx, change, _modified(file))
        articles.apply(tx, [self._application(change) for _, change in changed], self._clock())
        return len(changed)

    def _bury(self, tx: Connection, change: Change, seen: datetime) -> None:
        """Leave a tombstone for a withdrawn story. A file that says not when says it by its time."""
        if mark := selection.tombstone(change, seen, self._clock()):
            keys = selection.affected(change, self._rules.customs)
            tombstones.bury(tx, mark, keys, selection.TOMBSTONE_STANDS)

    def _application(self, change: Change) -> Application:
        article = change.new or change.old
        assert article is not None
        keys = selection.keys_of(article, self._rules.customs) if change.new else frozenset()
        published = change.new is not None and change.new.status == "published"
        return Application(
            article_id=article.id,
            new=change.new,
            ranks={key: selection.rank(article, self._rules.custom(key)) for key in keys}
            if published
            else {},
            dirty=selection.affected(change, self._rules.customs),
        )

    def _remove(self, paths: Sequence[str], report: LoadReport) -> None:
        for start in range(0, len(paths), _FILES_A_BATCH):
            some = paths[start : start + _FILES_A_BATCH]
            with self._store.write() as tx:
                owned = [
                    source.article_id
                    for source in articles.sources_at(tx, some).values()
                    if source.article_id
                ]
                articles.forget_sources(tx, some)
                report.removed += self._remove_unowned(tx, owned)
                waiting = articles.waiting_for(tx, owned)
            self._load_again(waiting, report)

    def _remove_unowned(self, tx: Connection, ids: Sequence[str]) -> int:
        """Remove the stories that no file owns any more."""
        owned = articles.owners(tx, ids)
        gone = articles.get_many(tx, [article_id for article_id in ids if article_id not in owned])
        changes = [Change(article, None) for article in gone.values()]
        # What was withdrawn stays so when its file goes, for those who have not come by since.
        tombstones.exhume(tx, [article.id for article in gone.values() if article.status != "withdrawn"])
        articles.apply(tx, [self._application(change) for change in changes], self._clock())
        return len(changes)


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


def _tell(report: LoadReport, accepted: Sequence[Loaded], rejected: Sequence[Rejected]) -> None:
    report.rejected += rejected
    for one in rejected:
        log.warning("story_quarantined", file=one.path, line=one.line, reason=one.reason)
    for story in accepted:
        report.notes += [(story.path, note) for note in story.notes]
        for note in story.notes:
            log.warning("story_mended", file=story.path, line=note.line, reason=note.reason)


def _with_what_stays(rejected: Rejected) -> Rejected:
    return replace(rejected, reason=rejected.reason + _STAYS)
