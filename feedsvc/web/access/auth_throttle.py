"""Throttles clients without a valid token, by address, whatever they ask for.

Knows neither the tokens nor the responses.
"""

from collections.abc import Mapping
from typing import Any, Final

from feedsvc.web.access.client_address import Network, client_address
from feedsvc.web.access.rate_limit import Limits, Rate

_WRONG: Final = Rate(10, 60)
_NONE: Final = Rate(100, 60)
"""Higher: a feed reader that has the password may first ask without it, once for each of its feeds."""


class AuthThrottle:
    """Counts failed authentications per client address in `limits`.

    `trusted` are the networks of proxies whose X-Forwarded-For is believed.
    """

    def __init__(self, limits: Limits, trusted: tuple[Network, ...] = ()) -> None:
        self._limits = limits
        self._trusted = trusted

    def count(self, environ: Mapping[str, Any]) -> int:
        """Count a request without a valid token: 0, or the seconds that the client has to wait."""
        # Whether the field is there, not its value: that may be empty if what was sent isn't ASCII.
        what, rate = ("wrong token", _WRONG) if "HTTP_AUTHORIZATION" in environ else ("no token", _NONE)
        return self._limits.take(what, client_address(environ, self._trusted), rate)
