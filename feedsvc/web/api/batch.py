"""Takes many stories in one request as NDJSON: one line per story, and one response line per request line.

Knows lines, and how many stories are written in a transaction. A bad line affects no other.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import IO, Any, Final, NamedTuple

import structlog
from pydantic import ValidationError
from sqlalchemy import Connection

from feedsvc.changes import push
from feedsvc.changes.push import Outcome, Pushed
from feedsvc.domain.json_text import DuplicateKeyError, TooManyValuesError
from feedsvc.domain.selection import Rules
from feedsvc.ingest import document as documents
from feedsvc.ingest.document import ArticleLine
from feedsvc.ingest.fields import LONGEST_ID
from feedsvc.store import dirty, trouble
from feedsvc.store.engine import Store
from feedsvc.web.api import problems
from feedsvc.web.api.preconditions import of_line
from feedsvc.web.api.problems import Problem, of_refused, unreadable

log = structlog.get_logger(__name__)

_STORIES: Final = 500  # per transaction: a commit waits for the disk, a long transaction blocks other writers
_BYTES: Final = 4_000_000  # per transaction, so that memory does not grow with the size of the stories
_LINES: Final = 200_000  # per batch: bounds the response even if every line is nonsense
_IN_MEMORY: Final = 4_000_000  # bytes of response lines; beyond that they go to a temporary file
_GATHERED: Final = timedelta(seconds=3)  # publication is postponed for so long, to wait for the whole batch
_PUBLISHED: Final = timedelta(seconds=1)  # and then allowed for so long, if the batch still goes on
_CHUNK: Final = 65_536
# ASCII only: Unicode has more line separators, at which some readers would split a line.
_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode


class _Line(NamedTuple):
    number: int
    document: ArticleLine


class Batch:
    """One batch, read line by line. `longest` is how many bytes a line may have.

    The response lines are kept until the whole request has been read. Most clients write all of a request
    before they read anything: if we wrote meanwhile, both sides would wait for each other.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
        clock: Callable[[], datetime],
        token_id: str,
        longest: int,
        *,
        force: bool = False,
        restore: bool = False,
    ) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock
        self._token_id = token_id
        self._longest = longest
        self._force = force
        self._restore = restore
        self._statuses: Counter[int] = Counter()
        self._answers: dict[int, str] = {}
        self._failed: Problem | None = None
        self._gathered_from: datetime | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many lines got each status."""
        return {f"status_{status}": count for status, count in sorted(self._statuses.items())}

    def read(self, stream: IO[bytes]) -> Iterator[bytes]:
        """Store the stories of a request that was received whole; returns the response's bytes in pieces.

        Raises the store's error if the store failed before any story was accepted.
        """
        try:
            return self._read(stream)
        finally:
            if self._gathered_from is not None:
                with suppress(*trouble.FAULTS), self._store.write(repeatable=True) as tx:
                    dirty.debounce(tx, self._clock())

    def _read(self, stream: IO[bytes]) -> Iterator[bytes]:
        answers = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 (the answer closes it)
        waiting: list[_Line] = []
        size = 0
        for number, line in self._lines(stream):
            size += len(line)
            if (made := self._parsed(number, line)) is not None:
                waiting.append(made)
            if len(waiting) >= _STORIES or size >= _BYTES:
                self._write(waiting)
                self._flush(answers)
                waiting, size = [], 0
        self._write(waiting)
        self._flush(answers)
        answers.seek(0)
        return _pieces(answers)

    def _lines(self, stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
        """Number and bytes of each line that is not blank; a line that is too long is cut off."""
        number = 0
        while line := stream.readline(self._longest + 2):
            number += 1
            rest = line
            while not rest.endswith(b"\n") and (rest := stream.readline(_CHUNK)):
                pass
            if number > _LINES:
                self._refuse(number, Problem(413, f"A batch may have at most {_LINES} lines."))
                return
            if not line.isspace():
                yield number, line

    def _parsed(self, number: int, line: bytes) -> _Line | None:
        if self._failed:
            self._refuse(number, self._failed)
            return None
        line = line.rstrip(b"\r\n")
        if len(line) > self._longest:
            self._refuse(number, Problem(413, f"A story may have at most {self._longest} bytes."))
            return None
        try:
            return _Line(number, documents.parsed(ArticleLine, line))
        except (ValidationError, DuplicateKeyError, TooManyValuesError) as error:
            self._refuse(number, unreadable(error, ArticleLine), _id_in(line))
            return None

    def _write(self, lines: list[_Line]) -> None:
        if not lines:
            return
        now = self._clock()
        pushes = [
            push.put(
                line.document.id, line.document, now, of_line(line.document.if_match), restore=self._restore
            )
            for line in lines
        ]
        try:
            with self._store.write() as tx:
                self._gather(tx, now)
                outcomes = push.push(tx, pushes, self._rules, now, self._token_id, force=self._force)
        except Exception as error:
            self._unwritten(lines, error)
            return
        for line, outcome in zip(lines, outcomes, strict=True):
            self._tell(line, outcome)

    def _gather(self, tx: Connection, now: datetime) -> None:
        """Postpone publication until the next stories have come, but never for long at a time."""
        began = self._gathered_from
        if began is None or now >= began + _GATHERED + _PUBLISHED:
            began = self._gathered_from = now
        if now < began + _GATHERED:
            dirty.debounce(tx, min(now + _PUBLISHED, began + _GATHERED))

    def _unwritten(self, lines: list[_Line], error: Exception) -> None:
        """Answer for the stories of a transaction that failed.

        If the store is at fault: raise its error if no story has been accepted yet, else refuse these and all
        further lines with 503. If not, write each in a transaction of its own: then only the bad one fails.
        """
        is_store = isinstance(error, trouble.FAULTS)
        if len(lines) > 1 and not (is_store and trouble.is_of_store(error)):
            for line in lines:
                self._write([line])
            return
        if is_store:
            if not self._statuses.keys() & {200, 201}:
                raise error
            self._failed = Problem(503, "The store can't be reached just now; please send this line again.")
        log.warning("stories_not_written", error=type(error).__name__)
        for line in lines:
            self._refuse(
                line.number, self._failed or Problem(500, "The story could not be written."), line.document.id
            )

    def _tell(self, line: _Line, outcome: Outcome) -> None:
        if not isinstance(outcome, Pushed):
            self._refuse(line.number, of_refused(outcome), line.document.id)
            return
        status = HTTPStatus.CREATED if outcome.was_new else HTTPStatus.OK
        told = {"id": line.document.id, "status": status, "etag": f'"{outcome.article.digest}"'}
        self._answer(line.number, status, told)

    def _refuse(self, number: int, problem: Problem, article_id: str | None = None) -> None:
        status = problem.code or 500
        named = {} if article_id is None else {"id": article_id}
        version = {"etag": problem.members["etag"]} if "etag" in problem.members else {}
        told = {**named, "status": status, **version, "problem": problems.body(problem)}
        self._answer(number, status, told)

    def _answer(self, number: int, status: int, told: dict[str, Any]) -> None:
        self._statuses[status] += 1
        self._answers[number] = _ENCODE({"line": number, **told})

    def _flush(self, answers: IO[bytes]) -> None:
        """Append the response lines gathered so far to `answers`, in the order of their numbers."""
        for number in sorted(self._answers):
            answers.write(self._answers[number].encode() + b"\n")
        self._answers.clear()


def _id_in(line: bytes) -> str | None:
    """The id in a line that is no valid story, for the client to find it by; None if none is clear."""
    with suppress(ValueError, RecursionError):
        document = json.loads(line, object_pairs_hook=tuple)
        found = [one for key, one in document if key == "id"] if isinstance(document, tuple) else []
        # With two ids in a line, it is not clear which is meant.
        if len(found) == 1 and isinstance(found[0], str) and len(found[0]) <= LONGEST_ID:
            return found[0]
    return None


def _pieces(answers: IO[bytes]) -> Iterator[bytes]:
    with answers:
        while piece := answers.read(_CHUNK):
            yield piece
