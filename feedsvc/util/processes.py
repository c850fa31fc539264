"""Worker processes: each receives tasks through one pipe and returns results through another.

Knows nothing of the work except the name of its function.
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

_NICE = 8  # whoever has much work done here has other work, too, that is not to wait for it
_PIPE_BYTES = 1_048_576  # a batch goes through in two or three pieces, each of which wakes the other end

_OBJECTS = 50_000  # about as many as a batch makes

Asked = TypeVar("Asked")
Made = TypeVar("Made")


def processors() -> int:
    """How many processors this process may use; where the system doesn't say, how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ProcessLostError(Exception):
    """A worker process is gone; the cause is the error of its pipe."""


class Process(Generic[Asked, Made]):
    """A worker process that calls one function for each task, with `rules` and the task as arguments.

    `work` names the function, written `package.module:function`. The process is not one of multiprocessing's,
    which import the parent's main program, whatever it is, and outlive the parent if it is killed. This one
    ends when its pipe is closed. Raises ProcessLostError if it cannot be started.
    """

    def __init__(self, work: str, rules: object) -> None:
        program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
        # A process group of its own: Ctrl-C goes to the parent only, which ends its workers.
        try:
            self._process = Popen(
                [sys.executable, "-c", program],
                stdin=PIPE,
                stdout=PIPE,
                process_group=0,
                bufsize=_PIPE_BYTES,
                pipesize=_PIPE_BYTES,
            )
        except OSError as error:  # no memory for another process, or too many of them
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
        """Send it a task. Raises ProcessLostError."""
        self._tell(something)

    def is_answering(self, seconds: float) -> bool:
        """Whether, within `seconds`, a result begins to arrive or the process ends."""
        pipe = self._from.fileno()
        os.set_blocking(pipe, False)
        try:
            has_begun = bool(self._from.peek(1))
        finally:
            os.set_blocking(pipe, True)
        return has_begun or bool(select.select([pipe], [], [], seconds)[0])

    def answer(self) -> Made:
        """Wait for the result of the oldest task without one. Raises ProcessLostError."""
        try:
            made: Made = pickle.load(self._from)
        except Exception as error:  # a truncated result may make pickle raise anything
            raise ProcessLostError from error
        return made

    def _tell(self, something: object) -> None:
        try:
            pickle.dump(something, self._to)
            self._to.flush()
        except OSError as error:
            raise ProcessLostError from error

    def end(self) -> None:
        """Kill it, and close its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()


def serve() -> None:
    """The main function of a worker process: work until the pipe is closed."""
    work, rules, logging = pickle.load(sys.stdin.buffer)
    logs.set_up_logging(*logging)
    os.nice(_NICE)
    do = resolve_name(work)
    collect_seldom()
    # A pipe holds less than a batch. Without a thread at each pipe, parent and worker might each wait for the
    # other to read first, and the worker would be idle while the parent does something else.
    asked: SimpleQueue[tuple[object] | None] = SimpleQueue()
    made: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_take, args=(asked,), daemon=True).start()
    Thread(target=_give, args=(made,), daemon=True).start()
    while (something := asked.get()) is not None:
        made.put(pickle.dumps(do(rules, *something)))


def collect_seldom() -> None:
    """Run Python's cyclic garbage collector less often, in a process that makes many objects and keeps few.

    Objects that exist now are never searched again. Stories hold no cycles, and a load would spend a
    twentieth of its time on the search. A process that makes few objects at a time should call `collect_now`
    in between: otherwise a collection of tens of milliseconds interrupts it once there are very many.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS)


def collect_now(*, everything: bool = False) -> None:
    """Collect cycles among the objects made since the last collection, or among `everything` that is kept."""
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
