"""Threads for one kind of work: so many at a time, and whoever comes then waits for a bounded time.

Knows nothing of the work.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class BusyError(Exception):
    """No thread came free in time, or the work in it takes too long."""


class Lane:
    """`threads` threads. Work waits for one at most `patience` seconds, and at most `longest` pieces do.

    Nobody waits longer than `deadline` seconds for what work comes to: it goes on, and keeps its thread.

    Once one has waited in vain the next ones don't wait, until a thread comes free: the work hangs then.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        patience: float,
        longest: int = 2_000,
        deadline: float | None = None,
    ) -> None:
        self._deadline = deadline
        self._executor = ThreadPoolExecutor(threads, f"feedsvc-{name}")
        self._free = asyncio.Semaphore(threads)
        self._patience = patience
        self._longest = longest
        self._waiting = 0
        self._hangs = False

    async def run(self, work: Callable[[], Result], *, without_end: bool = False) -> Result:
        """Do it in a thread; `without_end` there is no deadline. Raises BusyError, and what it raises."""
        await self._take()
        done = asyncio.get_running_loop().run_in_executor(self._executor, work)
        done.add_done_callback(self._freed)
        await asyncio.wait((done,), timeout=None if without_end else self._deadline)
        if not done.done():
            self._hangs = True
            raise BusyError
        return done.result()

    def _freed(self, done: asyncio.Future[Result]) -> None:
        self._hangs = False
        self._free.release()
        if not done.cancelled():
            done.exception()  # it was asked for, even if nobody waits any more

    async def _take(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        if self._hangs or self._waiting >= self._longest:
            raise BusyError
        self._waiting += 1
        try:
            await asyncio.wait_for(self._free.acquire(), self._patience)
        except TimeoutError:
            self._hangs = True
            raise BusyError from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Take no more work. What is under way goes on."""
        self._executor.shutdown(wait=False, cancel_futures=True)
