"""Reports the result of a scan of story files, to its caller and to the log.

Must not know how files are loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from feedsvc.domain.model import Note, Rejected
from feedsvc.refresh.read_pool import Ready

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class LoadReport:
    """The result of a scan of story files. Files that had not changed were not read.

    `held` is the number of stories whose files are gone and that stay until somebody confirms their removal;
    `unsettled` has the paths of changed files that were not read because they may be half written.
    """

    read: int = 0
    changed: int = 0
    removed: int = 0
    held: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[tuple[str, Note]] = field(default_factory=list)
    unsettled: set[str] = field(default_factory=set)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was read or removed."""
        return not (self.read or self.removed)

    def add(self, accepted: Sequence[Ready], rejected: Sequence[Rejected]) -> None:
        """Add the outcome of a batch of files, and log it."""
        self.rejected += rejected
        for one in rejected:
            log.warning("story_quarantined", file=one.path, line=one.line, reason=one.reason)
        for story in accepted:
            self.notes += [(story.path, note) for note in story.notes]
            for note in story.notes:
                log.warning("story_mended", file=story.path, line=note.line, reason=note.reason)

    def tell(self) -> None:
        """Log what was loaded, if anything was."""
        if not self.is_empty:
            log.info(
                "stories_loaded",
                read=self.read,
                changed=self.changed,
                removed=self.removed,
                quarantined=len(self.rejected),
            )
