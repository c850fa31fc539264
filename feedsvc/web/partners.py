"""The door to partners' feeds: who has a token passes, and is answered by a short cut of their own.

Knows no rule of HTTP but those of authentication (RFC 9110 §11); feeds come from the short cut behind it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import structlog

from feedsvc.model import Representation
from feedsvc.selection import Partner
from feedsvc.store.tokens import Token
from feedsvc.web.addresses import Network, client_address
from feedsvc.web.feed_cache import Entry, Place, place_below
from feedsvc.web.keyring import Keyring
from feedsvc.web.limits import Limits, Rate
from feedsvc.web.refusals import LICENSED
from feedsvc.web.short_cut import PARTNERS, Slots
from feedsvc.web.wrong_tokens import WrongTokens

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger(__name__)

HOLDER = "feedsvc.holder"
"""Where in the environment the token is that a request came in with. No header field can set it."""

Record = Callable[[Token, Representation], None]


class PartnerDoor:
    """The WSGI application for everything below /partners/.

    Args:
        app: what answers but feeds: the list of feeds, and that there is no such thing.
        feeds: the short cut over partners' feeds, which this alone leads to.
        keyring: the tokens.
        partners: the partners there are, by name, with what they are licensed to have now.
        slots: who may wait for the store.
        limits: where wrong tokens are counted, by address.
        trusted: the proxies whose word on a client's address is taken.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        feeds: "WSGIApplication",
        *,
        keyring: Keyring,
        partners: Mapping[str, Partner],
        slots: Slots,
        limits: Limits,
        trusted: tuple[Network, ...] = (),
    ) -> None:
        self._app = app
        self._feeds = feeds
        self._keyring = keyring
        self._partners = dict(partners)
        self._slots = slots
        self._wrong = WrongTokens(limits, trusted)
        self.counts: dict[tuple[str, str], int] = {}
        """How many requests were let in, by partner, and how many not: ("", "401"), ("", "429")."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        name = partner_in(environ.get("PATH_INFO", ""))
        try:
            token = self._keyring.holder(environ.get("HTTP_AUTHORIZATION"), "read")
        except Exception as error:  # the store is gone before it was ever read
            log.warning("tokens_unreadable", error=type(error).__name__)
            return refused(503, environ, start_response)
        # The same answer whether the partner isn't known, or the token is another's: neither is for others.
        if token is None or token.name != name or name not in self._partners:
            return self._turned_away(environ, start_response)
        self._count(name, "in")
        environ[HOLDER] = token
        place = place_in_partner(environ.get("PATH_INFO", ""))
        # What is published may be of a licence that was larger.
        if place is not None and self._partners[name].is_given(place.key, place.format):
            return self._feeds(environ, start_response)
        if not self._slots.take():
            return refused(503, environ, start_response)
        try:
            return self._app(environ, start_response)
        finally:
            self._slots.give_back()

    def _turned_away(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if seconds := self._wrong.count(environ):
            self._count("", "429")
            return refused(429, environ, start_response, retry_after=seconds)
        self._count("", "401")
        return refused(401, environ, start_response)

    def snapshot(self) -> dict[tuple[str, int], int]:
        """The counts so far, under keys that no format has."""
        named = {"in": 200, "401": 401, "429": 429}
        return {(f"partner:{partner}", named[how]): count for (partner, how), count in self.counts.items()}

    def _count(self, partner: str, outcome: str) -> None:
        self.counts[partner, outcome] = self.counts.get((partner, outcome), 0) + 1


class Admission:
    """Whether a full answer may go out, and what is noted of one that does: within a partner's rate."""

    def __init__(
        self, rates: Mapping[str, Rate | None], limits: Limits, record: Record, confirmed: Record
    ) -> None:
        self._rates = rates
        self._limits = limits
        self._record = record
        self._confirmed = confirmed

    def __call__(self, entry: Entry, environ: "WSGIEnvironment") -> int:
        """0 if it may go out; else the seconds to wait."""
        if environ["REQUEST_METHOD"] != "GET":
            return 0
        token: Token = environ[HOLDER]
        rate = self._rates.get(token.name)
        if rate is not None and (seconds := self._limits.take("partner", token.name, rate)):
            return seconds
        self._record(token, entry.representation)
        return 0

    def confirm(self, entry: Entry, environ: "WSGIEnvironment") -> None:
        """Note that the client holds these very bytes: they may stand for more than when it received them.

        A feed is as before if the story that was withdrawn had left it earlier.
        """
        if environ["REQUEST_METHOD"] == "GET":
            self._confirmed(environ[HOLDER], entry.representation)


class AddressAdmission:
    """Whether a full answer may go out to everybody's address that asks."""

    def __init__(self, rate: Rate, limits: Limits, trusted: tuple[Network, ...]) -> None:
        self._rate = rate
        self._limits = limits
        self._trusted = trusted

    def __call__(self, _entry: Entry, environ: "WSGIEnvironment") -> int:
        """0 if it may go out; else the seconds to wait."""
        if environ["REQUEST_METHOD"] != "GET":
            return 0
        return self._limits.take("address", client_address(environ, self._trusted), self._rate)


def partner_in(path: str) -> str:
    """The name of the partner in a path below /partners/."""
    return path[len(PARTNERS) :].partition("/")[0]


def place_in_partner(path: str) -> Place | None:
    """What PATH_INFO names if it is a partner's feed: `/partners/<name>/feeds/<key>.<format>`; else None."""
    if not path.startswith(PARTNERS):
        return None
    name = partner_in(path)
    return place_below(path[len(PARTNERS) + len(name) :], name) if name else None


def refused(
    status: int, environ: "WSGIEnvironment", start_response: "StartResponse", retry_after: int = 0
) -> Iterable[bytes]:
    """Answer with a refusal."""
    refusal = LICENSED[status]
    more = [("Retry-After", str(retry_after))] if retry_after else []
    start_response(refusal.status, [*refusal.headers, *more])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [refusal.body]
