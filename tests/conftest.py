"""What the tests share: real stores on both engines, and articles to put into them."""

import logging
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from feedsvc.domain.model import Site
from feedsvc.domain.selection import Rules
from feedsvc.store.engine import Store
from tests.receiver import Receiver

E2E = Path(__file__).parent / "e2e"
POSTGRES = os.environ.get("FEEDSVC_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/test")

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
settings.register_profile(
    "feedsvc",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("feedsvc")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts whole services, or needs PostgreSQL: `make test-fast` leaves them to `make test`."""
    for item in items:
        if E2E in item.path.parents:
            item.add_marker("e2e")
        params = getattr(getattr(item, "callspec", None), "params", {})
        if "postgres_url" in getattr(item, "fixturenames", ()) or "postgresql" in params.values():
            item.add_marker("postgresql")


def missing(what: str) -> None:
    """Skip the test for want of something on this machine; in CI nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is missing on this machine")


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A PostgreSQL database of its own: a schema that is dropped again."""
    engine = create_engine(POSTGRES, connect_args={"connect_timeout": 3}, isolation_level="AUTOCOMMIT")
    schema = f"feedsvc_{uuid.uuid4().hex}"
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    except OperationalError:
        missing("PostgreSQL at 127.0.0.1:5432 (or FEEDSVC_TEST_POSTGRES)")
    yield f"{POSTGRES}?options=-csearch_path%3D{schema}"
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty store on each engine in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'feedsvc.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A migrated store on each engine in turn."""
    opened = Store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def site() -> Site:
    """The newsroom of the tests."""
    return Site(
        name="The Daily Example",
        url="https://news.example.org",
        language="en",
        authority="news.example.org,2026",
        timezone="Europe/Brussels",
        rights="© The Daily Example",
    )


@pytest.fixture
def rules(site: Site) -> Rules:
    """What its feeds are built by."""
    return Rules(site=site)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        """Move it, by `timedelta`'s words."""
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    """Noon on a Sunday."""
    return Clock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that webhooks are sent to."""
    made = Receiver()
    yield made
    made.shutdown()
    made.server_close()
