"""The JSON bodies of notices to partners' webhooks.

Pure: no I/O, no clock. A story has the id and the link that it has in the partner's feeds.
"""

import hashlib
import json
from datetime import datetime
from typing import Any

from feedsvc.domain import urls
from feedsvc.domain.model import PUBLIC_TERMS, Article
from feedsvc.domain.rights import Level
from feedsvc.domain.selection import Rules
from feedsvc.store.holdings import Holding
from feedsvc.store.outbox import Notice


def of_recall(holding: Holding, rules: Rules, now: datetime) -> Notice:
    """The notice to a partner that what it holds was recalled. `now` is aware UTC."""
    recall = holding.recall
    told = {
        "id": recall.notice_id(holding.partner),
        "type": f"story.{recall.kind}",
        "partner": holding.partner,
        "article": _named(recall.article_id, recall.title, recall.url, holding.partner, rules),
        "reason": recall.reason,
        **({"level": recall.level} if recall.kind == "revoked" else {}),
        "at": recall.at.isoformat(),
        "versions": list(holding.versions),
    }
    return _notice(told, recall.article_id, recall.kind, now)


def of_return(gone: Notice, article: Article, level: Level, rules: Rules, now: datetime) -> Notice:
    """The notice that a partner may have a story again, after `gone` may have said that it is gone."""
    told = {
        "id": hashlib.blake2b(f"restored {gone.id}".encode(), digest_size=16).hexdigest(),
        "type": "story.restored",
        "partner": gone.partner,
        "article": _named(article.id, article.title, article.url, gone.partner, rules),
        "reason": "",
        "level": level,
        "at": now.isoformat(),
        "versions": [article.digest],
    }
    return _notice(told, article.id, "restored", now)


def _notice(told: dict[str, Any], article_id: str, kind: str, now: datetime) -> Notice:
    return Notice(told["id"], told["partner"], json.dumps(told, ensure_ascii=False), now, article_id, kind)


def _named(article_id: str, title: str, url: str | None, partner: str, rules: Rules) -> dict[str, str]:
    licensed = rules.partner(partner)
    terms = licensed.terms if licensed else PUBLIC_TERMS
    link = urls.with_parameters(urls.location(rules.site, article_id, url), terms.parameters)
    return {
        "id": urls.entry_id(rules.site, article_id),
        "url": link,
        "key": article_id,
        "title": title,
    }
