"""Recalls → notices to partners' webhooks: put into the store's outbox, and sent until they are accepted.

Knows neither feeds nor schedules. Delivery is at least once: a repeated notice is recognised by its id. A
notice is checked again before it is sent, and replaced if it is no longer true.
"""

import hashlib
import hmac
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice

import structlog
from sqlalchemy import Connection

from feedsvc.domain import gate, selection
from feedsvc.domain.model import Article
from feedsvc.domain.rights import Audience, Webhook
from feedsvc.domain.selection import Rules
from feedsvc.outbound import http_client, webhook_body
from feedsvc.store import articles, health, holdings, outbox, recalls, revocations, trouble
from feedsvc.store.engine import Store
from feedsvc.store.outbox import Notice
from feedsvc.store.recalls import GONE
from feedsvc.util.repeated_faults import Faults

log = structlog.get_logger(__name__)

_LOOK_BACK = timedelta(days=3)  # no notices of older recalls are made
_SETTLED = timedelta(minutes=1)  # by then a delivery is normally written to the delivery log
_LOOK_AGAIN = timedelta(minutes=5)  # for later ones, as when the store was gone or a worker died
_MOMENT = 0.5  # seconds
_LEASE = timedelta(minutes=2)
_AGAIN = (10, 30, 120, 600, 3600)  # seconds until the next try, after each of the first five
_PAUSE = timedelta(hours=1)
_EVERY = 6 * 3600  # seconds between later tries
_GIVEN_UP = timedelta(days=3)
_NOTICES = 500  # put into the outbox in one transaction
_SHARE = 3  # a sweep that took t seconds, as it found very much, is followed by 3 t without one


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of `Feedsvc-Signature`: HMAC-SHA256 of the time it is sent, a dot, and the body."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


class Notifier:
    """Tells partners' webhooks that stories they hold were recalled. `clock` returns aware UTC.

    `send` posts a body with header fields to a URL and returns the status; it raises OutgoingError.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
        webhooks: Mapping[str, Webhook],
        clock: Callable[[], datetime],
        send: http_client.Send = http_client.post,
    ) -> None:
        self._store = store
        self._rules = rules
        self._webhooks = webhooks
        self._clock = clock
        self._send = send
        self._swept: datetime | None = None
        self._swept_all: datetime | None = None
        self._rest_until = 0.0  # by time.monotonic()
        self._wake = threading.Event()
        self._stopping = False
        self._faults = Faults(log)
        self._thread = threading.Thread(target=self._send_on, name="feedsvc-notices", daemon=True)

    def start(self) -> None:
        """Begin to send, in a daemon thread: a notice in flight when the process ends is sent again later."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more. A notice in flight has half a second to be noted as accepted."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_MOMENT)

    def run(self) -> None:
        """Sweep for new recalls, and wake the thread that sends notices."""
        began = time.monotonic()
        if began < self._rest_until:
            return  # the last sweep took long
        try:
            if self._store.was_replaced:
                self._store.reopen(health.is_filled)
            self.sweep()
        except trouble.FAULTS as error:
            self._faults.failed("sweep", "recalls_not_seen", trouble.of(error).words)
            return
        self._faults.over("sweep")
        self._rest_until = time.monotonic() + _SHARE * (time.monotonic() - began)
        self._wake.set()

    def sweep(self) -> int:
        """Put a notice into the outbox for each partner that holds a recalled story; returns how many.

        Likewise for each partner that may again have a story it was told is gone. A notice that is in the
        outbox already stays as it is. A sweep costs a few queries if nothing was recalled lately.
        """
        now = self._clock()
        number = 0
        with self._store.read(long=True) as connection:
            for some in _parted(self._recalled(connection, now)):
                number += len(some)
                with self._store.write() as tx:
                    outbox.put(tx, some)
            returned = list(self._returned(connection, now))
        if returned:
            with self._store.write() as tx:
                outbox.put(tx, returned)
        return number + len(returned)

    def _recalled(self, connection: Connection, now: datetime) -> Iterator[Notice]:
        found = (recalls.newest(connection), revocations.newest(connection, now))
        newest = max((one for one in found if one), default=None)
        if newest is None or newest < now - _LOOK_BACK:
            return
        is_all = not self._is_settled(now)
        since = self._swept - _SETTLED if self._swept and not is_all else now - _LOOK_BACK
        if newest >= since:
            for one in holdings.each_unaware(connection, since, now):
                if one.partner in self._webhooks:
                    yield webhook_body.of_recall(one, self._rules, now)
        self._swept = now
        if is_all:
            self._swept_all = now

    def _is_settled(self, now: datetime) -> bool:
        """Whether older recalls were swept lately: now and then they are again, for late deliveries."""
        swept, swept_all = self._swept, self._swept_all
        if swept is None or swept_all is None:
            return False
        return swept_all <= swept <= now < swept_all + _LOOK_AGAIN

    def _returned(self, connection: Connection, now: datetime) -> Iterator[Notice]:
        """Notices of stories that partners may have again, and may have been told are gone."""
        for gone in outbox.told_gone(connection, now - _LOOK_BACK, now):
            if gone.partner in self._webhooks and (notice := self._return(connection, gone, now)):
                yield notice

    def _return(self, connection: Connection, gone: Notice, now: datetime) -> Notice | None:
        """The notice that a story is back; None if the partner may not have it now."""
        partner = self._rules.partner(gone.partner)
        article = articles.get(connection, gone.article_id) if gone.article_id else None
        if partner is None or article is None or not self._may_have(article, partner.audience, now):
            return None
        level = gate.level(article, partner.audience)
        return webhook_body.of_return(gone, article, level, self._rules, now)

    def _may_have(self, article: Article, audience: Audience, now: datetime) -> bool:
        keys = selection.keys_of(article, self._rules.customs)
        return gate.eligible(article, audience, now) and any(map(audience.may_have_feed, keys))

    def send_due(self) -> int:
        """Send the notices that are due; returns how many were accepted."""
        number = 0
        while not self._stopping:
            now = self._clock()
            with self._store.read() as connection:
                if not outbox.is_due(connection, now):
                    break
            with self._store.write() as tx:
                claimed = outbox.claim(tx, now, now + _LEASE, limit=1)
                current = [one for one in claimed if self._is_so(tx, one, now)]
            if not claimed:
                break
            for notice in current:
                number += self._told(notice)
        return number

    def _is_so(self, tx: Connection, notice: Notice, now: datetime) -> bool:
        """Whether a claimed notice is still true; if not, it is dropped and replaced.

        It is replaced by another recall, or by the notice that the story is back, if the partner may have
        been told that it is gone. A partner that was never told so needs no notice.
        """
        if notice.article_id is None or notice.kind is None:
            return True
        if notice.kind == "restored":
            is_so = not self._is_gone(tx, notice, now)
        else:
            standing = holdings.recalled_for(tx, notice.partner, notice.article_id, now)
            made = [webhook_body.of_recall(one, self._rules, now) for one in standing]
            is_so = notice.id in {one.id for one in made}
            if not is_so and notice.kind in GONE and notice.attempts > 1:
                made += [one] if (one := self._return(tx, notice, now)) and not made else []
            if not is_so:
                outbox.put(tx, made)
        if not is_so:
            outbox.drop(tx, notice, "what it said is so no more")
            log.info("notice_dropped", partner=notice.partner, notice=notice.id, kind=notice.kind)
        return is_so

    def _is_gone(self, connection: Connection, notice: Notice, now: datetime) -> bool:
        assert notice.article_id is not None
        standing = holdings.recalled_for(connection, notice.partner, notice.article_id, now)
        return any(one.recall.kind in GONE and one.recall.level == "none" for one in standing)

    def _told(self, notice: Notice) -> bool:
        webhook = self._webhooks.get(notice.partner)
        try:
            if webhook is None:
                raise http_client.OutgoingError("the partner has no webhook any more")
            status = self._post(webhook, notice)
            if not 200 <= status < 300:
                raise http_client.OutgoingError(f"it answered {status}")
        except http_client.OutgoingError as error:
            again = self._next_try(notice)
            with self._store.write() as tx:
                outbox.failed(tx, notice.id, str(error), again)
                # The partner's other notices would fail as well, and keep all other partners waiting.
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
        # Spread the tries: a receiver that is back may have been down because of the load.
        again = now + timedelta(seconds=seconds * random.uniform(0.8, 1.2))
        return again if again < notice.created_at + _GIVEN_UP else None

    def _send_on(self) -> None:
        while not self._stopping:
            self._wake.wait()
            self._wake.clear()
            try:
                self.send_due()
            except Exception as error:  # the store is gone: the next run wakes this thread again
                self._faults.failed("send", "notices_wait", trouble.of(error).words)
            else:
                self._faults.over("send")


def _parted(notices: Iterator[Notice]) -> Iterator[list[Notice]]:
    while some := list(islice(notices, _NOTICES)):
        yield some
