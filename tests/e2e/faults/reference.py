"""What may be seen of each story, by what was asked of the service: the reference that feeds are held to.

Independent of the product: a story is a list of changes, each with the instants of its request and its
acknowledgement, and what a feed shows is right if a change that may be in force at that time says so.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from math import inf
from typing import Literal, NamedTuple

HELD_BACK_SECONDS = 5.0
"""For so long after its acknowledgement a withdrawal may be unseen, while all that it needs is up."""
OUTDATED_SECONDS = 15.0
"""The same for any other change: what was acknowledged is to be seen in the end, and not an hour later."""
EXPIRED_SECONDS = 7.0
"""A feed may hold an expired story for five seconds; a request may wait for a thread for two."""

Status = Literal["published", "draft", "withdrawn", "deleted"]
Able = Callable[[float, float], float]
"""From two instants to how many seconds between them all was up that a change needs to be seen."""


class Version(NamedTuple):
    """What a change makes of a story. Instants are seconds since 1970."""

    number: int
    status: Status = "published"
    embargo: float = 0.0
    expires: float = inf

    def is_public(self, at: float) -> bool:
        """Whether everybody may see it then."""
        return self.status == "published" and self.embargo <= at < self.expires


@dataclass
class Change:
    """A request that changes a story: of several attempts, when the first began and the last was answered."""

    version: Version
    sent: float
    acknowledged: float | None = None
    is_lost: bool = False
    """It was in a store that somebody deleted."""


@dataclass
class Story:
    """One story, and all that was asked of it, in order; one writer alone changes it."""

    name: str
    is_file: bool
    changes: list[Change] = field(default_factory=list)

    @property
    def last(self) -> Version | None:
        """What it was last asked to be."""
        return self.changes[-1].version if self.changes else None

    @property
    def taken(self) -> Change | None:
        """The last change that was acknowledged."""
        return next((one for one in reversed(self.changes) if one.acknowledged is not None), None)


class Sighting(NamedTuple):
    """A response: by which node, of what address, when it was asked for and had, and what stood in it."""

    node: str
    path: str
    sent: float
    received: float
    stories: Collection[tuple[str, int]]


class Broken(NamedTuple):
    """A promise that was broken, of which story, and how that was seen."""

    promise: str
    story: str
    told: str


class Reference:
    """All stories of a run."""

    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}
        self._lock = threading.Lock()

    def add(self, name: str, *, is_file: bool) -> Story:
        """A story that is about to be written for the first time."""
        with self._lock:
            return self.stories.setdefault(name, Story(name, is_file))

    def send(self, name: str, version: Version) -> Change:
        """A change is asked for, now."""
        change = Change(version, time.time())
        with self._lock:
            self.stories[name].changes.append(change)
        return change

    def acknowledge(self, change: Change) -> None:
        """The service said that it has the change; a file is handed over once it is whole in its place."""
        with self._lock:
            change.acknowledged = time.time()

    def lose_pushed(self) -> None:
        """The store is gone: what was pushed was in it alone. What is sent from now on is to be kept."""
        with self._lock:
            for story in self.stories.values():
                for change in story.changes:
                    change.is_lost = change.is_lost or not story.is_file

    def is_lost(self, name: str) -> bool:
        """Whether the last that was acknowledged of a story went with the store it was in."""
        taken = self.stories[name].taken
        return taken is None or taken.is_lost

    def judge(self, seen: Sighting, able: Able) -> list[Broken]:
        """What is wrong with a response."""
        with self._lock:
            times = Counter(name for name, _ in seen.stories)
            twice = [
                Broken("no story stands twice in a feed", name, seen.path)
                for name, n in times.items()
                if n > 1
            ]
            found = [self._judge(name, number, seen, able) for name, number in seen.stories]
        return twice + [one for one in found if one]

    def _judge(self, name: str, number: int, seen: Sighting, able: Able) -> Broken | None:
        story = self.stories.get(name)
        index = next(
            (n for n, one in enumerate(story.changes if story else []) if one.version.number == number), None
        )
        where = f"version {number} at {seen.path} of {seen.node}"
        if story is None or index is None:
            return Broken("nothing is shown that was never asked for", name, where)
        version = story.changes[index].version
        if version.status != "published":
            return Broken("nothing is shown that is held back", name, f"{where}, {version.status}")
        if version.embargo > seen.received:
            early = f"{where}, {version.embargo - seen.received:.2f} s early"
            return Broken("an embargo holds", name, early)
        if version.expires + EXPIRED_SECONDS < seen.sent:
            late = f"{where}, {seen.sent - version.expires:.2f} s late"
            return Broken("an expiry holds", name, late)
        return self._overtaken(story, index, seen, able, where)

    def _overtaken(self, story: Story, index: int, seen: Sighting, able: Able, where: str) -> Broken | None:
        """Whether a later change should have been seen instead."""
        for later in story.changes[index + 1 :]:
            if later.acknowledged is None or later.acknowledged > seen.sent:
                continue
            is_hidden = not later.version.is_public(seen.sent)
            after = able(later.acknowledged, seen.sent)
            told = f"{where}, {after:.2f} s after version {later.version.number}, {later.version.status}"
            if is_hidden and after > HELD_BACK_SECONDS:
                return Broken("what is held back is gone within 5 s", story.name, told)
            if after > OUTDATED_SECONDS:
                return Broken("a change is seen within 15 s", story.name, told)
        return None

    def expected(self, at: float) -> dict[str, int]:
        """Which version of which story everybody is to see, once all has settled."""
        with self._lock:
            return {
                story.name: taken.version.number
                for story in self.stories.values()
                if (taken := story.taken) and not taken.is_lost and taken.version.is_public(at)
            }

    def pending(self) -> list[str]:
        """The stories whose last change was never acknowledged."""
        with self._lock:
            return sorted(
                one.name
                for one in self.stories.values()
                if one.changes and one.changes[-1].acknowledged is None
            )

    def ready_at(self, horizon: float) -> float:
        """When the last embargo or expiry before `horizon` has passed."""
        with self._lock:
            last = [story.taken.version for story in self.stories.values() if story.taken]
        instants = [at for one in last for at in (one.embargo, one.expires) if at < horizon]
        return max(instants, default=0.0)
