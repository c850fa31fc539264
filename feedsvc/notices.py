"""Recalls → notices to partners' webhooks: put into the store's outbox, and sent until they are taken.

Knows neither feeds nor schedules. At least once: who gets a notice twice knows it by its id.
"""

import hashlib
import hmac
import json
import random
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from feedsvc import outgoing
from feedsvc.rights import Webhook
from feedsvc.store import deliveries, outbox, recalls
from feedsvc.store.deliveries import Holding
from feedsvc.store.outbox import Notice
from feedsvc.store.schema import Store

log = structlog.get_logger(__name__)

_LOOK_BACK = timedelta(days=3)  # older recalls are not told of any more
_SETTLED = timedelta(minutes=1)  # until then a delivery may yet be written to the ledger
_LOOK_AGAIN = timedelta(minutes=5)  # and later still, if the store was gone or a worker died
_MOMENT = 0.5  # seconds
_LEASE = timedelta(minutes=2)
_AGAIN = (10, 30, 120, 600, 3600)  # seconds until the next try, after each; then
_PAUSE = timedelta(hours=1)
_EVERY = 6 * 3600
_GIVEN_UP = timedelta(days=3)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What `Feedsvc-Signature` says: HMAC-SHA256 over the time it was sent, a dot, and the body."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


class Notifier:
    """Tells partners that what they hold was recalled. `clock` returns aware UTC.

    `send` posts a body with header fields to a URL and returns the status; it raises OutgoingError.
    """

    def __init__(
        self,
        store: Store,
        webhooks: Mapping[str, Webhook],
        clock: Callable[[], datetime],
        send: outgoing.Send = outgoing.post,
    ) -> None:
        self._store = store
        self._webhooks = webhooks
        self._clock = clock
        self._send = send
        self._swept: datetime | None = None
        self._wake = threading.Event()
        self._stopping = False
        self._failing = False
        self._thread = threading.Thread(target=self._send_on, name="feedsvc-notices", daemon=True)

    def start(self) -> None:
        """Begin to send, in a thread that nobody waits for: what it is about when all ends is sent again."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more. What is on its way has a moment to be noted as taken."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_MOMENT)

    def run(self) -> None:
        """Look for what is to be told of, and have it sent."""
        try:
            self.sweep()
        except SQLAlchemyError as error:  # the store is gone: said once, not every few seconds
            if not self._failing:
                log.warning("recalls_not_seen", error=repr(error))
            self._failing = True
            return
        self._failing = False
        self._wake.set()

    def sweep(self) -> int:
        """Put a notice into the outbox for each partner that holds what was recalled; returns how many.

        One that is there stays as it is. A look costs one query if nothing was recalled lately.
        """
        now = self._clock()
        with self._store.read() as connection:
            newest = recalls.newest(connection)
            if newest is None or newest < now - _LOOK_BACK or self._is_settled(newest, now):
                return 0
            holders = deliveries.unaware(connection, since=now - _LOOK_BACK)
        made = [self._notice(one, now) for one in holders if one.partner in self._webhooks]
        if made:
            with self._store.write() as tx:
                outbox.put(tx, made)
        self._swept = now
        return len(made)

    def _is_settled(self, newest: datetime, now: datetime) -> bool:
        swept = self._swept
        return swept is not None and newest < swept - _SETTLED and swept <= now < swept + _LOOK_AGAIN

    def _notice(self, holding: Holding, now: datetime) -> Notice:
        recall = holding.recall
        made = recall.notice_id(holding.partner)
        told = {
            "id": made,
            "type": f"story.{recall.kind}",
            "partner": holding.partner,
            "article": {"id": recall.article_id, "title": recall.title},
            "reason": recall.reason,
            "at": recall.at.isoformat(),
            "versions": list(holding.versions),
        }
        return Notice(made, holding.partner, json.dumps(told, ensure_ascii=False), now)

    def send_due(self) -> int:
        """Send what is due; returns how many were taken."""
        number = 0
        while not self._stopping:
            now = self._clock()
            with self._store.read() as connection:
                if not outbox.is_due(connection, now):
                    break
            with self._store.write() as tx:
                claimed = outbox.claim(tx, now, now + _LEASE, limit=1)
            if not claimed:
                break
            number += self._told(claimed[0])
        return number

    def _told(self, notice: Notice) -> bool:
        webhook = self._webhooks.get(notice.partner)
        try:
            if webhook is None:
                raise outgoing.OutgoingError("the partner has no webhook any more")
            status = self._post(webhook, notice)
            if not 200 <= status < 300:
                raise outgoing.OutgoingError(f"it answered {status}")
        except outgoing.OutgoingError as error:
            again = self._next_try(notice)
            with self._store.write() as tx:
                outbox.failed(tx, notice.id, str(error), again)
                # The others would fail as well, and everybody else wait for that.
                outbox.postpone(tx, notice.partner, self._clock(), again or self._clock() + _PAUSE)
            event = "notice_failed" if again else "notice_given_up"
            log.warning(event, partner=notice.partner, notice=notice.id, error=str(error))
            return False
        with self._store.write() as tx:
            outbox.taken(tx, notice.id, self._clock())
        log.info("notice_taken", partner=notice.partner, notice=notice.id, attempts=notice.attempts)
        return True

    def _post(self, webhook: Webhook, notice: Notice) -> int:
        body, timestamp = notice.body.encode(), str(int(self._clock().timestamp()))
        fields = {
            "Content-Type": "application/json",
            "Feedsvc-Id": notice.id,
            "Feedsvc-Timestamp": timestamp,
            "Feedsvc-Signature": signature(webhook.secret, timestamp, body),
        }
        return self._send(webhook.url, body, fields, webhook.private)

    def _next_try(self, notice: Notice) -> datetime | None:
        now = self._clock()
        seconds = _AGAIN[notice.attempts - 1] if notice.attempts <= len(_AGAIN) else _EVERY
        # Not all at once to a receiver that is back: it may have been down under the load.
        again = now + timedelta(seconds=seconds * random.uniform(0.8, 1.2))
        return again if again < notice.created_at + _GIVEN_UP else None

    def _send_on(self) -> None:
        while not self._stopping:
            self._wake.wait()
            self._wake.clear()
            try:
                self.send_due()
            except Exception as error:  # the store is gone: the next time is soon
                log.warning("notices_wait", error=repr(error))
