"""Where symbolic links lead that a watch of the folder does not cover: to what has a hidden name.

Knows links and names, and nothing of how a system watches.
"""

import os
from pathlib import PurePosixPath

from feedsvc.loading import walk


class Links:
    """What is reached below `root` (a real path) by links alone."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._targets: set[str] = set()

    def follow(self, link: str) -> str | None:
        """Note where a link leads; returns the file or folder, if it is hidden and was not known yet."""
        target = os.path.realpath(link)
        if target in self._targets or not walk.within(self._root, target) or not self._is_hidden(target):
            return None
        self._targets.add(target)
        return target

    def at(self, path: str) -> list[str]:
        """The known targets at or below a path."""
        return [target for target in self._targets if walk.within(path, target)]

    def on_the_way(self, target: str) -> list[str]:
        """The folders above a target that a watch of the root does not cover, the nearest first."""
        parents = map(str, PurePosixPath(target).parents)
        return [parent for parent in parents if walk.within(self._root, parent) and self._is_hidden(parent)]

    def _is_hidden(self, path: str) -> bool:
        parts = PurePosixPath(path).relative_to(self._root).parts
        return any(walk.is_passed_over(part) for part in parts)
