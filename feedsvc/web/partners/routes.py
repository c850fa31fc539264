"""Authenticates requests for partners' feeds: a valid token of that partner is required.

Knows no rule of HTTP but those of authentication (RFC 9110 §11); feeds come from the responder behind it.
"""

from collections.abc import Callable, Mapping

import structlog

from feedsvc.domain.model import Representation
from feedsvc.domain.selection import Partner
from feedsvc.store import trouble
from feedsvc.store.tokens import Token
from feedsvc.util.repeated_faults import Faults
from feedsvc.web.access.auth_throttle import AuthThrottle
from feedsvc.web.access.client_address import Network, client_address
from feedsvc.web.access.rate_limit import Limits, Rate
from feedsvc.web.access.token_cache import TokenCache
from feedsvc.web.feeds.cache import Entry
from feedsvc.web.feeds.error_responses import PARTNERS, error_response
from feedsvc.web.feeds.places import Place, place_below
from feedsvc.web.feeds.responder import FeedRequest, Responder
from feedsvc.web.feeds.response import Response

log = structlog.get_logger(__name__)

Record = Callable[[Token, Representation], None]


class PartnerAuth:
    """Answers requests below /partners/; leaves those with a valid token that name no feed to Flask.

    Args:
        feeds: the responder for partners' feeds; only this class passes requests to it.
        token cache: the tokens.
        partners: the partners by name, with the feeds that they are licensed to have now.
        wrong_tokens: counts requests without a valid token, by address.
    """

    def __init__(
        self,
        feeds: Responder,
        *,
        token_cache: TokenCache,
        partners: Mapping[str, Partner],
        auth_throttle: AuthThrottle,
    ) -> None:
        self._feeds = feeds
        self._keyring = token_cache
        self._partners = dict(partners)
        self._wrong = auth_throttle
        self._faults = Faults(log)
        self.counts: dict[tuple[str, str], int] = {}
        """How many requests were let in, by (partner, "in"), and how many not: ("", "401"), ("", "429")."""

    def respond(self, request: FeedRequest) -> Response | None:
        """The response; None if the token is valid, but no feed is asked for. May wait for the store."""
        try:
            request.holder = self._holder(request)
        except Exception as error:  # the tokens were never read, and the store is unavailable
            self._faults.failed("tokens", "tokens_unreadable", trouble.of(error).words)
            return error_response(503, request.path, request.method)
        self._faults.over("tokens")
        if request.holder is None:
            return self._turned_away(request)
        self._count(request.holder.name, "in")
        return self._feeds.respond(request) if self._is_given(request) else None

    def from_memory(self, request: FeedRequest) -> Response | None:
        """The response if that takes no waiting: a licensed feed in memory, and a valid token."""
        if not self._keyring.was_read:
            return None
        request.holder = self._holder(request)
        if request.holder is None or not self._is_given(request):
            return None
        found = self._feeds.from_memory(request)
        if found is None:
            return None
        self._count(request.holder.name, "in")
        return found[0]

    def last_resort(self, request: FeedRequest) -> Response:
        """The response when no thread is free: an invalidated feed if the token allows it, else 503."""
        if self._keyring.was_read and (holder := self._holder(request)):
            request.holder = holder
            if self._is_given(request):
                return self._feeds.last_resort(request)
        return error_response(503, request.path, request.method)

    def _holder(self, request: FeedRequest) -> Token | None:
        """The request's valid token; None both for an unknown partner and for another partner's token."""
        name = partner_in(request.path)
        token = self._keyring.holder(request.fields.get("authorization"), "read")
        return token if token and token.name == name and name in self._partners else None

    def _is_given(self, request: FeedRequest) -> bool:
        """Whether the partner may have the feed now: what is published may date from a wider licence."""
        place = place_in_partner(request.path)
        return place is not None and self._partners[place.partner].is_given(place.key, place.format)

    def _turned_away(self, request: FeedRequest) -> Response:
        if seconds := self._wrong.count(request.address_fields()):
            self._count("", "429")
            return error_response(429, request.path, request.method, retry_after=seconds)
        self._count("", "401")
        return error_response(401, request.path, request.method)

    def snapshot(self) -> dict[tuple[str, int], int]:
        """The counts so far, as (`partner:<name>`, status), which cannot be mistaken for a format's."""
        named = {"in": 200, "401": 401, "429": 429}
        return {(f"partner:{partner}", named[how]): count for (partner, how), count in self.counts.items()}

    def _count(self, partner: str, outcome: str) -> None:
        self.counts[partner, outcome] = self.counts.get((partner, outcome), 0) + 1


class Admission:
    """Decides, by a partner's rate limit, whether a full response may be sent, and records it."""

    def __init__(
        self, rates: Mapping[str, Rate | None], limits: Limits, record: Record, confirmed: Record
    ) -> None:
        self._rates = rates
        self._limits = limits
        self._record = record
        self._confirmed = confirmed

    def __call__(self, entry: Entry, request: FeedRequest) -> int:
        """0 if it may be sent; else the seconds to wait."""
        token = request.holder
        if request.method != "GET" or token is None:
            return 0
        rate = self._rates.get(token.name)
        if rate is not None and (seconds := self._limits.take("partner", token.name, rate)):
            return seconds
        self._record(token, entry.representation)
        return 0

    def confirm(self, entry: Entry, request: FeedRequest) -> None:
        """Record that the client holds these bytes: they may stand for more than when it received them.

        If a story is withdrawn that had already left the feed, the bytes stay the same, but the
        representation's `contents` now have the mark of its withdrawal.
        """
        if request.method == "GET" and request.holder is not None:
            self._confirmed(request.holder, entry.representation)


class AddressAdmission:
    """Decides, by the client address's rate limit, whether a full response of a public feed may be sent."""

    def __init__(self, rate: Rate, limits: Limits, trusted: tuple[Network, ...]) -> None:
        self._rate = rate
        self._limits = limits
        self._trusted = trusted

    def __call__(self, _entry: Entry, request: FeedRequest) -> int:
        """0 if it may be sent; else the seconds to wait."""
        if request.method != "GET":
            return 0
        return self._limits.take(
            "address", client_address(request.address_fields(), self._trusted), self._rate
        )


def partner_in(path: str) -> str:
    """The partner's name in a path below /partners/."""
    return path[len(PARTNERS) :].partition("/")[0]


def place_in_partner(path: str) -> Place | None:
    """The partner's feed that PATH_INFO names, `/partners/<name>/feeds/<key>.<format>`; None if none."""
    if not path.startswith(PARTNERS):
        return None
    name = partner_in(path)
    return place_below(path[len(PARTNERS) + len(name) :], name) if name else None
