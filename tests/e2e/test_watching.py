"""A service that can't watch, or can't read, a part of its folder: it looks, says so, and goes back."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.e2e.conftest import Service
from tests.stories import write_story

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
EVERY_SECOND = '[schedule]\nrefresh = "1s"\n'
SELF = (sys.executable, "-m", "feedsvc")
SOON = 20.0


def shows(service: Service, text: str) -> Callable[[], bool]:
    return lambda: text in service.get("/feeds/all.json").text


def degraded(service: Service) -> list[str]:
    told: list[str] = service.get("/readyz").json()["degraded"]
    return told


def limited(limit: str, number: int) -> tuple[str, ...]:
    """A program that runs in a user namespace of its own, with one of inotify's limits lowered."""
    lower = f"echo {number} > /proc/sys/user/max_inotify_{limit}"
    tried = subprocess.run(["unshare", "-Ur", "sh", "-c", lower], capture_output=True, check=False)
    if tried.returncode:
        missing("unshare with user namespaces")
    return "unshare", "-Ur", "sh", "-c", f'{lower}; exec "$@"', "sh", *SELF


def raise_limit(service: Service, limit: str, number: int) -> None:
    assert service.process is not None
    into = ("nsenter", "-U", "--preserve-credentials", "-t", str(service.process.pid))
    command = f"echo {number} > /proc/sys/user/max_inotify_{limit}"
    subprocess.run([*into, "sh", "-c", command], check=True)


@pytest.mark.parametrize(("limit", "number"), [("watches", 2), ("instances", 0)])
def test_what_cannot_be_watched_is_looked_at_and_told_until_it_can(
    service: Service, limit: str, number: int
) -> None:
    for folder in ("a", "b", "c"):
        write_story(service.content, f"{folder}/x.md", title=f"Zebra {folder}")
    service.config.write_text(service.config.read_text() + EVERY_SECOND)
    service.start(program=limited(limit, number))
    service.wait_until(lambda: "not-watched" in degraded(service), SOON)
    assert 'feedsvc_degraded{condition="not-watched"} 1.0' in service.get("/metrics").text
    told = service.run("status").stdout
    assert f"`sysctl user.max_inotify_{limit}={2 * (number or 8_192)}` allows more" in told
    for folder in ("a", "b", "c"):
        write_story(service.content, f"{folder}/x.md", title="Zebra", status="withdrawn")
    service.wait_until(lambda: not shows(service, "Zebra")(), SOON)
    write_story(service.content, "c/y.md", title="Okapi")
    service.wait_until(shows(service, "Okapi"), SOON)
    raise_limit(service, limit, 1000)
    service.wait_until(lambda: "not-watched" not in degraded(service), 40)
    log = service.log.read_text()
    assert log.count('"not_watched"') == 1
    assert log.count('"watched_again"') == 1


def test_folder_whose_name_is_not_utf8_delays_no_change(service: Service) -> None:
    for name in (b"caf\xe9", b"caf\xe9/deeper", b"world"):
        os.mkdir(os.fsencode(service.content) + b"/" + name)
    with open(os.fsencode(service.content) + b"/caf\xe9/deeper/a.md", "w") as story:
        story.write("---\ntitle: Hidden\ndate: 2026-11-20\n---\n\nText.\n")
    write_story(service.content, "world/a.md", title="Zebra")
    service.start()
    service.wait_until(shows(service, "Zebra"), SOON)
    write_story(service.content, "world/b.md", title="Okapi")
    service.wait_until(shows(service, "Okapi"), SOON)
    write_story(service.content, "world/a.md", title="Zebra", status="withdrawn")
    service.wait_until(lambda: not shows(service, "Zebra")(), SOON)
    log = service.log.read_text()
    assert log.count("not UTF-8") == 1
    assert "Traceback" not in log


# -- what may not be read -------------------------------------------------------------------------------


@pytest.fixture
def unprivileged() -> tuple[str, ...]:
    """A program that the modes of files hold for, though root runs it."""
    if os.geteuid() != 0:
        return SELF
    if not shutil.which("setpriv"):
        missing("setpriv")
    return "setpriv", "--bounding-set=-dac_override,-dac_read_search", *SELF


def hide(path: Path, mode: int = 0) -> None:
    path.chmod(mode)


@pytest.mark.parametrize("is_watched", [True, False])
@pytest.mark.parametrize("mode", ["file", "folder", "folder not searchable"])
def test_what_could_not_be_read_is_read_once_it_can_be(
    service: Service, unprivileged: tuple[str, ...], mode: str, is_watched: bool
) -> None:
    file = write_story(service.content, "shut/a.md", title="Zebra")
    write_story(service.content, "open.md", title="Okapi")
    if not is_watched:
        service.config.write_text(service.config.read_text() + EVERY_SECOND + "watch = false\n")
    place = file if mode == "file" else file.parent
    hide(place, 0o600 if mode == "folder not searchable" else 0)
    try:
        service.start(program=unprivileged)
        service.wait_until(shows(service, "Okapi"), SOON)
        service.wait_until(lambda: '"quarantined": ["shut' in service.run("status", "--json").stdout, SOON)
        assert not shows(service, "Zebra")()
    finally:
        place.chmod(0o700)
    service.wait_until(shows(service, "Zebra"), SOON)
    service.wait_until(lambda: '"quarantined": []' in service.run("status", "--json").stdout, SOON)
    assert service.log.read_text().count('"story_quarantined"') == 1


def test_permissions_mended_while_it_was_down_are_seen(
    service: Service, unprivileged: tuple[str, ...]
) -> None:
    """Its size and time are as they were when it could not be read."""
    file = write_story(service.content, "a.md", title="Zebra")
    service.start(program=unprivileged)
    service.wait_until(shows(service, "Zebra"), SOON)
    write_story(service.content, "a.md", title="Okapi")
    hide(file)
    service.wait_until(lambda: '"quarantined": ["a.md' in service.run("status", "--json").stdout, SOON)
    service.stop()
    file.chmod(0o600)
    service.start(program=unprivileged)
    service.wait_until(shows(service, "Okapi"), SOON)


def test_link_that_led_nowhere_is_followed_once_it_leads_somewhere(service: Service) -> None:
    (service.content / "a.md").symlink_to(service.content / ".held" / "a.md")
    write_story(service.content, "open.md", title="Okapi")
    service.start()
    service.wait_until(shows(service, "Okapi"), SOON)
    write_story(service.content, ".held/a.md", title="Zebra")  # where nobody watches
    service.wait_until(shows(service, "Zebra"), SOON)
