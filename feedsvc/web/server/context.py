"""Passes a service's configuration, folder and sockets to its web workers, as a line of JSON.

Knows nothing of how it is used. If workers read the configuration file themselves, a restarted one could come
up with another configuration than the others, or not at all.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from feedsvc.config.schema import Config


class Context(NamedTuple):
    """The configuration, the folder that all workers share, and descriptors.

    `listeners` are sockets to accept connections from; a worker writes to `ready` once it serves.
    """

    config: Config
    folder: Path
    listeners: Sequence[int]
    ready: int

    def line(self) -> bytes:
        """The context as the line that `handed_over` reads."""
        told = {
            "config": self.config.model_dump(mode="json"),
            "path": str(self.config.path.absolute()),
            "folder": str(self.folder),
            "listeners": self.listeners,
            "ready": self.ready,
        }
        return json.dumps(told).encode()


def handed_over() -> Context:
    """Read this worker's context from standard input, which stays open as long as the parent lives."""
    told = json.loads(sys.stdin.buffer.readline())
    config = Config.model_validate(told["config"]).at(Path(told["path"]))
    return Context(config, Path(told["folder"]), told["listeners"], told["ready"])
