"""Threads for one kind of work: so many at a time, and whoever comes then waits for a bounded time.

Knows nothing of the work.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class BusyError(Exception):
    """No thread came free in time."""


class Lane:
    """`threads` threads. Work waits for one at most `patience` seconds, and at most `longest` pieces do.

    Once one has waited in vain the next ones don't wait, until a thread comes free: the work hangs then.
    """

    def __init__(self, name: str, threads: int, patience: float, longest: int = 2_000) -> None:
        self._executor = ThreadPoolExecutor(threads, f"feedsvc-{name}")
        self._free = asyncio.Semaphore(threads)
        self._patience = patience
        self._longest = longest
        self._waiting = 0
        self._hangs = False

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do it in a thread. Raises BusyError, and what it raises."""
        await self._take()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._hangs = False
            self._free.release()

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
