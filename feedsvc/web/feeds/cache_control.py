"""Computes the Cache-Control and Link of a feed's response.

Pure: knows no store and no clock; the time comes in as an argument.
"""

from math import floor, inf
from typing import NamedTuple

from feedsvc.domain.model import Format, Site
from feedsvc.domain.urls import feed_url


class Freshness(NamedTuple):
    """How long caches may keep a feed, in seconds, and serve it stale while they revalidate or on errors.

    `valid_until` (seconds since the epoch) is when a story in it expires: no cache may show the feed after
    that.
    """

    max_age: int
    stale_while_revalidate: int
    stale_if_error: int
    valid_until: float = inf

    @property
    def unlimited_until(self) -> float:
        """Until then (seconds since the epoch) the limits end before `valid_until`, and need not be cut."""
        return self.valid_until - self.max_age - max(self.stale_while_revalidate, self.stale_if_error)

    def seconds_left(self, now: float) -> int:
        """Whole seconds from `now` (since the epoch) to `valid_until`, which is finite; negative after it."""
        return floor(self.valid_until - now)


def cache_control(freshness: Freshness, now: float, *, for_one: bool = False) -> str:
    """The Cache-Control of a feed sent at `now`, seconds since the epoch (RFC 9111 §5.2.2, RFC 5861).

    With `for_one` it is private, so that no shared cache may store it. Near an expiry each limit is cut, so
    that no cache keeps or shows the feed after it; limits of 0 are left out. If no stale limit is left, the
    response says must-revalidate: a cache must then not serve it stale even when it is disconnected (RFC 9111
    §4.2.4).
    """
    max_age, on_revalidation, on_error, _ = freshness
    whose = "private" if for_one else "public"
    if now <= freshness.unlimited_until:
        return (
            f"{whose}, max-age={max_age}, stale-while-revalidate={on_revalidation}, stale-if-error={on_error}"
        )
    left = max(freshness.seconds_left(now), 0)
    max_age = min(max_age, left)
    limits = {
        "stale-while-revalidate": min(on_revalidation, left - max_age),
        "stale-if-error": min(on_error, left - max_age),
    }
    stale = [f"{name}={limit}" for name, limit in limits.items() if limit] or ["must-revalidate"]
    return ", ".join([whose, f"max-age={max_age}", *stale])


def link(site: Site, key: str, fmt: Format, partner: str = "") -> str:
    """The Link of a feed (RFC 8288): its own URL, and the site's hub if there is one (WebSub §4).

    A partner's feed names no hub, because a hub distributes what it fetches to anybody who subscribes.
    """
    own = f'<{feed_url(site, key, fmt, partner)}>; rel="self"'
    return f'{own}, <{site.hub}>; rel="hub"' if site.hub and not partner else own
