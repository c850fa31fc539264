"""The refresher: the only module that sequences the stages, from files to representations.

Knows neither APScheduler nor HTTP: it is told when to work, and when it is done the store holds the result.
"""

import hashlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from feedsvc import __version__, selection
from feedsvc.loading import content
from feedsvc.loading.content import FoundFile, LoadRules
from feedsvc.model import Article, Change, Feed, Loaded, Note, Quarantined, Rejected
from feedsvc.render import render
from feedsvc.render.fragments import FragmentCache
from feedsvc.selection import PUBLIC, Rules
from feedsvc.store import articles, dirty, representations, tombstones
from feedsvc.store.articles import Application, Source
from feedsvc.store.representations import Unpublished
from feedsvc.store.schema import Store, read_meta, write_meta

log = structlog.get_logger(__name__)

_FILES_A_BATCH = 200
_FEEDS_A_BATCH = 50
_BYTES_A_BATCH = 32_000_000
_STAYS = "; the last good version of the story stays published"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class LoadReport:
    """What a look at story files found. Files that had not changed were not read."""

    read: int = 0
    changed: int = 0
    removed: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[tuple[str, Note]] = field(default_factory=list)


class Refresher:
    """Brings files into the store, and dirty feeds out of it as representations.

    `root` is the folder of stories, `clock` returns aware UTC, `fragment_bytes` bounds the fragments kept.
    Whatever dies on the way, a change that was loaded stays marked until every feed it touches is published.
    """

    def __init__(
        self,
        store: Store,
        root: Path,
        load_rules: LoadRules,
        rules: Rules,
        *,
        clock: Callable[[], datetime] = _now,
        fragment_bytes: int = 64_000_000,
    ) -> None:
        self._store = store
        self._root = root
        self._load_rules = load_rules
        self._rules = rules
        self._customs = {f"custom/{custom.name}": custom for custom in rules.customs}
        self._clock = clock
        self._fragments = FragmentCache(fragment_bytes)
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Have the work under way end after its present transaction; for any thread."""
        self._stopped.set()

    # -- when the configuration changed ------------------------------------------------------------------

    def prepare(self) -> None:
        """Bring the store in line with the configuration and the version it was not written by.

        Feeds that are configured no more are withdrawn, memberships of custom feeds made anew, and every
        feed is marked dirty; equal bytes will still be left as they are.
        """
        loading, memberships, publishing = (
            _digest(__version__, self._load_rules),
            _digest(self._rules.customs),
            _digest(__version__, self._rules),
        )
        with self._store.write() as tx:
            if read_meta(tx, "loaded_by") != loading:
                articles.reread_all(tx)
                write_meta(tx, "loaded_by", loading)
            if read_meta(tx, "memberships_by") != memberships:
                self._apply_again(tx)
                write_meta(tx, "memberships_by", memberships)
            if read_meta(tx, "published_by") != publishing:
                self._withdraw_unconfigured(tx)
                published = {listing.key for listing in representations.listings(tx)}
                dirty.mark(tx, published | {"all"} | set(self._rules.by_key), self._clock())
                write_meta(tx, "published_by", publishing)

    def _apply_again(self, tx: Connection) -> None:
        every = articles.each(tx)
        while some := list(islice(every, _FILES_A_BATCH)):
            changes = (Change(article, article) for article in some)
            articles.apply(tx, [self._application(change) for change in changes], self._clock())

    def _withdraw_unconfigured(self, tx: Connection) -> None:
        gone = [
            (listing.key, fmt)
            for listing in representations.listings(tx)
            for fmt in listing.formats
            if fmt not in self._rules.settings(listing.key).formats
            or (listing.key.startswith("custom/") and listing.key not in self._customs)
        ]
        representations.withdraw(tx, gone)

    # -- files → articles --------------------------------------------------------------------------------

    def scan(self, under: str = "", on_read: Callable[[int], None] | None = None) -> LoadReport:
        """Look through the folder of stories, or what is under one path of it, and load what changed.

        A file whose size and time are as they were is not read. `on_read` is told how many files were read.
        """
        report = LoadReport()
        if not self._root.is_dir():
            # Not the same as an empty folder: a disk that isn't mounted must not empty the feeds.
            log.error("content_folder_missing", path=str(self._root))
            return report
        with self._store.read() as connection:
            seen = articles.sources(connection, under)
        changed = self._changed(content.walk(self._root, under), seen)
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

    def _changed(
        self, found: Iterable[FoundFile], seen: dict[str, Source], *, every: bool = False
    ) -> Iterator[FoundFile]:
        """The files to read. Takes every file found out of `seen`, which is left with those that are gone."""
        for file in found:
            known = seen.pop(file.path, None)
            if file.mtime_ns == 0:  # a folder that may not be read: what is in it isn't gone
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
        changed = [
            (file, Change(old.get(article.id), article))
            for file, article in found
            if article.id not in old or old[article.id].digest != article.digest
        ]
        tombstones.exhume(tx, [article.id for _, article in found if article.status != "withdrawn"])
        for file, change in changed:
            self._bury(tx, change, min(_modified(file), self._clock()))
        articles.apply(tx, [self._application(change) for _, change in changed], self._clock())
        return len(changed)

    def _bury(self, tx: Connection, change: Change, seen: datetime) -> None:
        """Leave a tombstone for a withdrawn story. A file that says not when says it by its time."""
        if change.new and (mark := selection.tombstone(change.new, seen)):
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
            ranks={key: selection.rank(article, key, self._customs) for key in keys} if published else {},
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
        tombstones.exhume(tx, list(gone))
        articles.apply(tx, [self._application(change) for change in changes], self._clock())
        return len(changes)

    # -- articles → representations ----------------------------------------------------------------------

    def refresh(self) -> int:
        """Mark what time has flipped, publish every dirty feed; returns how many representations changed."""
        if not self._store.is_current():
            log.error("store_replaced")  # somebody moved its file away: what it held is made anew
            self._store.reopen()
            self.prepare()
            self.scan()
        self._mark_flips()
        changed = self._publish_dirty()
        if changed:
            log.info("refreshed", representations=changed)
        with self._store.write() as tx:
            write_meta(tx, "refreshed_at", self._clock().isoformat())
        return changed

    def left_over(self) -> tuple[list[Quarantined], int]:
        """The stories in quarantine, and how many feeds are still dirty, as one that can't be built is."""
        with self._store.read() as connection:
            return articles.quarantined(connection), dirty.backlog(connection)[0]

    def next_flip(self) -> datetime | None:
        """When a feed changes by time alone next: by an embargo, an expiry, a tombstone (aware UTC)."""
        with self._store.read() as connection:
            after = dirty.flips_until(connection) or self._clock()
            flips = (articles.next_flip(connection, after), tombstones.next_fall(connection, after))
            return min((flip for flip in flips if flip), default=None)

    def _mark_flips(self) -> None:
        """Turn every flip since the last run into dirty feeds; if the clock was set back, those, too."""
        with self._store.write() as tx:
            now = self._clock()
            until = dirty.flips_until(tx) or now
            span = min(until, now), max(until, now)
            dirty.mark(tx, articles.flipped(tx, *span) | tombstones.falling(tx, *span), now)
            dirty.set_flips_until(tx, now)

    def _publish_dirty(self) -> int:
        changed, failed = 0, set[str]()
        while not self._stopped.is_set():
            with self._store.write() as tx:
                keys = dirty.claim(tx, _FEEDS_A_BATCH, failed)
                if not keys:
                    break
                now = self._clock()
                candidates: list[Unpublished] = []
                built: list[str] = []
                for key in keys:
                    if sum(len(one.body) for one in candidates) > _BYTES_A_BATCH:
                        break  # the rest stays dirty, and is claimed again
                    try:
                        candidates += self._representations(tx, key, now)
                        built.append(key)
                    except SQLAlchemyError:
                        raise  # the whole batch stays dirty, and is tried again
                    except Exception:  # a feed that can't be built stays dirty; the others go out
                        log.exception("feed_not_built", key=key)
                        failed.add(key)
                published = representations.publish(tx, candidates, now)
                dirty.release(tx, built)
            changed += len(published)
            for one in published:
                log.debug("feed_published", key=one.key, format=one.format, bytes=len(one.body))
        return changed

    def _representations(self, tx: Connection, key: str, now: datetime) -> list[Unpublished]:
        feed = self._feed(tx, key, now)
        if not (feed.articles or self._is_always_published(key) or representations.published_keys(tx, [key])):
            # A feed is not named before a story of it may be seen; once it was, it stays, empty and valid.
            return []
        valid_until = min((a.expires for a in feed.articles if a.expires), default=None)
        made: list[Unpublished] = []
        for fmt, (body, failed) in render(feed, self._fragments).items():
            self._set_aside(tx, failed)
            digest = hashlib.blake2b(body, digest_size=16).hexdigest()
            made.append(
                Unpublished(key, fmt, feed.title, body, digest, feed.max_age, feed.updated, valid_until)
            )
        return made

    def _is_always_published(self, key: str) -> bool:
        return key == "all" or key in self._rules.by_key

    def _set_aside(self, tx: Connection, failed: Sequence[tuple[Article, str]]) -> None:
        paths = articles.owners(tx, [article.id for article, _ in failed])
        rejected = [
            Rejected(path, 1, reason, rule="story-unrenderable")
            for article, reason in failed
            for path in paths.get(article.id, ())
        ]
        articles.put_in_quarantine(tx, rejected, self._clock())

    def _feed(self, tx: Connection, key: str, now: datetime) -> Feed:
        custom = self._customs.get(key)
        by_update = custom is not None and custom.order == "updated"
        candidates = articles.window(tx, key, None if by_update else now)
        withdrawn = tombstones.standing(tx, key, self._rules.settings(key).items)
        return selection.build(key, candidates, self._rules, PUBLIC, now, withdrawn)


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


def _digest(*parts: object) -> str:
    """The same for equal parts, in any process: these values have a repr that says all of them."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
