"""Decides which of several files that claim one id may have it.

Knows from the store which file owns an id, and reads that file again; must not know what becomes of stories.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from feedsvc.domain import urls
from feedsvc.domain.model import Loaded, Rejected, Site
from feedsvc.loading import story_file
from feedsvc.refresh.holding import Holding
from feedsvc.refresh.read_pool import ReadRules, Ready
from feedsvc.store import articles, sources
from feedsvc.store.connections import stay

_PUSHED = "give this one another, or have it take that story's place with `feedsvc refresh --force`"
_WITHDRAWN = (
    "write status: published here and run `feedsvc refresh --force` to bring it back, or write another"
)


class Claims:
    """The ids that files below `root` claim; `holding` knows which files are being written."""

    def __init__(self, root: Path, read_rules: ReadRules, site: Site, holding: Holding) -> None:
        self._root = root
        self._read_rules = read_rules
        self._site = site
        self._holding = holding

    def settle(
        self, tx: Connection, outcomes: Sequence[Ready | Rejected], *, forced: bool
    ) -> tuple[list[Ready], list[Rejected]]:
        """Which files may be loaded, and which are put in quarantine.

        Of several files that claim one id, the one that owned it before keeps it; if none did, the first one
        gets it. No file gets the id of a story that was pushed, unless `forced`.
        """
        loaded = [outcome for outcome in outcomes if isinstance(outcome, Ready)]
        rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
        ids = [one.placed.id for one in loaded]
        twins = self._twins(tx, ids)
        owners = sources.owners(tx, [*ids, *twins.values()])
        pushed = sources.ingested(tx, ids)
        there = set(articles.digests(tx, list(twins.values())))
        withdrawn = articles.withdrawn(tx, list(pushed)) if forced else set()
        accepted: list[Ready] = []
        for one in loaded:
            article_id = one.placed.id
            twin = twins.get(article_id)
            if twin and (twin in there or twin in owners) and owners.get(twin) != {one.path}:
                told = f"id: {article_id!r} is, in feeds, the id of the story {twin!r}; give this one another"
                rejected.append(Rejected(one.path, 1, told, twin, "id-duplicate"))
                continue
            if article_id in withdrawn and one.placed.status != "withdrawn" and not one.says_status:
                reason = f"id: {article_id!r} is the id of a story that the API withdrew; {_WITHDRAWN}"
                rejected.append(Rejected(one.path, 1, reason, article_id, "story-withdrawn"))
                continue
            if article_id not in owners and article_id not in pushed:
                accepted.append(one)
                owners[article_id] = {one.path}
                continue
            if article_id in pushed and not forced:
                reason = f"id: {article_id!r} is the id of a story that came by the API; {_PUSHED}"
                rejected.append(Rejected(one.path, 1, reason, article_id, "id-duplicate"))
                continue
            others = owners.get(article_id, set()) - {one.path}
            stay(tx)  # the other files are read now; with many such stories this takes long
            holder = next((other for other in sorted(others) if self._still_claims(other, article_id)), None)
            if holder is None:
                accepted.append(one)
                owners[article_id] = {one.path}
            else:
                reason = f"id: {article_id!r} is the id of {holder} already; give this story another"
                rejected.append(Rejected(one.path, 1, reason, article_id, "id-duplicate"))
        if taken := [one.placed.id for one in accepted if one.placed.id in pushed]:
            sources.disown(tx, taken)
        return accepted, rejected

    def _twins(self, tx: Connection, ids: Sequence[str]) -> dict[str, str]:
        """Id → another id that looks the same in feeds (see `urls.twin`), for the few ids that have one."""
        prefix = f"tag:{self._site.authority}:"
        if not any(one.startswith(prefix) for one in ids) and not articles.is_any(tx, prefix):
            return {}
        return {one: other for one in ids if (other := urls.twin(self._site, one))}

    def _still_claims(self, path: str, article_id: str) -> bool:
        """Whether the file at `path` exists and its story still has the id, which another file claims, too.

        While it is being written, this isn't known: it keeps the id until it is complete.
        """
        if not os.path.lexists(self._root / path):
            return False
        known = self._holding.known(path)
        if known is None:
            return True
        rules = self._read_rules
        try:
            outcome = story_file.load(self._root, path, rules.load, rules.settle, known)
        except FileNotFoundError:
            return False
        return not isinstance(outcome, Loaded) or outcome.article.id == article_id
