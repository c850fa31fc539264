"""Reads story files in batches: in this process if they are few, else spread over several processes.

Must not know the store. Batches come back in the order in which files were found.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import structlog

from feedsvc.domain.model import ARTICLE, Article, CustomFeed, Loaded, Note, Placed, Rejected
from feedsvc.domain.selection import placed
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.settling import Known, Unsettled
from feedsvc.loading.story_file import Reader
from feedsvc.loading.walk import FoundFile
from feedsvc.util.processes import Process, ProcessLostError, processors

log = structlog.get_logger(__name__)

FILES_A_BATCH = 500
_BYTES_A_BATCH = 8_000_000
_FEW = 2 * FILES_A_BATCH  # up to here, starting processes would take longer than reading
_MOST_PROCESSES = 8  # one process writes to the store what they read; more would wait for it
_FIRST = 50  # files that are read here before processes start: the most urgent ones come first
_TICK = 0.1  # seconds between two calls of `go_on` while processes start
_AHEAD = 4  # batches under way for each process, so that none is idle while the store is written to


class Ready(NamedTuple):
    """A story file that was loaded, ready for the store.

    It is `plain` if nothing about it depends on an earlier version: it is published, and has no correction.
    `fingerprint` is that of the file's bytes, `says_status` is as in Loaded.
    """

    path: str
    placed: Placed
    notes: tuple[Note, ...]
    plain: bool
    fingerprint: str
    says_status: bool = False

    @property
    def article(self) -> Article:
        """The article, made of its JSON."""
        return ARTICLE.validate_json(self.placed.json)


Made = list[Ready | Rejected | Unsettled | None]
Outcome = tuple[FoundFile, Ready | Rejected | Unsettled]


@dataclass(frozen=True, slots=True)
class ReadRules:
    """What reading needs: the folder of stories, the rules for loading, and the feeds that editors defined.

    `settle` is how long (seconds) a file has to be quiet before it is read.
    """

    root: Path
    load: LoadRules
    customs: tuple[CustomFeed, ...] = ()
    settle: float = 0.0


def outcomes(
    rules: ReadRules, files: Iterable[FoundFile], go_on: Callable[[], bool] = lambda: True
) -> Iterator[list[Outcome]]:
    """The outcome of reading each file, in batches; files that have gone since they were found are left out.

    `go_on` is called repeatedly while processes start, which takes a second or more. It may do other work,
    and returns whether to go on.
    """
    files = iter(files)
    few = list(islice(files, _FEW))
    processes = min(processors(), _MOST_PROCESSES)
    if len(few) < _FEW or processes < 2:
        yield from (_read_here(rules, batch) for batch in _batches(chain(few, files)))
    else:
        yield _read_here(rules, few[:_FIRST])
        few = few[_FIRST:]
        yield from _spread(rules, _batches(chain(few, files)), processes, go_on)


def _batches(files: Iterable[FoundFile]) -> Iterator[list[FoundFile]]:
    batch: list[FoundFile] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file.size
        if len(batch) == FILES_A_BATCH or size >= _BYTES_A_BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read_here(rules: ReadRules, batch: Sequence[FoundFile]) -> list[Outcome]:
    return _paired(batch, read(rules, _asked(batch)))


Asked = Sequence[tuple[str, Known]]


def _asked(batch: Sequence[FoundFile]) -> Asked:
    return [(file.path, file.known) for file in batch]


def read(rules: ReadRules, files: Asked) -> Made:
    """The outcome of each file; None for one that has gone: the watcher or the next scan will report that.

    `files` has, with each path, what is known of the file.
    """
    reader = Reader(rules.root, rules.load, rules.settle)
    made: Made = []
    for path, known in files:
        try:
            outcome = reader.load(path, known)
        except FileNotFoundError:
            made.append(None)
        else:
            made.append(_ready(outcome, rules.customs) if isinstance(outcome, Loaded) else outcome)
    return made


def _ready(loaded: Loaded, customs: Sequence[CustomFeed]) -> Ready:
    article = loaded.article
    plain = article.status == "published" and not article.correction
    made = placed(article, customs, loaded.json)
    return Ready(loaded.path, made, loaded.notes, plain, loaded.fingerprint, loaded.says_status)


def _paired(batch: Sequence[FoundFile], made: Made) -> list[Outcome]:
    return [(file, outcome) for file, outcome in zip(batch, made, strict=True) if outcome is not None]


def _have_begun(readers: Iterable[Process[Asked, Made]], go_on: Callable[[], bool]) -> bool:
    """Wait until each of the readers has its first answer; False if `go_on` says to stop."""
    for reader in readers:
        while not reader.is_answering(_TICK):
            if not go_on():
                return False
    return True


def _spread(
    rules: ReadRules, batches: Iterator[list[FoundFile]], processes: int, go_on: Callable[[], bool]
) -> Iterator[list[Outcome]]:
    """Give batches to the readers in turn, so that the outcomes come back in the same order."""
    readers: deque[Process[Asked, Made]] = deque()
    under_way: deque[list[FoundFile]] = deque()
    begun = False
    try:
        readers.extend(Process("feedsvc.refresh.read_pool:read", rules) for _ in range(processes))
        for batch in batches:
            under_way.append(batch)
            readers[0].ask(_asked(batch))
            readers.rotate(-1)
            if len(under_way) == _AHEAD * processes:
                if not begun and not _have_begun(readers, go_on):
                    return
                begun = True
                made = _paired(under_way[0], readers[0].answer())
                under_way.popleft()
                yield made
        readers.rotate(len(under_way))
        if not begun and not _have_begun(list(readers)[: len(under_way)], go_on):
            return
        while under_way:
            made = _paired(under_way[0], readers[0].answer())
            under_way.popleft()
            readers.rotate(-1)
            yield made
    except ProcessLostError as error:
        # It ran out of memory, or somebody ended it. Reading the rest here is slower, but works.
        log.error("reader_lost", error=repr(error.__cause__))
        yield from (_read_here(rules, batch) for batch in chain(list(under_way), batches))
    finally:
        for reader in readers:
            reader.end()
