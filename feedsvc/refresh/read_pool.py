"""Story files → what they came to, a batch at a time: read here if they are few, else spread over processes.

Knows nothing of the store. Batches come back in the order in which files were found.
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
_FIRST = 50  # are read here, before processes start: those that wait for it most come first
_TICK = 0.1  # seconds between two questions whether to go on waiting for them
_AHEAD = 4  # batches under way for each process, so that none waits while the store is written to


class Ready(NamedTuple):
    """A story file that was loaded, ready for the store.

    It is `plain` if nothing about it follows from what was known of it before: it is published, and has no
    correction. `fingerprint` is that of the file's bytes, `says_status` is as in Loaded.
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
    """What reading is told: the folder of stories, what files are read by, and the feeds editors defined.

    `settle` is how long (seconds) a file has to be quiet before it is read.
    """

    root: Path
    load: LoadRules
    customs: tuple[CustomFeed, ...] = ()
    settle: float = 0.0


def outcomes(
    rules: ReadRules, files: Iterable[FoundFile], go_on: Callable[[], bool] = lambda: True
) -> Iterator[list[Outcome]]:
    """What each of the files came to, in batches; those that have gone since they were found are left out.

    `go_on` is asked over and over while processes start, which takes a second or more: it may do other work.
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
    """What files came to; None for one that has gone: the watcher or the next look will say so.

    With each path goes what is known of the file.
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
    """Wait until each of the readers gives its first answer; False if that is not to go on."""
    for reader in readers:
        while not reader.is_answering(_TICK):
            if not go_on():
                return False
    return True


def _spread(
    rules: ReadRules, batches: Iterator[list[FoundFile]], processes: int, go_on: Callable[[], bool]
) -> Iterator[list[Outcome]]:
    """Batches go round the readers, so that they come back in their order."""
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
        # Of the memory it lacked, or by somebody's hand: slower is better than not at all.
        log.error("reader_lost", error=repr(error.__cause__))
        yield from (_read_here(rules, batch) for batch in chain(list(under_way), batches))
    finally:
        for reader in readers:
            reader.end()
