"""What a story costs does not grow with the archive: nothing on its way reads a whole table that does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from feedsvc.domain.selection import Rules
from feedsvc.store.engine import Store
from tests.conftest import Clock
from tests.refresh.test_refresher import Newsroom

GROWING = ("articles", "memberships", "representations", "sources_seen", "tombstones", "deliveries", "names")
"""Tables that grow with the archive. Those that hold what waits, or what was taken away, are short."""


@pytest.fixture
def statements() -> Iterator[dict[str, Any]]:
    """Every statement that is run meanwhile, with its first values."""
    found: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, sql: str, values: Any, _context: Any, is_many: bool) -> None:
        found.setdefault(sql, values[0] if is_many and values else values)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def test_publishing_a_story_reads_no_whole_table(
    tmp_path: Path, rules: Rules, clock: Clock, statements: dict[str, Any]
) -> None:
    store = Store(f"sqlite:///{tmp_path}/feedsvc.db")
    newsroom = Newsroom(store, tmp_path / "content", rules, clock)
    for number in range(20):
        newsroom.write(f"world/{number}.md", tags=f"[T{number % 3}]", author="Jane Doe")
    newsroom.run()
    statements.clear()
    for fields in ({"title": "New"}, {"title": "Newer"}, {"status": "withdrawn"}):
        clock.forward(seconds=1)
        file = newsroom.write("world/new.md", tags="[T1]", author="Jane Doe", **fields)
        newsroom.refresher.scan_changed([file])
        newsroom.refresher.publish_urgent()
        newsroom.refresher.refresh()
        newsroom.refresher.next_transition()
    asked = {
        sql: values for sql, values in statements.items() if sql.startswith(("SELECT", "UPDATE", "DELETE"))
    }
    assert len(asked) > 20
    with store.read() as connection:
        plans = {
            sql: [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
            for sql, values in asked.items()
        }
    whole = [f"SCAN {table}" for table in GROWING]
    read = {sql: plan for sql, plan in plans.items() if any(step in whole for step in plan)}
    store.close()
    assert not read
