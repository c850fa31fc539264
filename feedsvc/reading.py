"""Story files → what they came to, a batch at a time: read here if they are few, else spread over processes.

Knows nothing of the store. Batches come back in the order in which files were found.
"""

import os
import pickle
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from subprocess import PIPE, Popen
from threading import Thread
from typing import NamedTuple

import structlog

from feedsvc import logs
from feedsvc.loading.content import FoundFile, LoadRules, Reader
from feedsvc.model import ARTICLE, Article, CustomFeed, Loaded, Note, Placed, Rejected
from feedsvc.selection import placed

log = structlog.get_logger(__name__)

FILES_A_BATCH = 500
_BYTES_A_BATCH = 8_000_000
_FEW = 2 * FILES_A_BATCH  # up to here, starting processes would take longer than reading
_MOST_PROCESSES = 8  # one process writes to the store what they read; more would wait for it
_AHEAD = 4  # batches under way for each process, so that none waits while the store is written to


class Ready(NamedTuple):
    """A story file that was loaded, ready for the store.

    It is `plain` if nothing about it follows from what was known of it before: it is published, and has no
    correction.
    """

    path: str
    placed: Placed
    notes: tuple[Note, ...]
    plain: bool

    @property
    def article(self) -> Article:
        """The article, made of its JSON."""
        return ARTICLE.validate_json(self.placed.json)


Outcome = tuple[FoundFile, Ready | Rejected]


@dataclass(frozen=True, slots=True)
class ReadRules:
    """What reading is told: the folder of stories, what files are read by, and the feeds editors defined."""

    root: Path
    load: LoadRules
    customs: tuple[CustomFeed, ...] = ()


def outcomes(rules: ReadRules, files: Iterable[FoundFile]) -> Iterator[list[Outcome]]:
    """What each of the files came to, in batches; those that have gone since they were found are left out."""
    files = iter(files)
    few = list(islice(files, _FEW))
    processes = min(_processors(), _MOST_PROCESSES)
    if len(few) < _FEW or processes < 2:
        yield from (_read_here(rules, batch) for batch in _batches(chain(few, files)))
    else:
        yield from _spread(rules, _batches(chain(few, files)), processes)


def _processors() -> int:
    """How many processors this process may use; where the system doesn't say, how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
    return _paired(batch, _read(rules, [file.path for file in batch]))


def _read(rules: ReadRules, paths: Sequence[str]) -> list[Ready | Rejected | None]:
    """What files came to; None for one that has gone: the watcher or the next look will say so."""
    reader = Reader(rules.root, rules.load)
    made: list[Ready | Rejected | None] = []
    for path in paths:
        try:
            outcome = reader.load(path)
        except FileNotFoundError:
            made.append(None)
        else:
            made.append(outcome if isinstance(outcome, Rejected) else _ready(outcome, rules.customs))
    return made


def _ready(loaded: Loaded, customs: Sequence[CustomFeed]) -> Ready:
    article = loaded.article
    plain = article.status == "published" and not article.correction
    return Ready(loaded.path, placed(article, customs, loaded.json), loaded.notes, plain)


def _paired(batch: Sequence[FoundFile], made: Sequence[Ready | Rejected | None]) -> list[Outcome]:
    return [(file, outcome) for file, outcome in zip(batch, made, strict=True) if outcome is not None]


def _spread(rules: ReadRules, batches: Iterator[list[FoundFile]], processes: int) -> Iterator[list[Outcome]]:
    """Batches go round the readers, so that they come back in their order."""
    readers: deque[_Process] = deque()
    under_way: deque[list[FoundFile]] = deque()
    try:
        readers.extend(_Process(rules) for _ in range(processes))
        for batch in batches:
            under_way.append(batch)
            readers[0].ask([file.path for file in batch])
            readers.rotate(-1)
            if len(under_way) == _AHEAD * processes:
                made = _paired(under_way[0], readers[0].answer())
                under_way.popleft()
                yield made
        readers.rotate(len(under_way))
        while under_way:
            made = _paired(under_way[0], readers[0].answer())
            under_way.popleft()
            readers.rotate(-1)
            yield made
    except _ReaderDiedError as error:
        # Of the memory it lacked, or by somebody's hand: slower is better than not at all.
        log.error("reader_died", error=repr(error.__cause__))
        yield from (_read_here(rules, batch) for batch in chain(list(under_way), batches))
    finally:
        for reader in readers:
            reader.end()


class _ReaderDiedError(Exception):
    """A process that reads is gone; the cause is what its pipe said."""


class _Process:
    """A process that reads story files: paths go to it by a pipe, and what they came to comes back by one.

    Not one of multiprocessing's, which import the main program anew in each of them, whatever it is, and stay
    behind when it dies. This one ends when its pipe does.
    """

    def __init__(self, rules: ReadRules) -> None:
        # Not -m: what is pickled must be of this module's name there, too.
        program = f"import sys; sys.path[:] = {sys.path!r}; from feedsvc.reading import serve; serve()"
        # A group of its own: Ctrl-C is for the parent, which ends its readers.
        try:
            self._process = Popen([sys.executable, "-c", program], stdin=PIPE, stdout=PIPE, process_group=0)
        except OSError as error:  # no memory for another, or no more processes
            raise _ReaderDiedError from error
        assert self._process.stdin
        assert self._process.stdout
        self._to, self._from = self._process.stdin, self._process.stdout
        try:
            self._tell((rules, logs.present()))
        except _ReaderDiedError:
            self.end()
            raise

    def ask(self, paths: Sequence[str]) -> None:
        """Have it read files. Raises _ReaderDiedError."""
        self._tell(paths)

    def answer(self) -> list[Ready | Rejected | None]:
        """What the files came to that it was asked for longest ago. Raises _ReaderDiedError."""
        try:
            made: list[Ready | Rejected | None] = pickle.load(self._from)
        except Exception as error:  # what is left of an answer may trip pickle in any way
            raise _ReaderDiedError from error
        return made

    def _tell(self, something: object) -> None:
        try:
            pickle.dump(something, self._to)
            self._to.flush()
        except OSError as error:
            raise _ReaderDiedError from error

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()


def serve() -> None:
    """What such a process does, until its pipe ends."""
    rules, logging = pickle.load(sys.stdin.buffer)
    logs.set_up_logging(*logging)
    # Pipes hold less than a batch: without threads at both, each end would wait for the other to read first,
    # and reading would stand still while the parent writes to the store.
    asked: SimpleQueue[list[str] | None] = SimpleQueue()
    made: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_take, args=(asked,), daemon=True).start()
    Thread(target=_give, args=(made,), daemon=True).start()
    while (paths := asked.get()) is not None:
        made.put(pickle.dumps(_read(rules, paths)))


def _take(asked: "SimpleQueue[list[str] | None]") -> None:
    with suppress(EOFError):
        while True:
            asked.put(pickle.load(sys.stdin.buffer))
    asked.put(None)


def _give(made: "SimpleQueue[bytes]") -> None:
    with suppress(OSError):  # the parent is gone, and so is the other pipe
        while True:
            sys.stdout.buffer.write(made.get())
            sys.stdout.buffer.flush()
