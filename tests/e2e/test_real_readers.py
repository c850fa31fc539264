"""The readers people run get every story whole from a running service, and 304 when nothing is new."""

import calendar
import email
import email.policy
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import feedparser
import pytest
from reader import make_reader

from tests.conftest import missing
from tests.e2e.conftest import Service
from tests.stories import write_story

MAX_AGE = 1
FORMATS = ("rss", "atom", "json")
XML = ("rss", "atom")
PACKAGES = {"feedsmith": "3.0.1", "rss-parser": "3.13.0"}
SCRIPT = Path(__file__).with_name("read_feed.mjs")


@dataclass(frozen=True, order=True)
class Read:
    """A story as a reader has it; what a reader does not keep is None."""

    published: datetime
    title: str
    link: str | None
    enclosure: str | None


STORIES = [
    Read(
        datetime(2026, 1, number, 9, 30, tzinfo=UTC),
        title,
        f"https://news.example.org/stories/world/{number}",
        f"https://cdn.example.org/{number}.mp3" if number % 2 else None,
    )
    for number, title in enumerate(
        ["Harbour talks resume", "R&D at the tide mill", "Five < six, they say", "Φάρος στο λιμάνι"], start=1
    )
]
NEWEST_FIRST = STORIES[::-1]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("real-readers")
    made = Service(folder, config=f'[sections.world]\nmax_age = "{MAX_AGE}s"\n')
    for number, story in enumerate(STORIES, start=1):
        enclosure = f'[{{url: "{story.enclosure}", type: audio/mpeg, length: 1234}}]'
        write_story(
            made.content,
            f"world/{number}.md",
            f"What happened on day {number}.",
            title=json.dumps(story.title, ensure_ascii=False),
            date=story.published.isoformat(),
            **({"enclosures": enclosure} if story.enclosure else {}),
        )
    yield made.start()
    made.kill()
    made.client.close()


def url_of(service: Service, fmt: str) -> str:
    return f"http://127.0.0.1:{service.port}/feeds/sections/world.{fmt}"


def not_modified(service: Service, fmt: str) -> float:
    """How many requests for a format were answered with 304, ever."""
    return sum(
        float(line.split()[-1])
        for line in service.get("/metrics").text.splitlines()
        if line.startswith("feedsvc_feed_requests_total{")
        and f'format="{fmt}"' in line
        and 'status="304"' in line
    )


class NotModified:
    """Holds a reader to it: what it does in this context is answered with 304."""

    def __init__(self, service: Service, fmt: str) -> None:
        self.service, self.fmt = service, fmt

    def __enter__(self) -> None:
        self.before = not_modified(self.service, self.fmt)

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is None:
            # Workers add up their counts a moment after they answered.
            self.service.wait_until(lambda: not_modified(self.service, self.fmt) > self.before, 5)


def run(folder: Path, *command: str | Path, **environment: str) -> str:
    """Run a reader with `folder` for its home; returns what it printed."""
    if shutil.which(str(command[0])) is None:
        missing(str(command[0]))
    places = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    proxies = {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=os.environ | places | proxies | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


@pytest.mark.parametrize("fmt", XML)
def test_newsboat(service: Service, fmt: str, tmp_path: Path) -> None:
    (tmp_path / "urls").write_text(f"{url_of(service, fmt)}\n")
    (tmp_path / "config").write_text("")
    command = ("newsboat", "-q", "-u", "urls", "-c", "cache.db", "-C", "config", "-x", "reload")
    run(tmp_path, *command)
    # It keeps what validates the feed only on finding the feed known: the third poll is the first to use it.
    run(tmp_path, *command)
    with NotModified(service, fmt):
        run(tmp_path, *command)
    with sqlite3.connect(tmp_path / "cache.db") as cache:
        rows = cache.execute("SELECT title, url, pubDate, enclosure_url FROM rss_item ORDER BY pubDate DESC")
        read = [
            Read(datetime.fromtimestamp(date, UTC), title, link, enclosure or None)
            for title, link, date, enclosure in rows
        ]
    assert read == NEWEST_FIRST


@pytest.mark.parametrize("fmt", XML)
def test_rss2email(service: Service, fmt: str, tmp_path: Path) -> None:
    mails = tmp_path / "maildir"
    settings = (
        f"[DEFAULT]\nfrom = feeds@example.org\nto = desk@example.org\nuse-publisher-email = False\n"
        f"email-protocol = maildir\nmaildir-path = {mails}\nmaildir-mailbox = \ndate-header = True\n"
        f"html-mail = False\n"
    )
    (tmp_path / "r2e.cfg").write_text(settings)
    for part in ("cur", "new", "tmp"):
        (mails / part).mkdir(parents=True)
    r2e = ("r2e", "-c", "r2e.cfg", "-d", "r2e.json")
    run(tmp_path, *r2e, "add", "world", url_of(service, fmt))
    run(tmp_path, *r2e, "run")
    read = []
    for file in (mails / "new").iterdir():
        mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        body = mail.get_body(("plain",))
        assert body is not None
        words = body.get_content().split()
        link = next(word for word in words if "/stories/" in word)
        enclosure = next((word.rstrip(")]>") for word in words if word.rstrip(")]>").endswith(".mp3")), None)
        read.append(
            Read(parsedate_to_datetime(mail["date"]).astimezone(UTC), mail["subject"], link, enclosure)
        )
    assert sorted(read) == STORIES
    with NotModified(service, fmt):
        run(tmp_path, *r2e, "run")
    assert len(list((mails / "new").iterdir())) == len(STORIES)


@pytest.mark.parametrize("fmt", XML)
def test_feed2exec(service: Service, fmt: str, tmp_path: Path) -> None:
    feed2exec = ("feed2exec", "--config", "feed2exec.ini", "--database", "feed2exec.db")
    printed = "{item.published} {item.title} {item.link} {item.enclosures}"
    run(tmp_path, *feed2exec, "add", "world", url_of(service, fmt), "--output", "echo", "--args", printed)
    read = []
    for line in run(tmp_path, *feed2exec, "fetch").splitlines():
        if line:
            date, title, link, enclosures = shlex.split(line)
            instant = datetime.fromisoformat(date) if fmt == "atom" else parsedate_to_datetime(date)
            found = next((word for word in enclosures.split("'") if word.endswith(".mp3")), None)
            read.append(Read(instant.astimezone(UTC), title, link, found))
    assert read == NEWEST_FIRST
    time.sleep(MAX_AGE)  # until then its cache answers in the service's place
    with NotModified(service, fmt):
        assert run(tmp_path, *feed2exec, "fetch").strip() == ""


@pytest.mark.parametrize("fmt", XML)
def test_sfeed(service: Service, fmt: str, tmp_path: Path) -> None:
    # sfeed leaves conditional requests to its user's fetch(), which curl does as its manual says.
    (tmp_path / "sfeedrc").write_text(
        f'sfeedpath="{tmp_path}/feeds"\nmkdir -p "$sfeedpath"\n'
        'fetch() { curl -s -f --etag-save "$sfeedpath/$1.etag" --etag-compare "$sfeedpath/$1.etag" "$2"; }\n'
        f'feeds() {{ feed world "{url_of(service, fmt)}"; }}\n'
    )
    if shutil.which("curl") is None:
        missing("curl")
    run(tmp_path, "sfeed_update", "sfeedrc")
    lines = (tmp_path / "feeds" / "world").read_text().splitlines()
    read = []
    for line in lines:
        fields = line.split("\t")
        read.append(
            Read(datetime.fromtimestamp(int(fields[0]), UTC), fields[1], fields[2], fields[7] or None)
        )
    assert sorted(read) == STORIES
    with NotModified(service, fmt):
        run(tmp_path, "sfeed_update", "sfeedrc")
    assert (tmp_path / "feeds" / "world").read_text().splitlines() == lines


@pytest.mark.parametrize("fmt", XML)
def test_feedparser(service: Service, fmt: str) -> None:
    first = feedparser.parse(url_of(service, fmt))
    assert not first.bozo
    read = [
        Read(
            datetime.fromtimestamp(calendar.timegm(entry.published_parsed), UTC),
            entry.title,
            entry.link,
            entry.enclosures[0].href if entry.enclosures else None,
        )
        for entry in first.entries
    ]
    assert read == NEWEST_FIRST
    with NotModified(service, fmt):
        assert feedparser.parse(url_of(service, fmt), etag=first.etag, modified=first.modified).status == 304


@pytest.mark.parametrize("fmt", FORMATS)
def test_reader(service: Service, fmt: str) -> None:
    with make_reader(":memory:") as reader:
        reader.add_feed(url_of(service, fmt))
        reader.update_feeds()
        read = [
            Read(
                entry.published or datetime.now(UTC),
                entry.title or "",
                entry.link,
                entry.enclosures[0].href if entry.enclosures else None,
            )
            for entry in reader.get_entries()
        ]
        assert sorted(read) == STORIES
        with NotModified(service, fmt):
            reader.update_feeds(scheduled=False)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the npm packages are: kept beside the virtual environment, by their versions."""
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            missing(command)
    pinned = [f"{name}@{version}" for name, version in PACKAGES.items()]
    place = Path(__file__).parents[2] / ".venv" / "npm" / "_".join(pinned)
    if not (place / "node_modules").is_dir():
        fresh = tmp_path_factory.mktemp("npm")
        (fresh / "package.json").write_text("{}")
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", *pinned],
            cwd=fresh,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        if done.returncode:
            missing(f"a registry that has {pinned} ({done.stderr[-300:]})")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(fresh, place, dirs_exist_ok=True)
    return place


@pytest.mark.parametrize(
    ("package", "fmt"),
    [
        ("feedsmith", "rss"),
        ("feedsmith", "atom"),
        ("feedsmith", "json"),
        ("rss-parser", "rss"),
        ("rss-parser", "atom"),
    ],
)
def test_npm_package(service: Service, packages: Path, package: str, fmt: str, tmp_path: Path) -> None:
    printed = run(tmp_path, "node", SCRIPT, package, url_of(service, fmt), NODE_PACKAGES=str(packages))
    read = [
        Read(datetime.fromisoformat(one["published"]), one["title"], one["link"], one["enclosure"])
        for one in json.loads(printed)
    ]
    if (package, fmt) == ("rss-parser", "atom"):
        # It has no enclosures from Atom, whoever publishes it.
        read = [
            Read(one.published, one.title, one.link, wanted.enclosure)
            for one, wanted in zip(read, NEWEST_FIRST, strict=True)
        ]
    assert read == NEWEST_FIRST
