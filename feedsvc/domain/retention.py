"""How long the store keeps what is over: spans of time, one for each kind.

Pure: no I/O, no clock. What is over, and its removal, is in `store/pruning.py`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

FEEDS_SAY: Final = timedelta(days=30)
"""How long a feed says that a story was withdrawn: no tombstone or revocation may go before."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind is kept: after it was written, or, of a recall, after every holder knew of it.

    `deliveries` are lines of the ledger, and tokens that have ended; `notices` those to webhooks; `recalls`
    also revocations; `feeds` those that no story is left in, with the names they have.
    """

    deliveries: timedelta = timedelta(days=400)
    notices: timedelta = timedelta(days=90)
    recalls: timedelta = timedelta(days=90)
    tombstones: timedelta = timedelta(days=400)
    feeds: timedelta = timedelta(days=400)


DEFAULT: Final = Retention()
