"""What happens to a service's processes, and to those who poll it meanwhile."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import SLOW, Service
from tests.stories import write_story

FEED = "/feeds/all.rss"


class Pollers:
    """Clients that poll all the time, each with a new connection, and note what goes wrong."""

    def __init__(self, port: int, path: str = FEED, number: int = 4) -> None:
        self.port = port
        self._request = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
        self.whole = 0
        self.refused: list[str] = []
        self.cut_off: list[bytes] = []
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._poll) for _ in range(number)]

    def _poll(self) -> None:
        while not self._ending.is_set():
            received = b""
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
                    connection.sendall(
                        f"GET {FEED} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
                    )
                    while chunk := connection.recv(65_536):
                        received += chunk
            except OSError as error:
                self.refused.append(repr(error))
            if received:
                head, _, body = received.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                if head.startswith(b"HTTP/1.1 200") and len(body) == length:
                    self.whole += 1
                else:
                    self.cut_off.append(received[:200])

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def polling(service: Service, path: str = FEED, number: int = 4) -> Iterator[Pollers]:
    pollers = Pollers(service.port, path, number)
    pollers.start()
    try:
        yield pollers
    finally:
        pollers.stop()


def started(service: Service, *options: str, number: int = 40) -> Service:
    for story in range(number):
        write_story(service.content, f"s{story}.md", title=f"Story {story}", section="World")
    return service.start(*options)


def by_socket(path: Path) -> httpx.Client:
    return httpx.Client(base_url="http://news", transport=httpx.HTTPTransport(uds=str(path)), timeout=5)


def log_has(service: Service, what: str) -> Callable[[], bool]:
    return lambda: what in service.log.read_text()


def workers(service: Service) -> list[int]:
    return service.processes()[1:]


def test_sighup_brings_a_new_configuration_and_refuses_nobody(service: Service) -> None:
    started(service)
    before = workers(service)
    service.config.write_text(service.config.read_text().replace("The Daily Example", "The Other Paper"))
    assert service.process is not None
    with polling(service) as pollers:
        service.process.send_signal(signal.SIGHUP)
        service.wait_until(lambda: "The Other Paper" in service.get(FEED).text, 15)
        service.wait_until(log_has(service, "configuration_reloaded"), 10)
        service.wait_until(lambda: not set(before) & set(workers(service)), 10)
    assert (pollers.refused, pollers.cut_off) == ([], [])
    assert pollers.whole > 20
    assert "The Other Paper" in service.get("/").text
    write_story(service.content, "late.md", title="Okapi")
    service.wait_until(lambda: "Okapi" in service.get(FEED).text, 5)


@pytest.mark.parametrize(
    "fault",
    ["\n[http]\nprot = 1\n", '\n[http.tls]\ncertificate = "none.pem"\nkey = "none.pem"\n'],
)
def test_faulty_configuration_leaves_the_running_one_and_says_why(service: Service, fault: str) -> None:
    started(service)
    before = workers(service)
    text = service.config.read_text()
    service.config.write_text(text + fault)
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)
    service.wait_until(log_has(service, "configuration_refused"), 10)
    assert service.get(FEED).status_code == 200
    assert workers(service) == before
    write_story(service.content, "late.md", title="Okapi")
    service.wait_until(lambda: "Okapi" in service.get(FEED).text, 5)
    service.config.write_text(text)
    service.process.send_signal(signal.SIGHUP)
    service.wait_until(log_has(service, "configuration_reloaded"), 15)


def test_configuration_that_changes_while_it_is_read_is_read_again(service: Service) -> None:
    started(service)
    text = service.config.read_text()
    assert service.process is not None
    for name in ("The Other Paper", "The Third Paper"):
        service.config.write_text(text.replace("The Daily Example", name))
        service.process.send_signal(signal.SIGHUP)
        service.wait_until(lambda: len(workers(service)) > 1, 5)  # the new ones start
    service.wait_until(lambda: "The Third Paper" in service.get("/").text, 15)
    service.wait_until(lambda: service.log.read_text().count("configuration_reloaded") == 2, 10)


def test_clients_that_do_not_read_keep_no_stop_and_no_reload(service: Service) -> None:
    for story in range(60):
        write_story(service.content, f"s{story}.md", title=f"Story {story}", body="Words. " * 3_000)
    service.start()
    assert service.process is not None
    asked = f"GET {FEED} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 20
    with ExitStack() as stack:
        for _ in range(2):
            for _ in range(10):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
                client.sendall(asked)
            # Of the second ten those that the old workers have are ended by them.
            service.process.send_signal(signal.SIGHUP)
        service.wait_until(log_has(service, "configuration_reloaded"), 15)
        assert service.stop() < 5 + SLOW
    assert service.process.returncode == 0
    log = service.log.read_text()
    assert [line for line in log.splitlines() if '"level": "error"' in line or "Traceback" in line] == []
    assert "process_killed" not in log


def test_interrupt_of_the_whole_group_ends_it_cleanly(service: Service) -> None:
    started(service, "--workers", "2")
    assert service.process is not None
    began = time.monotonic()
    os.killpg(service.process.pid, signal.SIGINT)
    assert service.process.wait(10) == 0
    assert time.monotonic() - began < 5
    service.wait_until(lambda: not service.processes(), 1)
    log = service.log.read_text()
    warnings = [line for line in log.splitlines() if '"level": "warning"' in line]
    assert [line for line in warnings if "name_unknown" not in line] == []  # of the test's configuration
    assert "Traceback" not in log


def test_sigterm_under_load_truncates_no_answer(service: Service) -> None:
    started(service, "--workers", "2")
    with polling(service) as pollers:
        service.wait_until(lambda: pollers.whole > 200, 10)
        assert service.stop() < 5
    assert pollers.cut_off == []
    assert service.process is not None
    assert service.process.returncode == 0


def answers(connection: socket.socket) -> Iterator[bytes]:
    """The whole responses that come until the connection's end, each with its head; cut ones fail."""
    received = b""
    while True:
        while b"\r\n\r\n" not in received:
            more = connection.recv(65_536)
            if not more:
                assert not received, "it ends within a head"
                return
            received += more
        head, _, received = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(received) < length:
            more = connection.recv(65_536)
            assert more, f"cut after {len(received)} of {length} bytes"
            received += more
        yield head
        received = received[length:]


@pytest.mark.parametrize("path", [FEED, "/feeds.opml"])
@pytest.mark.parametrize("more", [0, 1, 6])
def test_sigterm_cuts_no_response_that_a_client_has_yet_to_read(
    service: Service, path: str, more: int
) -> None:
    """Not even if the client has asked for more meanwhile: it learns that no more comes."""
    for number in range(50):
        write_story(service.content, f"s{number}.md", title=f"Story {number}", tags=[f"tag {number}" * 40])
        with (service.content / f"s{number}.md").open("a") as story:
            story.write("\n\nThe river rose again overnight." * 500)
    service.start()
    asked = f"GET {path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity\r\n\r\n".encode()
    with ExitStack() as stack:
        clients = []
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            client.settimeout(10)
            client.connect(("127.0.0.1", service.port))
            client.sendall(asked)
            assert client.recv(1, socket.MSG_PEEK), "its response has begun"
            client.sendall(asked * more)
            clients.append(client)
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        service.wait_until(lambda: not service.is_listening(), 3)
        for client in clients:
            heads = [*answers(client)]
            assert 1 <= len(heads) <= 1 + more
            if len(heads) <= more:
                assert b"connection: close" in heads[-1].lower()
    assert service.stop() < 5


def test_workers_that_die_are_back_within_a_second_and_their_siblings_go_on(service: Service) -> None:
    started(service, "--workers", "2")
    random_ = random.Random(5)
    with polling(service) as pollers:
        for _ in range(6):
            victim = random_.choice(workers(service))
            (sibling,) = (pid for pid in workers(service) if pid != victim)
            os.kill(victim, signal.SIGKILL)
            service.wait_until(lambda victim=victim: victim not in workers(service), 1)  # type: ignore[misc]
            service.wait_until(lambda: len(workers(service)) == 2, 1)
            assert sibling in workers(service)
            time.sleep(0.3)
    assert len(pollers.refused) + len(pollers.cut_off) <= 6 * 4, "only what the victim was answering"
    assert service.get(FEED).status_code == 200


def test_service_listens_at_a_unix_socket_and_takes_its_file_away(service: Service) -> None:
    path = service.folder / "web.sock"
    for number in range(40):
        write_story(service.content, f"s{number}.md", title=f"Story {number}")
    service.client = httpx.Client(
        base_url="http://news", transport=httpx.HTTPTransport(uds=str(path)), timeout=5
    )
    service.start("--uds", str(path))
    assert service.get(FEED).status_code == 200
    assert service.get("/").status_code == 200
    service.stop()
    assert not path.exists()


def test_unix_socket_of_a_service_that_was_killed_is_taken_over(service: Service) -> None:
    path = service.folder / "web.sock"
    service.config.write_text(service.config.read_text() + f'\n[http]\nuds = "{path.name}"\n')
    service.client = httpx.Client(
        base_url="http://news", transport=httpx.HTTPTransport(uds=str(path)), timeout=5
    )
    write_story(service.content, "a.md")
    program = [*_command(service)]
    first = subprocess.Popen(program, cwd=service.folder, stderr=subprocess.DEVNULL)
    service.wait_until(lambda: service.get("/readyz").status_code == 200, 20)
    second = subprocess.run(
        program, cwd=service.folder, capture_output=True, text=True, timeout=20, check=False
    )
    assert second.returncode == 2
    assert "cannot listen at" in second.stderr
    first.kill()
    first.wait()
    third = subprocess.Popen(program, cwd=service.folder, stderr=subprocess.DEVNULL)
    try:
        service.wait_until(lambda: service.get(FEED).status_code == 200, 20)
    finally:
        third.terminate()
        third.wait(10)


def _command(service: Service) -> list[str]:
    return [sys.executable, "-m", "feedsvc", "serve", "--config", str(service.config)]


def test_metrics_are_on_a_listener_of_their_own_if_one_is_named(service: Service) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service.config.write_text(service.config.read_text() + f'\n[http]\nmetrics = "127.0.0.1:{port}"\n')
    started(service, number=1)
    assert service.get("/metrics").status_code == 404
    assert service.get(FEED).status_code == 200

    def counted() -> bool:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        return 'feedsvc_feed_requests_total{format="rss",status="200"} 1.0' in text

    service.wait_until(counted, 4)


@pytest.mark.parametrize("stripped", [False, True])
def test_site_below_a_prefix_answers_there_and_links_there(service: Service, stripped: bool) -> None:
    service.config.write_text(
        service.config.read_text().replace("https://news.example.org", "https://example.org/news")
    )
    started(service, number=3)
    below = "" if stripped else "/news"
    for _ in range(2):
        assert service.get(f"{below}{FEED}").status_code == 200
    page = service.get(f"{below}/sections/world")
    assert page.status_code == 200
    for link in ('href="/news/"', 'href="/news/static/feedsvc.css', "https://example.org/news/feeds/"):
        assert link in page.text
    assert 'href="/feeds' not in page.text
    assert 'href="/static' not in page.text
    moved = service.get(f"{below}/sections/world/")
    assert moved.headers["location"] == "/news/sections/world"
    style = page.text.partition('stylesheet" href="')[2].partition('"')[0]
    assert service.get(style if not stripped else style.removeprefix("/news")).status_code == 200


def test_withdrawal_is_gone_while_uploads_stall_and_pages_are_asked_for(service: Service) -> None:
    started(service)
    write_story(service.content, "gone.md", title="Zebra", section="World")
    service.wait_until(lambda: "Zebra" in service.get(FEED).text, 5)
    token = service.run("token", "create", "desk", "--scope", "write").stdout.strip()
    upload = f"POST /api/articles HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"
    upload += "Content-Type: application/x-ndjson\r\nContent-Length: 900\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(50):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            one.sendall(upload.encode() + b'{"ti')
        pages = stack.enter_context(polling(service, "/", 40))
        service.wait_until(lambda: pages.whole > 10, 10)
        assert service.get("/readyz").status_code == 200
        (service.content / "gone.md").unlink()
        feeds = (FEED, "/feeds/all.json", "/feeds/sections/world.atom")
        service.wait_until(lambda: not any("Zebra" in service.get(path).text for path in feeds), 1)
    assert pages.cut_off == []


def test_commands_say_if_the_file_differs_from_what_runs(service: Service) -> None:
    write_story(service.content, "a.md")
    service.start()
    assert service.process is not None
    commands = [("status",), ("check",), ("explain", "a"), ("token", "create", "acme")]
    text = service.config.read_text().replace("limit = 5", "limit = 6")
    service.config.write_text(text + '[partners.acme]\nfeeds = ["all"]\n# a remark\n')
    for command in commands:
        told = service.run(*command).stderr
        assert "custom.top.limit, partners.acme.feeds" in told, command
        assert f"kill -HUP {service.process.pid}" in told
    service.process.send_signal(signal.SIGHUP)
    service.wait_until(log_has(service, "configuration_reloaded"), 15)
    assert "kill -HUP" not in service.run("status").stderr
    service.kill()
    service.config.write_text(text)
    assert "kill -HUP" not in service.run("status").stderr, "what was killed runs no more"
