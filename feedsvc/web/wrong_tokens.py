"""How many wrong tokens an address may show, whatever they were to open.

Knows neither the tokens nor what is answered.
"""

from collections.abc import Mapping
from typing import Any, Final

from feedsvc.web.addresses import Network, client_address
from feedsvc.web.limits import Limits, Rate

_FAILURES: Final = Rate(10, 60)


class WrongTokens:
    """Counts them by address in `limits`; `trusted` are the proxies whose word on an address is taken."""

    def __init__(self, limits: Limits, trusted: tuple[Network, ...] = ()) -> None:
        self._limits = limits
        self._trusted = trusted

    def count(self, environ: Mapping[str, Any]) -> int:
        """Count a request that came without a good token: 0, or the seconds its address is to wait."""
        # Only who shows a wrong one is counted: a reader that is asked for a password shows none at first.
        if not environ.get("HTTP_AUTHORIZATION"):
            return 0
        return self._limits.take("wrong token", client_address(environ, self._trusted), _FAILURES)
