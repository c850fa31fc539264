"""Records in the store what partners were sent: noted in memory by a request, written within a second.

Knows nothing of HTTP. What cannot be written is retried until it is, and meanwhile kept on disk in the spool:
when this process ends or is killed, the store may be locked by a large refresh, or be unavailable.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog

from feedsvc.domain.model import Representation
from feedsvc.store import deliveries, trouble
from feedsvc.store.deliveries import Delivery
from feedsvc.store.engine import Store
from feedsvc.store.tokens import Token
from feedsvc.util.repeated_faults import Faults
from feedsvc.web.partners.delivery_spool import Spool

log = structlog.get_logger(__name__)

_INTERVAL = 0.25  # seconds between two writes
_LONGEST_PAUSE = 4.0  # seconds at most between two attempts while writes to the store fail
_KEPT_AFTER = 0.4  # seconds between two moves to the spool of what is not written yet
_ADOPTING = 20  # writes between two searches for spool files of ended processes
_REMEMBERED = 50_000  # responses remembered as already written
_A_WRITING = 200  # responses per transaction


_Name = tuple[str, str, int]


class _Sent(NamedTuple):
    token: Token
    representation: Representation
    at: datetime


class DeliveryLog:
    """Notes deliveries, and writes them to the store. `clock` returns aware UTC.

    `spool` keeps on disk what is not written yet.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime], spool: Spool | None = None) -> None:
        self._store = store
        self._clock = clock
        self._spool = spool or Spool(None)
        self._kept = 0  # how many of `_sent`, from its beginning, are in the spool
        self._keeping = threading.Lock()
        self._sent: deque[_Sent] = deque()
        self._written: set[_Name] = set()
        # Confirmations are not spooled: the next poll repeats them.
        self._held: deque[_Sent] = deque(maxlen=_A_WRITING)
        self._confirmed: set[_Name] = set()
        self._faults = Faults(log)
        self._closing = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._write_on, name="feedsvc-ledger", daemon=True)
        self._keeper = threading.Thread(target=self._keep_on, name="feedsvc-ledger-spool", daemon=True)

    def start(self) -> None:
        """Start the threads."""
        self._thread.start()
        self._keeper.start()

    def record(self, token: Token, representation: Representation) -> None:
        """Note that `representation` was sent to the holder of `token`."""
        if _name(token, representation) not in self._written:
            self._sent.append(_Sent(token, representation, self._clock()))

    def confirm(self, token: Token, representation: Representation) -> None:
        """Note that the holder of `token` has `representation`: it named its ETag, and got a 304."""
        name = _name(token, representation)
        if name not in self._confirmed and name not in self._written:
            self._confirmed.add(name)
            self._held.append(_Sent(token, representation, self._clock()))

    def write(self) -> None:
        """Write everything noted so far. Raises what the store raises; then nothing is lost."""
        with self._writing:
            while some := [self._sent[place] for place in range(min(len(self._sent), _A_WRITING))]:
                self._record([line for sent in some for line in _lines(sent)])
                self._written_out(some)
            if held := [self._held.popleft() for _ in range(len(self._held))]:
                self._write_held(held)

    def _write_held(self, held: list[_Sent]) -> None:
        try:
            with self._store.write() as tx:
                deliveries.confirm(tx, [line for sent in held for line in _lines(sent)])
        except Exception:
            self._confirmed.clear()  # so that the next poll's confirmation is noted
            raise
        if len(self._confirmed) > _REMEMBERED:
            self._confirmed.clear()

    def _written_out(self, some: list[_Sent]) -> None:
        with self._keeping:
            for sent in some:
                self._sent.popleft()
                self._written.add(_name(sent.token, sent.representation))
            kept, self._kept = self._kept, max(self._kept - len(some), 0)
            if kept and not self._kept:
                self._spool.clear()
        if len(self._written) > _REMEMBERED:
            self._written.clear()

    def keep(self) -> None:
        """Put what was noted and is not written yet into the spool. Raises OSError if that fails."""
        with self._keeping:
            if self._kept and self._spool.was_lost():
                self._kept = 0
            new = [self._sent[place] for place in range(self._kept, len(self._sent))]
            if new:
                self._spool.keep([line for sent in new for line in _lines(sent)])
                self._kept += len(new)

    def recover(self) -> None:
        """Write what processes that have ended left in the spool. Raises what the store raises."""
        if number := self._spool.recover(self._record):
            log.info("ledger_adopted", lines=number)

    def _record(self, lines: Sequence[Delivery]) -> None:
        with self._store.write() as tx:
            deliveries.record(tx, lines)

    def forget(self) -> None:
        """Forget what was written: the store may be another, or an older one."""
        self._written.clear()
        self._confirmed.clear()

    def close(self) -> None:
        """Spool and write what is left, and end the threads."""
        self._closing.set()
        try:
            self.keep()  # first: this process may be killed before the store can be written
        except OSError as error:
            log.warning("ledger_not_kept", answers=len(self._sent), error=repr(error))
        if self._thread.is_alive():
            self._thread.join(timeout=1)
        try:
            self.write()
        except Exception as error:
            log.error("ledger_left", answers=len(self._sent), kept=self._kept, error=repr(error))
        with self._keeping:
            self._spool.close(clear=not self._sent)

    def _keep_on(self) -> None:
        while not self._closing.wait(_KEPT_AFTER):
            try:
                self.keep()
            except OSError as error:
                self._faults.failed("keep", "ledger_not_kept", repr(error), answers=len(self._sent))
            else:
                self._faults.over("keep")

    def _write_on(self) -> None:
        rounds = 0
        pause = _INTERVAL
        while not self._closing.wait(pause):
            try:
                self.write()
                if rounds % _ADOPTING == 0:
                    self.recover()
                rounds += 1
            except Exception as error:  # the store is unavailable or busy: retry later
                told = trouble.of(error).words
                seconds = self._faults.failed("write", "ledger_waits", told, answers=len(self._sent))
                pause = min(seconds, _LONGEST_PAUSE)
            else:
                self._faults.over("write")
                pause = _INTERVAL


def _name(token: Token, representation: Representation) -> _Name:
    return token.id, f"{representation.key}.{representation.format}", representation.publication


def _lines(sent: _Sent) -> list[Delivery]:
    one = sent.representation
    return [
        Delivery(
            sent.token.id, article_id, digest, one.partner, one.key, one.format, one.publication, sent.at
        )
        for article_id, digest in one.contents
    ]
