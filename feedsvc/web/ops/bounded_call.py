"""Calls a function that may hang, such as a query to the store, and waits for a bounded time only.

Knows nothing of the function.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Asking(Generic[Answer]):
    """Calls `ask` in a thread of its own, one call at a time; callers meanwhile share that call's result.

    `seconds` is how long each caller waits.
    """

    def __init__(self, ask: Callable[[], Answer], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = threading.Lock()
        self._asked: _Asked[Answer] | None = None

    def answer(self) -> Answer:
        """What `ask` returns. Raises TimeoutError if that takes too long, or what `ask` raises."""
        with self._lock:
            if self._asked is None or not self._asked.is_alive():
                self._asked = _Asked(self._ask)
                self._asked.start()
            asked = self._asked
        asked.join(self._seconds)
        if asked.is_alive():
            raise TimeoutError("it does not answer")
        return asked.outcome()


class _Asked(threading.Thread, Generic[Answer]):
    def __init__(self, ask: Callable[[], Answer]) -> None:
        super().__init__(name="feedsvc-asking", daemon=True)  # a hanging call must not keep the process alive
        self._ask = ask
        self._answers: list[Answer] = []
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._answers.append(self._ask())
        except Exception as error:
            self._error = error

    def outcome(self) -> Answer:
        if self._error is not None:
            raise self._error
        return self._answers[0]
