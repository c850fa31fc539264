"""What partners were sent, on its way into the ledger: noted off the request's path, written within a second.

Knows nothing of HTTP. What could not be written is tried again until it is.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import structlog

from feedsvc.model import Representation
from feedsvc.store import deliveries
from feedsvc.store.deliveries import Delivery
from feedsvc.store.schema import Store
from feedsvc.store.tokens import Token

log = structlog.get_logger(__name__)

_INTERVAL = 0.25  # seconds between two writings
_REMEMBERED = 50_000  # answers that are known to be written already
_A_WRITING = 200  # answers at a time


class _Sent(NamedTuple):
    token: Token
    representation: Representation
    at: datetime


class Ledger:
    """Takes what was sent, and writes it to the store. `clock` returns aware UTC."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._sent: deque[_Sent] = deque()
        self._written: set[tuple[str, str, int]] = set()
        self._closing = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._write_on, name="feedsvc-ledger", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def record(self, token: Token, representation: Representation) -> None:
        """Note that `representation` was sent to who has the token."""
        if _name(token, representation) not in self._written:
            self._sent.append(_Sent(token, representation, self._clock()))

    def write(self) -> None:
        """Write what was noted so far. Raises what the store raises, and then nothing is lost."""
        with self._writing:
            while some := [self._sent[place] for place in range(min(len(self._sent), _A_WRITING))]:
                with self._store.write() as tx:
                    deliveries.record(tx, [line for sent in some for line in _lines(sent)])
                for sent in some:
                    self._sent.popleft()
                    self._written.add(_name(sent.token, sent.representation))
                if len(self._written) > _REMEMBERED:
                    self._written.clear()

    def close(self) -> None:
        """Write what is left, and end."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1)
        try:
            self.write()
        except Exception as error:
            log.error("ledger_lost", answers=len(self._sent), error=repr(error))

    def _write_on(self) -> None:
        failing = False
        while not self._closing.wait(_INTERVAL):
            try:
                self.write()
            except Exception as error:  # the store is gone or busy: what was noted waits for it
                if not failing:
                    log.warning("ledger_waits", answers=len(self._sent), error=repr(error))
                failing = True
            else:
                failing = False


def _name(token: Token, representation: Representation) -> tuple[str, str, int]:
    return token.id, f"{representation.key}.{representation.format}", representation.publication


def _lines(sent: _Sent) -> list[Delivery]:
    one = sent.representation
    return [
        Delivery(
            sent.token.id, article_id, digest, one.partner, one.key, one.format, one.publication, sent.at
        )
        for article_id, digest in one.contents
    ]
