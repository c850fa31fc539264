"""Last-Modified stays as long as the bytes do, is later with the next ones, and never later than Date."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedsvc.domain.model import Format, Representation
from feedsvc.domain.selection import Rules
from feedsvc.loading.rules import LoadRules
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import representations
from feedsvc.store.engine import Store
from feedsvc.store.representations import Unpublished
from tests.conftest import Clock
from tests.conversing import Said, worker
from tests.conversing import request as asked
from tests.stories import NOON, write_story

pytestmark = pytest.mark.slow

Name = tuple[str, str, Format]
FORMATS: tuple[Format, ...] = ("rss", "atom")
NAMES: list[Name] = [(who, key, fmt) for who in ("", "acme") for key in ("all", "tags/x") for fmt in FORMATS]
SECOND = timedelta(seconds=1)


def unpublished(name: Name, body: str, content_at: datetime) -> Unpublished:
    partner, key, fmt = name
    return Unpublished(key, fmt, key, body.encode(), body, 300, content_at, partner=partner)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["publish", "publish", "publish", "withdraw", "open anew"]),
        st.sampled_from(NAMES),
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from([0.0, 0.1, 0.9, 5.0, 86_400.0, -1.0, -30.0, -86_400.0]),
    ),
    max_size=25,
)


@settings(max_examples=25)
@given(steps=STEPS)
def test_date_moves_with_the_bytes_alone_and_forward(
    steps: list[tuple[str, Name, str, float]], store_url: str
) -> None:
    """Whatever the clock does, and if a feed is taken out of the configuration and comes back."""
    store = Store(store_url)
    last: dict[Name, tuple[str, datetime]] = {}
    with store.write() as tx:  # each example goes on from what the one before left
        representations.withdraw(tx, NAMES)
        for one in representations.dates(tx):
            changed_at = datetime.fromtimestamp(one.changed_at / 1_000_000, UTC)
            last[one.partner, one.key, one.format] = (one.digest, changed_at)  # type: ignore[index]
    now = NOON + timedelta(days=7)
    for step, name, body, seconds in steps:
        now += timedelta(seconds=seconds)
        if step == "open anew":
            store.close()
            store = Store(store_url)
            continue
        with store.write() as tx:
            if step == "withdraw":
                representations.withdraw(tx, [name])
                continue
            representations.publish(tx, [unpublished(name, body, NOON)], now)
            partner, key, fmt = name
            made = representations.get(tx, key, fmt, partner)
        assert made is not None
        digest, changed_at = last.get(name, ("", made.changed_at - SECOND))
        if digest == made.digest:
            assert made.changed_at == changed_at
        else:
            assert made.changed_at >= changed_at + SECOND
        assert made.changed_at.microsecond == 0
        last[name] = made.digest, made.changed_at
    store.close()


def published(store: Store) -> dict[str, Representation]:
    with store.read() as connection:
        return {
            f"{listing.key}.{fmt}": made
            for listing in representations.listings(connection)
            for fmt in listing.formats
            if (made := representations.get(connection, listing.key, fmt))
        }


def test_store_that_is_lost_while_the_service_runs_keeps_its_dates(
    tmp_path: Path, rules: Rules, clock: Clock
) -> None:
    store = Store(f"sqlite:///{tmp_path}/var/a.db")
    refresher = Refresher(store, tmp_path / "content", LoadRules("UTC"), rules, clock=clock)
    refresher.prepare()

    def lose() -> None:
        for file in (tmp_path / "var").iterdir():
            file.unlink()

    for number in range(3):  # each edit says not when: the date is that of its publication
        write_story(tmp_path / "content", "world/a.md", f"Version {number}")
        clock.forward(minutes=1)
        refresher.scan()
        refresher.refresh()
    before = published(store)
    lose()
    write_story(tmp_path / "content", "world/a.md", "Another version")
    clock.forward(seconds=-30)
    assert refresher.remake_store()
    refresher.refresh()
    after = published(store)
    assert after.keys() == before.keys()
    for path, made in after.items():
        assert made.digest != before[path].digest
        assert made.changed_at > before[path].changed_at
    lose()
    clock.forward(days=1)
    assert refresher.remake_store()
    refresher.refresh()
    again = published(store)
    assert [made.changed_at for made in again.values()] == [made.changed_at for made in after.values()]
    store.close()


def date_of(said: Said, name: str) -> datetime | None:
    return parsedate_to_datetime(said.fields[name]) if name in said.fields else None


def test_remembered_answer_gains_last_modified_once_its_instant_has_come() -> None:
    """The same bytes are asked again and again, as pollers do, and answered by a look-up."""
    with worker() as served, served.connect() as connection:
        began = int(time.time())
        served.ask(connection, asked("/publish?v1&3"))
        seen: list[datetime | None] = []
        until = time.monotonic() + 20
        while not seen or seen[-1] is None:
            assert time.monotonic() < until
            for method in ("GET", "HEAD"):
                said = served.ask(connection, asked("/feeds/all.rss", method=method))
                shown, date = date_of(said, "last-modified"), date_of(said, "date")
                assert date is not None
                assert shown is None or shown <= date
                assert said.fields["etag"] == '"v1"'
                seen.append(shown)
            if len(seen) == 6:
                assert served.ask(connection, asked("/known")).body != b"0", "nothing is remembered"
            time.sleep(0.02)
        assert seen.count(None) > 10
        assert seen[-1] is not None
        assert began + 3 <= seen[-1].timestamp() <= began + 5
