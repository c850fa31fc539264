"""A whole service, started as its users start it, and what tests do to one."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

START_SECONDS = 30
SLOW = 5
"""How many times longer than by right something may take: machines that run tests are busy with others."""
CONFIG = """\
[site]
name = "The Daily Example"
url = "https://news.example.org"
timezone = "Europe/Brussels"
authority = "news.example.org,2026"
hub = "https://hub.example.org/"

[store]
url = "{store}"
content = "content"

[custom.top]
title = "Top stories"
exclude = {{ sections = ["sport"] }}
limit = 5

[log]
level = "info"
"""


class Service:
    """`feedsvc serve` (or another command) on a folder of its own, as a process group that can be killed."""

    def __init__(self, folder: Path, store: str = "sqlite:///var/feedsvc.db", config: str = "") -> None:
        self.folder = folder
        self.content = folder / "content"
        self.content.mkdir(exist_ok=True)
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG.format(store=store) + config)
        self.log = folder / "service.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=5)
        self.process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        *options: str,
        command: str = "serve",
        ready: bool = True,
        program: tuple[str, ...] = (sys.executable, "-m", "feedsvc"),
    ) -> "Service":
        arguments = [*program, command, "--config", str(self.config)]
        if command != "worker":
            arguments += ["--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*arguments, *options], stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )
        if ready:
            self.wait_until(lambda: self.client.get("/readyz").status_code == 200, START_SECONDS)
        return self

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command with the same configuration, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "feedsvc", *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            check=False,
        )

    def wait_until(self, happened: Callable[[], bool], seconds: float = 2) -> float:
        """Wait until something is so, that should be in so many seconds; returns those it took.

        Fails with the service's log.
        """
        began = time.monotonic()
        while time.monotonic() - began < seconds * SLOW:
            with suppress(httpx.TransportError):
                if happened():
                    return time.monotonic() - began
            time.sleep(0.02)
        pytest.fail(f"did not happen in {seconds * SLOW} s; the log:\n{self.log.read_text()[-4000:]}")

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> float:
        """Stop it as an operator does; returns the seconds until every process was gone."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(sign)
        self.process.wait(timeout=15)
        while self.processes():
            assert time.monotonic() - began < 15, "processes are left"
            time.sleep(0.02)
        return time.monotonic() - began

    def is_listening(self) -> bool:
        """Whether it takes new connections."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def kill(self) -> None:
        """End every process of it at once, as a power cut would."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def processes(self) -> list[int]:
        """The ids of its living processes, parent first."""
        if self.process is None:
            return []
        group = self.process.pid
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    state, _, pgrp = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                    if int(pgrp) == group and state != "Z":
                        found.append(int(entry.name))
        return sorted(found, key=lambda pid: (pid != group, pid))

    def get(self, path: str, **headers: str) -> httpx.Response:
        """One GET; underscores in names of header fields stand for hyphens."""
        return self.client.get(
            path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    def _dated(self, path: str) -> httpx.Response:
        """A feed's response, once its date has come: while it lies ahead there is no Last-Modified."""
        answers: list[httpx.Response] = []

        def is_dated() -> bool:
            answers.append(self.get(path))
            return "last-modified" in answers[-1].headers

        self.wait_until(is_dated, 6)
        return answers[-1]

    def feeds(self) -> dict[str, tuple[bytes, str, str]]:
        """Every published feed: path → bytes, ETag, Last-Modified."""
        outlines = self.get("/feeds.opml").text
        keys = sorted({part.partition(".rss")[0] for part in outlines.split("/feeds/")[1:]})
        made = {}
        for key in keys:
            for fmt in ("rss", "atom", "json"):
                answer = self._dated(f"/feeds/{key}.{fmt}")
                assert answer.status_code == 200
                fields = answer.headers
                made[f"{key}.{fmt}"] = (answer.content, fields["etag"], fields["last-modified"])
        return made


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service on an empty content folder, not started yet; killed afterwards whatever happens."""
    made = Service(tmp_path)
    yield made
    made.kill()
    made.client.close()
