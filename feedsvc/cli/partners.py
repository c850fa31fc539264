"""The commands for partners and newsrooms: tokens, the delivery log, and recalls.

Knows how a token is generated; must not know how the store keeps it.
"""

import csv
import difflib
import json
import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import click

from feedsvc.cli.common import Moment, names_of, store_of, warn_of_differences, with_config
from feedsvc.config.schema import Config
from feedsvc.store import deliveries as ledger
from feedsvc.store import holdings, outbox, tokens
from feedsvc.store.deliveries import Delivery
from feedsvc.store.holdings import Holding
from feedsvc.store.outbox import Outcome
from feedsvc.store.tokens import Scope, Token, hashed
from feedsvc.util.errors import ConfigError

_PREFIX = "fsv_"  # lets people, and scanners for secrets, recognise a token
_BITS = 256


@click.group()
def token() -> None:
    """Make, list and revoke the tokens of partners and newsrooms."""


@token.command()
@click.argument("name")
@click.option("--label", default="", help="What it is for, in your words.")
@click.option("--expires", type=Moment(ahead=True), help="When it ends: a date, or 90d from now.")
@click.option(
    "--scope",
    type=click.Choice(["read", "write"]),
    default="read",
    show_default=True,
    help="read opens the feeds of the partner NAME; write is for a newsroom's system that pushes stories.",
)
@with_config
def create(
    config: Config, name: str, label: str, expires: Callable[[str], datetime] | None, scope: Scope
) -> None:
    """Make a token for NAME and show it, only this once: the store keeps nothing but its hash."""
    if scope == "read" and name not in config.partners:
        near = difflib.get_close_matches(name, config.partners, 1, cutoff=0.3)
        told = f"did you mean {near[0]}?" if near else f"write a table [partners.{name}] first"
        raise ConfigError(f"{config.path}: there is no partner {name!r}; {told}")
    if not (name + label).isprintable():
        raise ConfigError("write a name and a label of plain text, without control characters")
    now = datetime.now(UTC)
    ends = expires(config.site.timezone) if expires else None
    if ends is not None and ends <= now:
        raise ConfigError(f"--expires: {ends.isoformat()} is past; write a later date, or a span such as 90d")
    secret = _PREFIX + secrets.token_urlsafe(_BITS // 8)
    made = Token(secrets.token_hex(4), hashed(secret), name, scope, label, now, ends)
    with store_of(config, create=True) as store, store.write() as tx:
        tokens.add(tx, made)
    warn_of_differences(config)
    click.echo(secret)
    until = f", until {ends.isoformat(timespec='seconds')}" if ends else ""
    click.echo(f"token {made.id} of {name} ({scope}{until}); it is not shown again", err=True)


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object for each token.")
@with_config
def list_(config: Config, as_json: bool) -> None:
    """List all tokens, also revoked and expired ones, but not their secrets, which are not stored."""
    with store_of(config) as store, store.read() as connection:
        known = tokens.every(connection)
    now = datetime.now(UTC)
    for one in known:
        if as_json:
            told = {name: _told(value) for name, value in one._asdict().items() if name != "hash"}
            click.echo(json.dumps(told | {"state": _state(one, now)}, ensure_ascii=False))
        else:
            day = one.created_at.date().isoformat()
            state = _state(one, now)
            click.echo(f"{one.id}  {one.name:16} {one.scope:5}  {state:8} made {day}  {one.label}".rstrip())


@token.command()
@click.argument("ids", nargs=-1, required=True)
@with_config
def revoke(config: Config, ids: tuple[str, ...]) -> None:
    """Revoke tokens by the ids that `token list` shows; they stop working within a second."""
    with store_of(config) as store:
        with store.read() as connection:
            known = {one.id: one for one in tokens.every(connection)}
        unknown = [one for one in ids if one not in known]
        if unknown:
            raise ConfigError(f"there is no token {unknown[0]!r}; `feedsvc token list` shows their ids")
        with store.write() as tx:
            tokens.revoke(tx, ids, datetime.now(UTC))
    for one in ids:
        click.echo(f"token {one} of {known[one].name} is revoked", err=True)


def _state(one: Token, now: datetime) -> str:
    if one.revoked_at is not None:
        return "revoked"
    return "good" if one.is_good(now) else "expired"


def _told(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


_LINES = 500  # of `recalls`, for which the outbox is queried at a time
_COLUMNS = ("delivered_at", "partner", "token", "label", "article", "version", "feed", "format")


@click.command()
@click.option("--article", "article_id", help="Of this story, by its id, here or in feeds.")
@click.option("--partner", help="To this partner.")
@click.option("--since", type=Moment(), help="Since a date, or so long ago: 2026-02-11, 7d.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object for each delivery.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV (RFC 4180), with a line of names first.")
@with_config
def deliveries(
    config: Config,
    article_id: str | None,
    partner: str | None,
    since: Callable[[str], datetime] | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List when each partner first received which version of which story, and through which feed."""
    from_then = since(config.site.timezone) if since else None
    with store_of(config) as store, store.read(long=True) as connection:
        labels = ledger.labels(connection)
        ids = names_of(article_id, config) if article_id else None
        lines = ledger.listed(connection, article_ids=ids, partner=partner, since=from_then)
        rows = (_row(line, labels) for line in lines)
        if as_csv:
            writer = csv.DictWriter(sys.stdout, _COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
            return
        for row in rows:
            if as_json:
                click.echo(json.dumps(row, ensure_ascii=False))
            else:
                click.echo(
                    f"{row['delivered_at']}  {row['partner']}  {row['article']}  {row['version']}  "
                    f"by {row['feed']}.{row['format']} (token {row['token']})"
                )


def _row(line: Delivery, labels: dict[str, str]) -> dict[str, str]:
    values = (
        line.delivered_at.isoformat(timespec="milliseconds"),
        line.partner,
        line.token_id,
        labels.get(line.token_id, ""),
        line.article_id,
        line.digest,
        line.feed_key,
        line.format,
    )
    return dict(zip(_COLUMNS, values, strict=True))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object for each partner and story.")
@with_config
def recalls(config: Config, as_json: bool) -> None:
    """List partners that have not polled since a story they hold was withdrawn, corrected or revoked.

    Exit 1 if there are any. A revoked story is one that the partner may no longer have, or of which it may
    now have less than it received.
    """
    found = False
    with store_of(config) as store, store.read(long=True) as connection:
        unaware = holdings.each_unaware(connection, now=datetime.now(UTC))
        while some := list(islice(unaware, _LINES)):
            found = True
            ids = {one.recall.notice_id(one.partner): one for one in some}
            notices = outbox.outcomes(connection, ids)
            for notice, one in ids.items():
                _show(_recall(one) | {"notice": _notice(notices.get(notice))}, as_json)
    sys.exit(1 if found else 0)


def _show(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    reason = f" ({told['reason']})" if told["reason"] else ""
    click.echo(
        f"{told['partner']}: holds {told['article']} “{told['title']}”, {told['what']} "
        f"{told['at']}{reason}; received {told['received_at']}; {told['notice']}"
    )


def _notice(outcome: Outcome | None) -> str:
    """The outcome of the notice to the partner's webhook, in words."""
    if outcome is None:
        return "no notice"
    if outcome.sent_at is not None:
        return f"notice taken {outcome.sent_at.isoformat(timespec='seconds')}"
    state = "notice waits" if outcome.waits else "notice given up"
    return f"{state}: {outcome.error}" if outcome.error else state


def _recall(one: Holding) -> dict[str, Any]:
    return {
        "partner": one.partner,
        "article": one.recall.article_id,
        "title": one.recall.title,
        "what": one.recall.kind,
        "at": one.recall.at.isoformat(timespec="seconds"),
        "reason": one.recall.reason,
        "received_at": one.since.isoformat(timespec="seconds"),
        "tokens": list(one.tokens),
        **({"level": one.recall.level} if one.recall.kind == "revoked" else {}),
    }
