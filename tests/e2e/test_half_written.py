"""What is half written is in no answer, however it is written; what is whole is out soon after."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Service
from tests.stories import write_story

END = "The last word."
PARAGRAPHS = [*(f"Paragraph {number} of this long story." for number in range(20)), END]
HEAD = "---\ntitle: {title}\ndate: 2026-01-02\n---\n"
SOON = 5.0
"""Seconds within which a story is out that was closed."""


def story(title: str) -> str:
    return HEAD.format(title=title) + "\n\n".join(PARAGRAPHS) + "\n"


def pieces(title: str, number: int = 10) -> list[str]:
    """A whole story in so many pieces."""
    text = story(title)
    size = len(text) // number + 1
    return [text[start : start + size] for start in range(0, len(text), size)]


class Watcher:
    """Polls the feed of everything all the time, and keeps each of its versions."""

    def __init__(self, service: Service) -> None:
        self.versions: list[dict[str, str]] = []
        self._ended = threading.Event()
        self._url = f"http://127.0.0.1:{service.port}/feeds/all.json"
        self._thread = threading.Thread(target=self._poll)

    def _poll(self) -> None:
        etag = ""
        has_ended = False
        with httpx.Client() as client:
            while not has_ended:
                has_ended = self._ended.wait(0.01)  # and then a last poll
                answer = client.get(self._url, headers={"If-None-Match": etag})
                if answer.status_code == 200:
                    etag = answer.headers["etag"]
                    items = answer.json()["items"]
                    self.versions.append({item["title"]: item.get("content_html", "") for item in items})

    def texts(self, title: str) -> list[str]:
        """Each version of a story that was to be had, in order."""
        texts = [version[title] for version in self.versions if title in version]
        return [text for number, text in enumerate(texts) if number == 0 or texts[number - 1] != text]

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def all_whole(watcher: Watcher, *titles: str) -> None:
    for title in titles:
        texts = watcher.texts(title)
        assert texts, f"{title} was never there"
        assert all(END in text for text in texts), f"{title} was there in part"


def out(service: Service, title: str) -> Callable[[], bool]:
    return lambda: title in service.get("/feeds/all.json").text


# -- the ways that programs write -----------------------------------------------------------------------


def slowly(file: Path, title: str) -> None:
    with file.open("w", buffering=1) as written:
        for piece in pieces(title):
            written.write(piece)
            written.flush()
            time.sleep(0.1)


def with_a_long_pause(file: Path, title: str) -> None:
    first, second = pieces(title, 2)
    with file.open("w") as written:
        written.write(first)
        written.flush()
        time.sleep(1.5)
        written.write(second)


def over_and_over(file: Path, title: str) -> None:
    for piece in pieces(title, 6):
        with file.open("a") as written:
            written.write(piece)
        time.sleep(0.2)


def by_a_shell(file: Path, title: str) -> None:
    script = f"while read -r line; do echo \"$line\" >> '{file}'; sleep 0.02; done"
    subprocess.run(["sh", "-c", script], input=story(title), text=True, check=True)


def emptied_first(file: Path, title: str) -> None:
    file.write_text("")
    time.sleep(1)
    file.write_text(story(title))


def backed_up_first(file: Path, title: str) -> None:
    """As vim does with `backupcopy=no`, slowly."""
    if file.exists():
        file.rename(f"{file}~")
    slowly(file, title)
    Path(f"{file}~").unlink(missing_ok=True)


def with_an_old_time(file: Path, title: str) -> None:
    first, second = pieces(title, 2)
    with file.open("w") as written:
        written.write(first)
        written.flush()
        os.utime(file, (1, 1))
        time.sleep(1)
        written.write(second)
        written.flush()
        os.utime(file, (1, 1))


def with_a_future_time(file: Path, title: str) -> None:
    slowly(file, title)
    later = time.time() + 100_000
    os.utime(file, (later, later))


WAYS: list[Callable[[Path, str], None]] = [
    slowly,
    with_a_long_pause,
    over_and_over,
    by_a_shell,
    emptied_first,
    backed_up_first,
    with_an_old_time,
    with_a_future_time,
]


STRANGER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "feedsvc")
"""Runs feedsvc as a user who owns no file, and whom the kernel doesn't tell who has one open."""


@pytest.fixture
def strangers() -> Iterator[Service]:
    """A service whose refresher is run by somebody else than those who write its stories."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root may run it as somebody else")
    if subprocess.run([*STRANGER, "--version"], capture_output=True, cwd="/", check=False).returncode:
        pytest.skip("nobody else may read this installation")
    with tempfile.TemporaryDirectory() as folder:
        made = Service(Path(folder))
        os.chown(folder, 65534, 65534)
        refresher = Service(Path(folder))
        refresher.start(command="worker", ready=False, program=STRANGER)
        made.wait_until((Path(folder) / "var" / "feedsvc.db").exists, 15)
        yield made
        for one in (made, refresher):
            one.kill()
            one.client.close()


def test_no_way_of_writing_publishes_half_a_story(service: Service) -> None:
    """A new file and one that is rewritten, in every way at once."""
    write_in_every_way(service)


def test_nor_does_it_where_the_kernel_tells_nobody_who_has_a_file_open(strangers: Service) -> None:
    """The watcher alone knows, for what is written while it watches."""
    write_in_every_way(strangers, command="web")


def write_in_every_way(service: Service, **options: Any) -> None:
    before = [f"Before {way.__name__}" for way in WAYS]
    for way, title in zip(WAYS, before, strict=True):
        if way is not over_and_over and way is not by_a_shell:  # they append
            (service.content / f"old-{way.__name__}.md").write_text(story(title))
    service.start(**options)
    writers = [
        threading.Thread(
            target=way, args=(service.content / f"{age}-{way.__name__}.md", f"{age} {way.__name__}")
        )
        for way in WAYS
        for age in ("new", "old")
    ]
    with Watcher(service) as watcher:
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        for way in WAYS:
            for age in ("new", "old"):
                service.wait_until(out(service, f"{age} {way.__name__}"), SOON)
    titles = [f"{age} {way.__name__}" for way in WAYS for age in ("new", "old")]
    all_whole(watcher, *titles)
    for way, title in zip(WAYS, before, strict=True):
        if way in {over_and_over, by_a_shell}:
            continue
        gone = [number for number, version in enumerate(watcher.versions) if title not in version]
        first = next(n for n, version in enumerate(watcher.versions) if f"old {way.__name__}" in version)
        assert gone[0] == first, f"{way.__name__}: the last whole version was not kept"


def test_embargo_that_is_written_after_the_title_is_kept(service: Service) -> None:
    """A Pelican header whose Title and Date are on the disk long before its Embargo."""
    write_story(service.content, "a.md", title="Open")
    service.start()
    with Watcher(service) as watcher:
        with (service.content / "b.md").open("w") as written:
            written.write("Title: Zebra\nDate: 2026-01-02\n")
            written.flush()
            time.sleep(1.5)
            written.write("Embargo: 2099-01-01\n\nText.\n")
        write_story(service.content, "c.md", title="Later")
        service.wait_until(out(service, "Later"), SOON)
        time.sleep(0.5)
    assert watcher.texts("Later")
    assert watcher.texts("Zebra") == []


def test_last_whole_version_is_kept_across_a_start(service: Service) -> None:
    file = service.content / "a.md"
    file.write_text(story("Zebra"))
    service.start()
    service.wait_until(out(service, "Zebra"))
    service.stop()
    first, second = pieces("Okapi", 2)
    with file.open("w") as written, (service.content / "b.md").open("w") as other:
        for one in (written, other):
            one.write(first)
            one.flush()
        time.sleep(0.7)  # quiet, and open
        service.start()
        time.sleep(1.5)  # the first look, and the watcher's, are over
        assert "Zebra" in service.get("/feeds/all.json").text
        assert "Okapi" not in service.get("/feeds/all.json").text
        assert service.stop() < 5
        service.start()
        for one in (written, other):
            one.write(second)
    service.wait_until(lambda: service.get("/feeds/all.json").text.count("Okapi") >= 2, 10)


def test_without_watcher_a_file_that_grows_is_left_alone(service: Service) -> None:
    service.config.write_text(service.config.read_text() + "\n[schedule]\nwatch = false\nrefresh = 1\n")
    (service.content / "a.md").write_text(story("Open"))
    service.start()
    writers = [
        threading.Thread(target=way, args=(service.content / f"{way.__name__}.md", way.__name__))
        for way in (slowly, with_a_long_pause, over_and_over)
    ]
    with Watcher(service) as watcher:
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        for name in ("slowly", "with_a_long_pause", "over_and_over"):
            service.wait_until(out(service, name), SOON)
    all_whole(watcher, "slowly", "with_a_long_pause", "over_and_over")


def test_refresh_leaves_an_open_file_to_the_next_run(service: Service) -> None:
    (service.content / "a.md").write_text(story("Zebra"))
    assert service.run("refresh").returncode == 0  # it was closed: a moment's quiet is waited for
    first, second = pieces("Okapi", 2)
    with (service.content / "b.md").open("w") as written:
        written.write(first)
        written.flush()
        refused = service.run("refresh")
        assert refused.returncode == 1
        assert "b.md: is open" in refused.stderr
        assert '"unsettled": 1' in service.run("refresh", "--json").stdout
        checked = service.run("check")
        assert checked.returncode == 1
        assert "content/b.md:1: file-unsettled" in checked.stdout
        written.write(second)
    taken = service.run("refresh")
    assert taken.returncode == 0, taken.stderr
    assert "file-unsettled" not in service.run("check").stdout
    service.start()
    assert all(title in service.get("/feeds/all.json").text for title in ("Zebra", "Okapi"))


# -- the programs themselves ----------------------------------------------------------------------------


def run(*command: str | Path, **options: object) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30, **options)  # type: ignore[call-overload]


@contextmanager
def commits(content: Path) -> Iterator[Callable[..., None]]:
    def git(*arguments: str) -> None:
        run("git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments, cwd=content)

    git("init", "--quiet", "--initial-branch", "main")
    yield git


@pytest.mark.skipif(not shutil.which("git"), reason="no git on the path")
def test_checkout_that_moves_a_story_never_misses_it(service: Service) -> None:
    """Git writes in place, and removes the old file first; the written id makes it one story."""
    write_story(service.content, "world/a.md", title="Zebra", id="zebra", body=END)
    with commits(service.content) as git:
        git("add", "-A")
        git("commit", "-qm", "before")
        (service.content / "sport").mkdir()
        git("mv", "world/a.md", "sport/a.md")
        git("commit", "-qm", "after")
        git("checkout", "-q", "HEAD~")
        service.start()
        with Watcher(service) as watcher:
            git("checkout", "-q", "main")
            service.wait_until(lambda: "Zebra" in service.get("/feeds/sections/sport.json").text, SOON)
    assert all("Zebra" in version for version in watcher.versions)
    assert "deleted-entry" not in service.get("/feeds/all.atom").text


@pytest.mark.skipif(not shutil.which("rsync"), reason="no rsync on the path")
def test_programs_that_copy_are_followed(service: Service, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("rsync", "inplace", "tar", "cp", "mv", "folder", "link"):
        write_story(source / name, f"{name}.md", title=f"By {name}", body=END)
        os.utime(source / name / f"{name}.md", (1_000_000_000, 1_000_000_000))
    service.start()
    with Watcher(service) as watcher:
        run("rsync", "-a", f"{source}/rsync", service.content)
        run("rsync", "-a", "--inplace", f"{source}/inplace", service.content)
        run("cp", "-rp", f"{source}/cp", service.content)
        run("tar", "cf", tmp_path / "a.tar", "-C", source, "tar")
        run("tar", "xf", tmp_path / "a.tar", "-C", service.content)
        run("mv", f"{source}/mv/mv.md", service.content / "mv.md")
        os.link(source / "link" / "link.md", service.content / "link.md")
        (source / "folder").rename(service.content / "folder")
        for name in ("rsync", "inplace", "tar", "cp", "mv", "folder", "link"):
            service.wait_until(out(service, f"By {name}"), SOON)
    all_whole(watcher, "By rsync", "By inplace", "By tar", "By cp", "By mv", "By folder", "By link")


@pytest.mark.skipif(not shutil.which("vim"), reason="no vim on the path")
@pytest.mark.parametrize("copied", ["yes", "no"])
def test_vim_is_followed(service: Service, copied: str) -> None:
    file = service.content / "a.md"
    file.write_text(story("Zebra"))
    service.start()
    with Watcher(service) as watcher:
        run(
            "vim",
            "-u",
            "NONE",
            "-es",
            "-c",
            f"set backupcopy={copied}",
            "-c",
            "%s/Zebra/Okapi/",
            "-c",
            "wq",
            file,
        )
        service.wait_until(out(service, "Okapi"), SOON)
    all_whole(watcher, "Okapi")
    assert all("Zebra" in version or "Okapi" in version for version in watcher.versions)


# -- one harms only itself ------------------------------------------------------------------------------


def test_file_that_never_ends_delays_no_other(service: Service) -> None:
    endless = (
        "import sys,time\nwith open(sys.argv[1],'w',1) as f:\n while 1: f.write('x\\n'); time.sleep(0.01)"
    )
    service.start()
    writer = subprocess.Popen([sys.executable, "-c", endless, str(service.content / "endless.md")])
    try:
        time.sleep(0.5)
        for number in range(3):
            write_story(service.folder, "draft.txt", title=f"Zebra {number}").rename(
                service.content / f"{number}.md"
            )
            service.wait_until(out(service, f"Zebra {number}"), 2)
        write_story(service.content, "in-place.md", title="Okapi")
        service.wait_until(out(service, "Okapi"), SOON)
        (service.content / "0.md").unlink()
        service.wait_until(lambda: "Zebra 0" not in service.get("/feeds/all.json").text, 2)
        assert service.stop() < 5
    finally:
        writer.kill()
        writer.wait()
