"""The refresher: the only place that sequences the stages, from files to representations.

Must not know APScheduler or HTTP: it is called when there is work, and leaves the result in the store.
`scan` has the way from files to articles, `publish` that from articles to representations.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import Connection

from feedsvc import __version__
from feedsvc.domain import retention
from feedsvc.domain.model import Format, Quarantined
from feedsvc.domain.names import Names
from feedsvc.domain.removals import DEFAULT, RemovalLimit
from feedsvc.domain.retention import Retention
from feedsvc.domain.selection import Rules
from feedsvc.loading import walk
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.settling import Settling
from feedsvc.refresh.changed_rights import ChangedRights
from feedsvc.refresh.load_report import LoadReport
from feedsvc.refresh.naming import NameCheck
from feedsvc.refresh.open_files import OpenFiles
from feedsvc.refresh.overtaking import Overtaking
from feedsvc.refresh.pruning import Pruner
from feedsvc.refresh.publish import Publisher
from feedsvc.refresh.removing import why_missing
from feedsvc.refresh.scan import Intake
from feedsvc.refresh.unwatched import Unwatched
from feedsvc.store import articles, conditions, dirty, removals, representations, sources, trouble
from feedsvc.store.dirty import Newest
from feedsvc.store.engine import Store
from feedsvc.store.meta import read_meta, write_meta
from feedsvc.store.representations import Dated
from feedsvc.util.errors import StoreError
from feedsvc.util.processes import collect_now

log = structlog.get_logger(__name__)

_RIGHTS_SECONDS = 1.0  # that a refresh spends on revocations after rights changed in the configuration


def _now() -> datetime:
    return datetime.now(UTC)


class Refresher:
    """Loads files into the store, and publishes dirty feeds as representations.

    `root` is the folder of stories, `clock` returns aware UTC, `cache_bytes` limits the memory for cached
    stories, `names` are the sections, tags, authors and agencies that the configuration names. If more
    stories than `removal_limit` lose their files within a minute, they stay until that is confirmed. `settle`
    is how long (seconds) a file must not have changed before it is read, unless it is renamed into place;
    whoever watches the folder notes in `settling` what happens there. `retention` is how long old rows are
    kept. Even after a crash, a loaded change stays marked until every feed that it affects is published.
    """

    def __init__(
        self,
        store: Store,
        root: Path,
        load_rules: LoadRules,
        rules: Rules,
        *,
        removal_limit: RemovalLimit = DEFAULT,
        clock: Callable[[], datetime] = _now,
        cache_bytes: int = 96_000_000,
        names: Names = Names(),  # noqa: B008 - a frozen value
        settle: float = 0.0,
        retention: Retention = retention.DEFAULT,
    ) -> None:
        self._store = store
        self._root = root
        self._load_rules = load_rules
        self._rules = rules
        self._clock = clock
        self._stopped = threading.Event()
        self.rights_changed = False
        """Whether `prepare` found that access rules changed since the last publication."""
        self._named = names
        self._has_looked = False
        self.settling = Settling(settle)
        self._overtaking = Overtaking(self._stopped)
        self._intake = Intake(
            store,
            root,
            load_rules,
            rules,
            clock,
            self._stopped,
            removal_limit,
            self.settling,
            self._overtaking,
        )
        self._publisher = Publisher(
            store, rules, clock, self._stopped, self._overtaking, cache_bytes, self._is_held
        )
        self._pruner = Pruner(store, rules, retention, clock, self._stopped, names)
        self._begin()
        self._had_folder = root.is_dir()
        self._making = threading.Lock()
        self._is_making = False

    def stop(self) -> None:
        """Have the work under way end after its present transaction; for any thread."""
        self._stopped.set()

    def overtake_with(self, urgent: Callable[[], None]) -> None:
        """Set what is called between two pieces of a long load, in order to load urgent files."""
        self._overtaking.urgent = urgent

    def urgently(self) -> AbstractContextManager[None]:
        """A context in which other work of this refresher gives way."""
        return self._overtaking.urgently()

    def prepare(self) -> None:
        """Adapt the store to a configuration or version of feedsvc that has changed since it was written.

        Feeds that are no longer configured are withdrawn, memberships of custom feeds rebuilt, and every feed
        is marked dirty; representations whose bytes stay the same are left as they are.
        """
        loading, memberships, publishing = (
            _digest(__version__, self._load_rules),
            _digest(self._rules.customs),
            _digest(__version__, self._rules),
        )
        with self._store.write(long=True) as tx:
            if read_meta(tx, "memberships_by") != memberships:
                self._intake.apply_again(tx)
                write_meta(tx, "memberships_by", memberships)
            if read_meta(tx, "loaded_by") != loading:
                sources.reread_all(tx)
                write_meta(tx, "loaded_by", loading)
            rights = _digest(self._rules.audiences)
            # Recorded once feeds are published under these rights: a crash before that repeats the work.
            self.rights_changed = read_meta(tx, "rights_by") != rights and not representations.is_empty(tx)
            if not self.rights_changed:
                self._changed_rights.take_for_told(tx)
            if read_meta(tx, "published_by") != publishing:
                self._withdraw_unconfigured(tx)
                named = {key for one in self._rules.audiences for key in one.feeds if "*" not in key}
                every = articles.keys(tx) | {"all"} | set(self._rules.by_key) | named
                dirty.mark(tx, every, self._clock())
                write_meta(tx, "published_by", publishing)

    def _withdraw_unconfigured(self, tx: Connection) -> None:
        gone = [
            (partner, listing.key, fmt)
            for partner in ["", *representations.partners(tx)]
            for listing in representations.listings(tx, partner)
            for fmt in listing.formats
            if not self._is_configured(partner, listing.key, fmt)
        ]
        representations.withdraw(tx, gone)

    def _is_configured(self, partner: str, key: str, fmt: Format) -> bool:
        licensed = self._rules.partner(partner)
        audience = licensed.audience if licensed else self._rules.public
        return (
            audience.name == partner
            and audience.may_have_feed(key)
            and fmt in self._rules.settings(key, audience).formats
            and not (key.startswith("custom/") and self._rules.custom(key) is None)
        )

    def _begin(self) -> None:
        """Forget what was reported in an earlier store: in a new one it has to be reported again."""
        self._names = NameCheck(self._named)
        self._open_files = OpenFiles(self._store, self._root, self.settling, self._clock)
        self._unwatched = Unwatched(self._store, self._root, self._clock)
        self._changed_rights = ChangedRights(self._store, self._rules, self._clock, self._stopped)

    def _is_held(self) -> bool:
        """Whether nothing may be published yet: the store is being recreated, or is in its first load.

        Also checked within transactions: one that began on the previous store may still be under way.
        """
        return self._is_making or self._intake.is_filling

    @property
    def is_any_claimed(self) -> bool:
        """Whether other refreshers had claimed dirty feeds when the last refresh had none left."""
        return self._publisher.is_any_claimed

    def end_silent(self) -> int:
        """End database sessions of processes that were suspended; see `Store.end_silent`."""
        return self._store.end_silent()

    def is_store_lost(self) -> bool:
        """Whether the store's file was deleted or replaced; costs next to nothing."""
        return not self._store.is_current()

    def remake_store(self) -> bool:
        """Recreate the store from the folder of stories, if it is gone; returns whether it was.

        Nothing is published from it before all stories are loaded. Raises StoreError if it can't be created;
        then try again later.
        """
        with self._making:
            if not self._is_making and self._store.is_current() and not self._store.lacks_tables():
                return False
            self._is_making = True  # until it is complete, also after errors: nothing half made is published
            if self._had_folder and (why := why_missing(self._root)):
                raise StoreError(
                    f"the store is made anew once the content folder {self._root} is back: {why}"
                )
            dates = self._dates()
            self._store.reopen()
            with self._store.write() as tx:
                representations.keep_dates(tx, dates)
            self._begin()
            self.prepare()
            self.scan()
            self._is_making = False
        log.error("store_opened_anew", store=self._store.shown)
        return True

    def waiting(self) -> Newest:
        """Time of the newest dirty mark (API workers write to the store directly).

        While a large batch is being pushed, only urgent feeds count: otherwise each feed of the batch would
        be made many times.
        """
        with self._store.read() as connection:
            until = dirty.debounced_until(connection)
            is_gathering = until is not None and self._clock() < until
            newest = dirty.newest(connection)
            return newest._replace(any=None) if is_gathering else newest

    def pulse(self) -> int | None:
        """A number that changes when the store is written to; see `Store.pulse`. For one thread."""
        return self._store.pulse()

    @property
    def is_new(self) -> bool:
        """Whether the store has never published anything."""
        with self._store.read() as connection:
            return representations.is_empty(connection)

    def scan(
        self,
        on_read: Callable[[int], None] | None = None,
        *,
        force: bool = False,
        allowed: tuple[str, ...] = (),
    ) -> LoadReport:
        """Scan the folder of stories and load what changed; see `Intake.scan`."""
        report = self._intake.scan(on_read, force=force, allowed=allowed)
        self._has_looked = True
        return report

    def scan_changed(self, paths: Collection[Path]) -> LoadReport:
        """Load the files and folders that something happened to; see `Intake.scan_changed`."""
        return self._intake.scan_changed(paths)

    def tell_open(self) -> None:
        """Report in the store which files have been open for over a minute; see `OpenFiles.tell`."""
        self._open_files.tell()

    def tell_unwatched(self, unwatched: Mapping[str, str]) -> None:
        """Report in the store which folders can't be watched, and why; see `Unwatched.tell`."""
        self._unwatched.tell(unwatched)

    def refresh(self, on_published: Callable[[int], None] | None = None) -> int:
        """Publish dirty feeds, and those changed by time alone; returns how many representations changed.

        `on_published` is called with the number of feeds made. Nothing is published during the store's first
        load: each feed is made once, from all stories.
        """
        if self._is_held():
            return 0
        self._changed_rights.tell(_RIGHTS_SECONDS)
        self._publisher.mark_flips()
        changed = self._publisher.publish_dirty(on_published)
        if changed:
            log.info("refreshed", representations=changed)
        with self._store.write() as tx:
            if self._is_held():
                return changed
            write_meta(tx, "refreshed_at", self._clock().isoformat())
            if not dirty.is_any(tx):
                write_meta(tx, "rights_by", _digest(self._rules.audiences))
        if self._has_looked:  # before the first scan, a name may be of stories that came since the last run
            self._names.look(self._store, self._clock())
        return changed

    def _dates(self) -> list[Dated]:
        """The dates of all representations of a store whose file is gone but still open; none on failure."""
        try:
            with self._store.read() as connection:
                return representations.dates(connection)
        except trouble.FAULTS:
            return []

    def prune(self) -> dict[str, int]:
        """Remove rows past their retention; see `Pruner.run`."""
        return self._pruner.run()

    def read_before(self, paths: list[str]) -> set[str]:
        """Those of some story files (absolute paths, links resolved) that were read before."""
        base = f"{os.path.realpath(self._root)}/"
        own = {path.removeprefix(base): path for path in paths if walk.is_utf8(path)}
        with self._store.read() as connection:
            return {own[path] for path in sources.seen_at(connection, list(own))}

    def publish_urgent(self) -> int:
        """Publish the urgent feeds, which transactions with few changes marked; the others are for `refresh`.

        Returns how many representations changed.
        """
        return 0 if self._is_held() else self._publisher.publish_urgent()

    def tell_lost_rights(self) -> int:
        """Record what the configuration takes from partners that hold it; returns of how many stories.

        Each refresh does a second's worth of that; the rest of a large delivery log is done here.
        """
        return self._changed_rights.tell()

    def warm(self) -> None:
        """Render ahead the fragments of feeds that were published before a restart; see `Publisher.warm`."""
        self._publisher.warm()

    def maintain(self, *, everything: bool = False) -> None:
        """Idle maintenance: checkpoint SQLite's WAL, collect garbage, so that no story waits for it later.

        With `everything`, collect garbage among all objects, which takes some 0.1 s.
        """
        collect_now(everything=everything)
        self._store.checkpoint()

    def has_read(self, path: str) -> bool:
        """Whether the store knows a story file at or below a path, relative to the folder of stories."""
        with self._store.read() as connection:
            return bool(sources.seen(connection, path, limit=1))

    def held(self) -> tuple[int, str]:
        """How many stories stay published although their files are gone, and what to do about it."""
        with self._store.read() as connection:
            number = removals.count_held(connection)
            told = [one.detail for one in conditions.current(connection) if one.name == removals.HELD]
        return number, told[0] if told else ""

    def left_over(self) -> tuple[list[Quarantined], int]:
        """The files in quarantine, and how many feeds are still dirty, such as one that can't be built."""
        with self._store.read() as connection:
            return sources.quarantined(connection), dirty.backlog(connection)[0]

    def next_transition(self) -> datetime | None:
        """When an embargo, an expiry or a tombstone next changes a feed (aware UTC); or None."""
        return self._publisher.next_transition()


def _digest(*parts: object) -> str:
    """A digest that is the same for equal parts in any process: the repr of these values is complete."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
