"""What a service hands to its web workers: its configuration, and a folder they share.

Knows nothing of how either is used. A worker that read the file itself could come back with another
configuration than its parent and its siblings have, or not at all.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

from feedsvc.config import Config

RUN_FOLDER = "FEEDSVC_RUN"
"""The variable that names the shared folder."""


class Handover(NamedTuple):
    """What a worker was handed: the configuration, the folder shared by all, its parent's process id.

    `place` is where to answer: a numeric address and a port.
    """

    config: Config
    folder: Path
    parent: int
    place: tuple[str, int]


def hand_over(config: Config, folder: Path, place: tuple[str, int]) -> None:
    """Leave the configuration of this process in `folder`, for its workers, and where they are to answer."""
    handed = {
        "config": config.model_dump(mode="json"),
        "path": str(config.path.absolute()),
        "parent": os.getpid(),
        "place": place,
    }
    (folder / "handover").write_text(json.dumps(handed), "utf-8")


def handed_over() -> Handover:
    """What this worker was handed."""
    folder = Path(os.environ[RUN_FOLDER])
    handed = json.loads((folder / "handover").read_text("utf-8"))
    return Handover(
        Config.model_validate(handed["config"]).at(Path(handed["path"])),
        folder,
        handed["parent"],
        (handed["place"][0], handed["place"][1]),
    )
