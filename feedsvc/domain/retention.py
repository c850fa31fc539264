"""How long the store keeps old data: one span of time for each kind.

Pure: no I/O, no clock. `store/pruning.py` finds old rows and removes them.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

FEEDS_SAY: Final = timedelta(days=30)
"""How long a feed says that a story was withdrawn: tombstones and revocations are kept at least as long."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind is kept after it was written; a recall, after every holder of the story knew of it.

    `deliveries` are lines of the delivery log, and tokens that have ended; `notices` are those to webhooks;
    `recalls` includes revocations; `feeds` are feeds without any story, and their names.
    """

    deliveries: timedelta = timedelta(days=400)
    notices: timedelta = timedelta(days=90)
    recalls: timedelta = timedelta(days=90)
    tombstones: timedelta = timedelta(days=400)
    feeds: timedelta = timedelta(days=400)


DEFAULT: Final = Retention()
