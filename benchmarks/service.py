"""feedsvc as its users run it: `serve` and `refresh` on a folder of its own.

Knows the commands and the settings, and imports nothing of the product.
"""

import socket
import ssl
import sys
import time
from pathlib import Path

from benchmarks import running
from benchmarks.measuring import Cost, cost
from benchmarks.running import HOST, Server

FEED = "/feeds/all.rss"
SITE = """\
[site]
name = "The Daily Example"
url = "https://news.example.org"
authority = "news.example.org,2026"

[store]
url = "sqlite:///var/feedsvc.db"
"""
"""How every configuration begins; what is in it says where the stories are."""
_CONFIG = """\
content = "{content}"

[feeds]
items = 50
formats = [{formats}]

[log]
level = "warning"
"""


class Site:
    """A folder with a configuration and a store, over stories that may be elsewhere."""

    def __init__(
        self, folder: Path, content: Path, formats: tuple[str, ...] = ("rss", "atom", "json")
    ) -> None:
        self.folder = folder
        self.content = content
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "config.toml"
        listed = ", ".join(f'"{fmt}"' for fmt in formats)
        self.config.write_text(SITE + _CONFIG.format(content=content.absolute(), formats=listed), "utf-8")

    def refresh(self, *, limit: float = 3600, with_memory: bool = False) -> Cost:
        """Load what changed and publish every dirty feed, once."""
        arguments = [*command(), "refresh", "--config", str(self.config)]
        return cost(arguments, self.folder, limit=limit, with_memory=with_memory)

    def serve(self, *, cores: set[int] | None = None, limit: float = 120) -> Server:
        """Start it with one worker; it has answered for the feed of everything when this returns."""
        port = running.free_port()
        arguments = [*command(), "serve", "--config", str(self.config), "--port", str(port)]
        return running.start(arguments, self.folder, port=port, ready=FEED, cores=cores, limit=limit)

    def serve_tls(self, certificate: Path, key: Path, cores: set[int] | None) -> Server:
        """Serve the same once more, with TLS, beside a `serve` that keeps it fresh."""
        port, unsecured = running.free_port(), running.free_port()
        config = self.folder / "tls.toml"
        tls = f'\n[http]\nmetrics = "{HOST}:{unsecured}"\n'
        tls += f'[http.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n'
        config.write_text(self.config.read_text("utf-8") + tls, "utf-8")
        arguments = [*command(), "web", "--config", str(config), "--port", str(port)]
        server = running.start(arguments, self.folder, port=unsecured, ready="/metrics", cores=cores)
        secured = Server(server.process, port, server.log)
        _await_tls(port)
        return secured


def _await_tls(port: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    until = time.monotonic() + 30
    while True:
        try:
            with socket.create_connection((HOST, port), timeout=1) as plain, context.wrap_socket(plain):
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def command() -> list[str]:
    """What runs feedsvc's commands."""
    script = Path(sys.executable).with_name("feedsvc")
    return [str(script)] if script.exists() else [sys.executable, "-m", "feedsvc"]
