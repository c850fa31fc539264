"""How many wrong tokens an address may show, whatever they were to open.

Knows neither the tokens nor what is answered.
"""

from collections.abc import Mapping
from typing import Any, Final

from feedsvc.web.access.client_address import Network, client_address
from feedsvc.web.access.rate_limit import Limits, Rate

_WRONG: Final = Rate(10, 60)
_NONE: Final = Rate(100, 60)
"""A reader that knows its password may ask without it at first, once for each of its feeds."""


class WrongTokens:
    """Counts them by address in `limits`; `trusted` are the proxies whose word on an address is taken."""

    def __init__(self, limits: Limits, trusted: tuple[Network, ...] = ()) -> None:
        self._limits = limits
        self._trusted = trusted

    def count(self, environ: Mapping[str, Any]) -> int:
        """Count a request that came without a good token: 0, or the seconds its address is to wait."""
        # The field is there, and empty, if it holds what isn't ASCII.
        what, rate = ("wrong token", _WRONG) if "HTTP_AUTHORIZATION" in environ else ("no token", _NONE)
        return self._limits.take(what, client_address(environ, self._trusted), rate)
