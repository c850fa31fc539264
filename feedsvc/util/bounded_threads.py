"""A pool of threads for one kind of work, with a bounded wait for a free thread.

Knows nothing of the work.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class BusyError(Exception):
    """No thread came free in time, or the work took longer than its deadline."""


class Lane:
    """A pool of `threads` threads. At most `longest` calls wait for one, each at most `patience` seconds.

    A caller waits at most `deadline` seconds for the result; the work goes on then, and keeps its thread.

    Once a call has waited in vain, further ones are refused at once until a thread comes free: until then the
    work is assumed to hang.
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
        """Run `work` in a thread; `without_end`: no deadline. Raises BusyError, and what `work` raises."""
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
            done.exception()  # retrieved: asyncio logs an exception that nobody retrieves

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
