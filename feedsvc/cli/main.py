"""The command `feedsvc`, with its subcommands.

Builds the parts of the service from a Config and connects them; must not know how they do their work. Exit
codes: 0 success, 1 findings, 2 an error of usage, configuration or the store.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.exc import SQLAlchemyError

from feedsvc.cli import explaining, partners, removals
from feedsvc.cli.common import refresher_of, store_of, warn_of_differences, with_config
from feedsvc.config import names as config_names
from feedsvc.config import options, reference
from feedsvc.config.schema import Config
from feedsvc.importing.saved_page import read_page, to_story
from feedsvc.loading import generators, walk
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import articles, dirty, health, names, outbox, representations, sources, trouble
from feedsvc.store import removals as removed_files
from feedsvc.store.meta import read_meta
from feedsvc.util.errors import FeedsvcError, PageRefused
from feedsvc.util.logs import set_up_logging

_USAGE = 2
_CLAIMED_SECONDS = 5.0  # to wait for feeds that a running service is publishing at this moment


class _Commands(click.Group):
    """Turns expected errors into a message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FeedsvcError as error:
            click.echo(f"feedsvc: {error}", err=True)
            ctx.exit(_USAGE)
        except SQLAlchemyError as error:  # the store failed after it was opened
            click.echo(f"feedsvc: the store: {trouble.of(error).words}", err=True)
            ctx.exit(_USAGE)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("feedsvc"), prog_name="feedsvc")
def main() -> None:
    """Web feeds for newsrooms: RSS, Atom and JSON Feed, kept fresh and served fast."""


def _listening(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add to a command the options of commands that run a server."""
    for option in (
        click.option(
            "--workers", type=click.IntRange(1, 256), help="Web worker processes, over http.workers."
        ),
        click.option("--port", type=click.IntRange(1, 65_535), help="Port to listen at, over http.port."),
        click.option("--host", help="Address to listen at, over http.host."),
        click.option("--uds", default="", help="Unix socket to listen at instead, over http.uds."),
    ):
        command = option(command)
    return command


# `serving` is imported by the commands that need it: importing the server and the scheduler slows the others.


@main.command()
@with_config
@_listening
def serve(config: Config, host: str | None, port: int | None, uds: str, workers: int | None) -> None:
    """Keep the feeds up to date and serve them: runs the refresher and web workers."""
    from feedsvc.cli import serving

    serving.serve(config, serving.Where(host, port, uds, workers))


@main.command()
@with_config
@_listening
def web(config: Config, host: str | None, port: int | None, uds: str, workers: int | None) -> None:
    """Serve the feeds without keeping them up to date, for example on a machine of its own."""
    from feedsvc.cli import serving

    serving.web(config, serving.Where(host, port, uds, workers))


@main.command()
@with_config
def worker(config: Config) -> None:
    """Keep the feeds up to date without serving them. Any number of workers may share a PostgreSQL store."""
    from feedsvc.cli import serving

    serving.worker(config)


@main.command()
@with_config
@click.option("--json", "as_json", is_flag=True, help="Write the figures as one JSON object.")
@click.option("--force", is_flag=True, help="Have files take the places of pushed stories of the same id.")
@click.option("--allow-removals", is_flag=True, help="Remove stories whose files are gone, however many.")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
def refresh(config: Config, as_json: bool, force: bool, allow_removals: bool, paths: tuple[str, ...]) -> None:
    """Load changed stories, publish the feeds that changed, and exit; exit 1 if a story or feed still waits.

    A story waits if it is in quarantine, if its file is being written (the next run loads it), or if it is
    held because too many files were gone at once. With --allow-removals, held stories are removed: all of
    them, or those of a file or folder PATH, named from the content folder or from the current directory. A
    running service need not be stopped.
    """
    if paths and not allow_removals:
        raise click.UsageError(f"{paths[0]!r} is too much; a path goes with --allow-removals")
    removals.require_folder(config)
    with refresher_of(config) as refresher:
        allowed = removals.allowed(config.content_root, refresher, paths) if allow_removals else ()
        with _progress("reading stories", lambda: _to_read(config, refresher)) as on_read:
            report = refresher.scan(on_read=on_read, force=force, allowed=allowed)
        with _progress("publishing feeds", lambda: refresher.left_over()[1]) as on_published:
            published = refresher.refresh(on_published)
            if refresher.tell_lost_rights():
                published += refresher.refresh()
            until = time.monotonic() + _CLAIMED_SECONDS
            while refresher.is_any_claimed and time.monotonic() < until:
                time.sleep(0.1)
                published += refresher.refresh()
        refresher.prune()
        quarantined, dirty_feeds = refresher.left_over()
        held, why_held = refresher.held()
    figures = {
        "read": report.read,
        "changed": report.changed,
        "removed": report.removed,
        "quarantined": len(quarantined),
        "unsettled": len(report.unsettled),
        "published": published,
        "dirty": dirty_feeds,
        "held": held,
    }
    for path in sorted(report.unsettled):
        click.echo(f"{path}: is open, or was just written to; the next run reads it", err=True)
    for one in quarantined:
        click.echo(f"{one.path}:{one.line}: {one.reason}", err=True)
    if why_held:
        click.echo(why_held, err=True)
    click.echo(json.dumps(figures) if as_json else _sentence(figures))
    sys.exit(1 if quarantined or report.unsettled or dirty_feeds or held else 0)


@main.command()
@with_config
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object for each finding.")
def check(config: Config, as_json: bool) -> None:
    """Check the configuration, every story, and every feed they would make; exit 1 on a finding."""
    from feedsvc.lint import check as checking  # imported here so that a service starts without it

    set_up_logging("error", config.log.format)  # what the refresher would log is returned as findings
    load_rules = options.load_rules(config)
    with _progress("checking stories", lambda: walk.count(config.content_root, load_rules.site)) as on_read:
        findings = checking.check(
            config.content_root,
            load_rules,
            options.rules(config),
            on_read,
            names=config_names.names(config),
            known=_known_names(config),
            settle=config.schedule.settle,
        )
    warn_of_differences(config)
    for finding in findings:
        click.echo(json.dumps(finding._asdict(), ensure_ascii=False) if as_json else str(finding))
    sys.exit(1 if findings else 0)


def _known_names(config: Config) -> set[str]:
    """The names used by stories in the store, if there is one, as pushed stories have no file to check."""
    try:
        with store_of(config) as store, store.read() as connection:
            return names.beginning(connection, "")
    except trouble.FAULTS as error:
        found = trouble.of(error)
        if found.condition != trouble.MISSING:
            click.echo(f"feedsvc: the store: {found.words}; the files are checked without it", err=True)
        return set()


@main.command()
@with_config
@click.option("--json", "as_json", is_flag=True, help="Write the figures as one JSON object.")
def status(config: Config, as_json: bool) -> None:
    """Show what the store holds, how many feeds wait to be published, and which stories are in quarantine."""
    with store_of(config) as store, store.read(long=True) as connection:
        number, size = representations.totals(connection)
        notices = outbox.waiting(connection)
        waiting, since = dirty.backlog(connection)
        quarantined = sources.quarantined(connection)
        degraded = health.standing(
            store, connection, datetime.now(UTC), health.within(config.schedule.refresh)
        )
        held = removed_files.held(connection)
        figures = {
            "articles": articles.count(connection),
            "representations": number,
            "bytes": size,
            "dirty": waiting,
            "dirty_since": since.isoformat() if since else None,
            "refreshed_at": read_meta(connection, "refreshed_at"),
            "notices_waiting": notices,
            "degraded": {one.name: one.detail for one in degraded},
            "held": [one.path for one in held],
            "quarantined": [f"{one.path}:{one.line}: {one.reason}" for one in quarantined],
        }
    figures["configuration_differs"] = warn_of_differences(config)
    if as_json:
        click.echo(json.dumps(figures, ensure_ascii=False))
        return
    _show_figures(figures)
    for condition in degraded:
        since_then = condition.since.isoformat(timespec="seconds")
        click.echo(f"degraded: {condition.name} since {since_then}: {condition.detail}")
    removals.show(held)
    click.echo(f"{_counted(len(quarantined), 'story', 'stories')} in quarantine")
    for one in quarantined:
        click.echo(f"  {one.path}:{one.line}: {one.reason}")


def _show_figures(figures: dict[str, Any]) -> None:
    """Print the figures of `status` as sentences."""
    feeds = f"{figures['representations']} feeds published, {figures['bytes'] / 1_000_000:.1f} MB in all"
    click.echo(f"{_counted(figures['articles'], 'story', 'stories')}; {feeds}")
    waiting = _counted(figures["dirty"], "feed waits", "feeds wait")
    since = f", the longest since {figures['dirty_since']}" if figures["dirty_since"] else ""
    click.echo(
        f"{waiting} to be published{since}; last run of the refresher: {figures['refreshed_at'] or 'none'}"
    )
    click.echo(
        f"{_counted(figures['notices_waiting'], 'notice waits', 'notices wait')} to be sent to webhooks"
    )


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


main.add_command(partners.token)
main.add_command(partners.deliveries)
main.add_command(partners.recalls)
main.add_command(explaining.explain)


@main.group("import")
def import_() -> None:
    """Convert a newsroom's texts of other forms to stories."""


@import_.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), help="Default: store.content.")
@click.option("--force", is_flag=True, help="Write over a story that was edited since it was imported.")
@with_config
def page(config: Config, files: tuple[Path, ...], into: Path | None, force: bool) -> None:
    """Convert pages that were saved as text to stories; exit 1 if one was refused."""
    folder = into or config.content_root
    refused = 0
    for file in files:
        try:
            read = read_page(file.read_text("utf-8"))
        except UnicodeDecodeError as error:
            click.echo(f"{file}: refused: byte {error.start} is not UTF-8; save it as UTF-8", err=True)
            refused += 1
            continue
        except PageRefused as error:
            click.echo(f"{file}: refused: {error}", err=True)
            refused += 1
            continue
        path, text = to_story(read)
        target = folder / path
        missing = f" (not found: {', '.join(read.missing)})" if read.missing else ""
        undated = "" if read.published else "; it is set aside until you write date: in it"
        click.echo(f"{target}: {_write(target, text, force)}{missing}{undated}")
    sys.exit(1 if refused else 0)


def _write(target: Path, text: str, force: bool) -> str:
    """Write a story's file atomically, so that no reader sees half of it; returns what was done, in words."""
    new = text.encode()
    if target.exists():
        if target.read_bytes() == new:
            return "unchanged"
        if not force:
            return "kept as it is, for it differs from what the page gives; --force writes over it"
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.tmp")
    draft.write_bytes(new)
    draft.replace(target)
    return "written"


@main.command("settings")
def settings() -> None:
    """Print the reference of all settings, as docs/configuration.md has it."""
    click.echo(reference.markdown(), nl=False)


def _to_read(config: Config, refresher: Refresher) -> int | None:
    """How many stories a scan will read: all if the store is new; None, for unknown, otherwise."""
    site = generators.detect(config.content_root)
    return walk.count(config.content_root, site) if refresher.is_new else None


@contextmanager
def _progress(label: str, total: Callable[[], int | None]) -> Iterator[Callable[[int], None]]:
    """Show a progress bar with a label; on a terminal only, so that logs stay plain lines.

    Yields a function to call with the number that is done. `total` returns the number to do, or None if it is
    unknown; it is called only for a terminal, as counting files takes time, too.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=total())
        yield lambda done: bar.update(task, completed=done)


def _sentence(figures: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in figures.items())
