"""One run: what its parts share, and the order in which they begin and end.

Knows no fault and no story.
"""

import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.faults.cluster import Cluster
from tests.e2e.faults.history import History
from tests.e2e.faults.nodes import Node, Nodes
from tests.e2e.faults.reference import Reference, Sighting
from tests.e2e.faults.timeline import DATABASE, Timeline


@dataclass(frozen=True)
class Size:
    """How long a run is, and how hard."""

    seconds: float
    pause_most: float
    """Seconds that a process stands still."""
    files: int
    """That arrive at once."""


SHORT = Size(14.0, 4.0, 600)


def size_for(seconds: float) -> Size:
    """The size of a run of so many seconds."""
    return SHORT if seconds <= SHORT.seconds else Size(seconds, 30.0, 20_000)


@dataclass
class Run:
    """What everybody in a run knows of it."""

    seed: str
    size: Size
    folder: Path
    content: Path
    history: History
    timeline: Timeline
    reference: Reference
    nodes: Nodes
    cluster: Cluster | None
    token: str = ""
    epoch: int = 0
    """How many stores there were before this one."""
    began: float = field(default_factory=time.time)
    over: threading.Event = field(default_factory=threading.Event)
    """No more changes and faults are begun."""
    ended: threading.Event = field(default_factory=threading.Event)
    """Whoever still waits for an answer gives up."""

    def dice(self, who: str) -> random.Random:
        """Chance for one thread, by the seed."""
        return random.Random(f"{self.seed}/{who}")

    def able(self, node: str, since: float, until: float) -> float:
        """For how many seconds a change could come to be seen at a node."""
        return self.timeline.able([[DATABASE], self.nodes.refreshers, [node]], since, until)

    def node(self, web: str) -> Node:
        """By the name of its part that answers."""
        return next(one for one in self.nodes.answering if one.web == web)

    def judge(self, seen: Sighting) -> None:
        """Hold a response to the reference."""
        self.history.counts["responses read"] += 1
        able = lambda since, until: self.able(seen.node, since, until)  # noqa: E731
        for broken in self.reference.judge(seen, able):
            self.history.broken(*broken)

    @property
    def authorization(self) -> dict[str, str]:
        """What opens the API."""
        return {"Authorization": f"Bearer {self.token}"}
