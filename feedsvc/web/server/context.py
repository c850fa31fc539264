"""What a service hands to its web workers, as a line of JSON.

Knows nothing of how it is used. A worker that read the file itself could come back with another configuration
than its siblings have, or not at all.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from feedsvc.config.schema import Config


class Context(NamedTuple):
    """The configuration, the folder that all workers share, and descriptors.

    `listeners` are those of sockets to accept connections from; to `ready` a worker writes when it does.
    """

    config: Config
    folder: Path
    listeners: Sequence[int]
    ready: int

    def line(self) -> bytes:
        """The same as a worker is handed it."""
        told = {
            "config": self.config.model_dump(mode="json"),
            "path": str(self.config.path.absolute()),
            "folder": str(self.folder),
            "listeners": self.listeners,
            "ready": self.ready,
        }
        return json.dumps(told).encode()


def handed_over() -> Context:
    """What this worker was handed on its standard input, which goes on as long as its parent does."""
    told = json.loads(sys.stdin.buffer.readline())
    config = Config.model_validate(told["config"]).at(Path(told["path"]))
    return Context(config, Path(told["folder"]), told["listeners"], told["ready"])
