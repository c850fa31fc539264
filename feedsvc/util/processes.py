"""Processes that take some of the work: what to do goes to each by a pipe, and what came of it comes back.

Knows nothing of the work but where its function is.
"""

import gc
import io
import os
import pickle
import select
import sys
from contextlib import suppress
from pkgutil import resolve_name
from queue import SimpleQueue
from subprocess import PIPE, Popen
from threading import Thread
from typing import Generic, TypeVar, cast

from feedsvc.util import logs

_PIPE_BYTES = 1_048_576  # a batch goes through in two or three pieces, each of which wakes the other end

_OBJECTS = 50_000  # about those of a batch

Asked = TypeVar("Asked")
Made = TypeVar("Made")


def processors() -> int:
    """How many processors this process may use; where the system doesn't say, how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ProcessLostError(Exception):
    """A process that works is gone; the cause is what its pipe said."""


class Process(Generic[Asked, Made]):
    """A process that does one thing, over and over: `work` names a function of (rules, what is asked).

    `work` is written `package.module:function`. Not one of multiprocessing's processes, which import the main
    program anew in each of them, whatever it is, and stay behind when it dies. This one ends when its pipe
    does. Raises ProcessLostError if it cannot be started.
    """

    def __init__(self, work: str, rules: object) -> None:
        program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
        # A group of its own: Ctrl-C is for the parent, which ends those it started.
        try:
            self._process = Popen(
                [sys.executable, "-c", program],
                stdin=PIPE,
                stdout=PIPE,
                process_group=0,
                bufsize=_PIPE_BYTES,
                pipesize=_PIPE_BYTES,
            )
        except OSError as error:  # no memory for another, or no more processes
            raise ProcessLostError from error
        assert self._process.stdin
        assert self._process.stdout
        self._to = self._process.stdin
        self._from = cast(io.BufferedReader, self._process.stdout)
        try:
            self._tell((work, rules, logs.present()))
        except ProcessLostError:
            self.end()
            raise

    def ask(self, something: Asked) -> None:
        """Have it do something. Raises ProcessLostError."""
        self._tell(something)

    def is_answering(self, seconds: float) -> bool:
        """Whether an answer begins to come within so many seconds, or the process ends."""
        pipe = self._from.fileno()
        os.set_blocking(pipe, False)
        try:
            has_begun = bool(self._from.peek(1))
        finally:
            os.set_blocking(pipe, True)
        return has_begun or bool(select.select([pipe], [], [], seconds)[0])

    def answer(self) -> Made:
        """What came of what it was asked for longest ago. Raises ProcessLostError."""
        try:
            made: Made = pickle.load(self._from)
        except Exception as error:  # what is left of an answer may trip pickle in any way
            raise ProcessLostError from error
        return made

    def _tell(self, something: object) -> None:
        try:
            pickle.dump(something, self._to)
            self._to.flush()
        except OSError as error:
            raise ProcessLostError from error

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()


def serve() -> None:
    """What such a process does, until its pipe ends."""
    work, rules, logging = pickle.load(sys.stdin.buffer)
    logs.set_up_logging(*logging)
    do = resolve_name(work)
    collect_seldom()
    # Pipes hold less than a batch: without threads at both, each end would wait for the other to read first,
    # and work would stand still while the parent does something else.
    asked: SimpleQueue[tuple[object] | None] = SimpleQueue()
    made: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_take, args=(asked,), daemon=True).start()
    Thread(target=_give, args=(made,), daemon=True).start()
    while (something := asked.get()) is not None:
        made.put(pickle.dumps(do(rules, *something)))


def collect_seldom() -> None:
    """Have Python look for cycles less often, as suits a process that makes very many objects and keeps few.

    What is there now is never looked through again. Stories hold no cycles: a load spends a twentieth of its
    time on the search. Who makes few at a time calls `collect_now` between: tens of milliseconds otherwise
    fall on whatever is under way when there are that many.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS)


def collect_now(*, everything: bool = False) -> None:
    """Look for cycles in what was made since the last time, or in `everything` that is kept."""
    gc.collect(2 if everything else 0)


def _take(asked: "SimpleQueue[tuple[object] | None]") -> None:
    with suppress(EOFError):
        while True:
            asked.put((pickle.load(sys.stdin.buffer),))
    asked.put(None)


def _give(made: "SimpleQueue[bytes]") -> None:
    with suppress(OSError):  # the parent is gone, and so is the other pipe
        while True:
            sys.stdout.buffer.write(made.get())
            sys.stdout.buffer.flush()
