"""Whatever dies, stands still or goes away: no change is lost, and nothing that is held back is seen.

`SEEDS=1,2,3 DURATION=120` has longer runs than those of every day, one for each seed: processes stand still
for up to 30 s then, and 20,000 files arrive. A run that fails prints its seed and its history; `FAULTS=pause,
kill a node` has those kinds alone, `FAULTS=none` no faults.
"""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.e2e.conftest import Service
from tests.e2e.faults import desks, pollers, rebuilding, stories
from tests.e2e.faults.cluster import Cluster, binaries
from tests.e2e.faults.desks import ApiDesk, Desk
from tests.e2e.faults.faults import Faults, make_token
from tests.e2e.faults.history import History
from tests.e2e.faults.nodes import Node, Nodes
from tests.e2e.faults.reference import Reference
from tests.e2e.faults.run import SHORT, Run, size_for
from tests.e2e.faults.speed import Speed
from tests.e2e.faults.timeline import Timeline

SEEDS = os.environ.get("SEEDS", "1").split(",")
FAULTS = [one.strip() for one in os.environ.get("FAULTS", "").split(",") if one.strip()]
DURATION = float(os.environ.get("DURATION", SHORT.seconds))
CONFIG = "\n[feeds]\nitems = 120\n"
SETTLES_SECONDS = 30.0
LOADS_SECONDS = 120.0  # of all the files that arrived
HORIZON = 60.0  # seconds: embargoes and expiries that are nearer are waited for


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    programs = binaries()
    if programs is None:
        missing("initdb, of PostgreSQL's server programs")
    assert programs
    made = Cluster(programs)
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What services that are killed leave behind is removed with all else."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))


def prepared(folder: Path, seed: str, nodes: list[Node], cluster: Cluster | None) -> Run:
    history = History(folder / "history.txt", seed)
    timeline = Timeline()
    kept = Nodes(nodes, timeline, history)
    content = folder / "content"
    return Run(seed, size_for(DURATION), folder, content, history, timeline, Reference(), kept, cluster)


def node(folder: Path, name: str, command: str, store: str, *options: str) -> Node:
    service = Service(folder, store, CONFIG)
    service.log = folder / f"{name}.log"
    return Node(name, command, service, options)


def drive(run: Run) -> None:
    """Changes, faults and looks, for as long as the run is; then until what was sent is taken."""
    writers = desks.desks(run, run.dice("desks"))
    readers = pollers.pollers(run)
    for thread in (*writers, *readers):
        thread.start()
    for writer in writers:
        assert writer.filled.wait(SETTLES_SECONDS), run.history.text()
    Faults(run, FAULTS).disturb(DURATION)
    run.over.set()
    run.history.note("no more faults, no more changes")
    until = time.monotonic() + SETTLES_SECONDS
    for thread in writers:
        thread.join(max(0.1, until - time.monotonic()))
    push_lost(run, writers)
    for name in run.reference.pending():
        run.history.broken("a change is taken in the end", name, f"not in {SETTLES_SECONDS:.0f} s")
    time.sleep(max(0.0, run.reference.ready_at(time.time() + HORIZON) - time.time()))
    settle(run)
    run.ended.set()
    for thread in readers:
        thread.join()


def push_lost(run: Run, writers: Sequence[Desk]) -> None:
    """What was in a store that is gone is pushed again by whoever has it."""
    for writer in writers:
        if not isinstance(writer, ApiDesk) or writer.is_alive():
            continue
        for name in writer.names:
            story = run.reference.stories[name]
            if run.reference.is_lost(name) and story.last and story.last.status == "published":
                writer.push_again(name)


def settle(run: Run) -> None:
    """Wait until everybody sees what was asked for, in each format; say what never came, or never went."""
    until = time.monotonic() + SETTLES_SECONDS
    wrong = told_wrong(run)
    while wrong and time.monotonic() < until:
        time.sleep(0.3)
        wrong = told_wrong(run)
    for name, told in wrong.items():
        run.history.broken("no acknowledged change is lost", name, told)


def told_wrong(run: Run) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in run.nodes.answering:
        for fmt in pollers.FORMATS:
            try:
                answer = one.service.get(f"/feeds/all.{fmt}")
            except Exception as error:
                found[f"{one.web} {fmt}"] = repr(error)
                continue
            shown = dict(stories.found_in(answer.content))
            wanted = run.reference.expected(time.time())
            for name in sorted(wanted.keys() | shown.keys()):
                if wanted.get(name) != shown.get(name):
                    told = (
                        f"{shown.get(name, 'none')} in {fmt} of {one.web}, {wanted.get(name, 'none')} wanted"
                    )
                    found[name] = f"version {told}"
    return found


def have_loaded(run: Run) -> None:
    """Every file that arrived is a story."""
    wanted = sum(1 for _ in (run.content / "archive").rglob("*.md"))
    until = time.monotonic() + LOADS_SECONDS
    numbers = (0, wanted - 1, *run.dice("loaded").sample(range(wanted), min(40, wanted))) if wanted else ()
    client = run.nodes.answering[0].service
    for n in numbers:
        path = f"/stories/archive/{n // 500:03}/volume-{n}"
        while (status := client.get(path).status_code) != 200 and time.monotonic() < until:
            time.sleep(0.2)
        if status != 200:
            run.history.broken("every file is loaded", path, str(status))


def finish(run: Run, store: str) -> None:
    have_loaded(run)
    for told in rebuilding.differences(run, store, CONFIG):
        path, _, how = told.partition(": ")
        run.history.broken("every feed equals a rebuild", path, how)
    assert run.history.is_whole, run.history.text()


def conducted(run: Run, store: str) -> None:
    speed = Speed(run.timeline.note_speed)
    try:
        run.nodes.start()
        make_token(run, SETTLES_SECONDS)
        drive(run)
        finish(run, store)
    finally:
        run.over.set()
        run.ended.set()
        run.nodes.end()
        speed.end()
        print(f"the machine's slowest moment: {run.timeline.slowest():.2f} of a processor")
        print(dict(sorted(run.history.counts.items())))


@pytest.mark.timeout(DURATION * 3 + 300)
@pytest.mark.parametrize("seed", SEEDS)
def test_faults_of_a_service_on_sqlite_do_no_harm(tmp_path: Path, seed: str) -> None:
    serve = node(tmp_path, "serve", "serve", "sqlite:///var/feedsvc.db", "--workers", "3")
    conducted(prepared(tmp_path, seed, [serve], None), "sqlite:///var/feedsvc.db")


@pytest.mark.timeout(DURATION * 3 + 300)
@pytest.mark.parametrize("seed", SEEDS)
def test_faults_of_five_machines_on_postgresql_do_no_harm(
    tmp_path: Path, cluster: Cluster, seed: str
) -> None:
    cluster.ask("CREATE DATABASE live")
    cluster.ask("CREATE DATABASE rebuilt")
    url = cluster.url("live")
    nodes = [node(tmp_path, f"web{n}", "web", url, "--workers", "2") for n in range(2)]
    nodes += [node(tmp_path, f"worker{n}", "worker", url) for n in range(3)]
    conducted(prepared(tmp_path, seed, nodes, cluster), cluster.url("rebuilt"))
