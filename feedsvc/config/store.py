"""Open the store that a configuration names.

Knows nothing of what it is opened for.
"""

from feedsvc.config.schema import Config
from feedsvc.store.connections import Patience
from feedsvc.store.engine import Store


def opened(config: Config, *, create: bool = True, wait: bool = False) -> Store:
    """The store that a configuration names, opened; see `Store`. Raises StoreError."""
    limits = config.store
    patience = Patience(
        limits.idle_in_transaction_session_timeout, limits.statement_timeout, limits.lock_timeout
    )
    return Store(config.store_url, create=create, wait=wait, patience=patience)
