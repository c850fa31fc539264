"""A running service removes what is over, on either engine, and its feeds stay as they are."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from feedsvc.store import deliveries, outbox
from feedsvc.store.deliveries import Delivery
from feedsvc.store.engine import Store
from feedsvc.store.outbox import Notice
from feedsvc.store.tables import TABLES
from tests.e2e.conftest import Service
from tests.stories import write_story

DAY = timedelta(days=1)
CONFIG = """
[schedule]
rescan = "1s"

[retention]
deliveries = "60d"
notices = "8d"

[partners.acme]
feeds = ["*"]
"""


def test_running_service_removes_what_is_over(tmp_path: Path, store_url: str) -> None:
    (tmp_path / "service").mkdir()
    service = Service(tmp_path / "service", store=store_url, config=CONFIG)
    try:
        for number in range(5):
            write_story(service.content, f"{number}.md", tags="[Rail]")
        service.start("--workers", "2")
        before = service.feeds()
        store, now = Store(store_url), datetime.now(UTC)

        def rows(table: str) -> int:
            with store.read() as connection:
                return connection.execute(select(func.count()).select_from(TABLES.tables[table])).scalar_one()

        with store.write() as tx:
            for days in (59, 61):
                lines = [
                    Delivery(f"t{days}", f"{n}", "d", "acme", "all", "rss", n, now - days * DAY)
                    for n in range(2_000)
                ]
                deliveries.record(tx, lines)
            outbox.put(tx, [Notice(str(n), "acme", "{}", now - n * DAY) for n in range(20)])
        service.wait_until(lambda: (rows("deliveries"), rows("outbox")) == (2_000, 8), 30)
        assert service.feeds() == before
        service.wait_until(lambda: '"event": "pruned"' in service.log.read_text(), 10)
        store.close()
    finally:
        service.kill()
        service.client.close()
