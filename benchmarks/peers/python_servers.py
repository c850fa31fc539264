"""The WSGI server under the Flask and Django peers: gunicorn, one worker.

Knows their options, and no application.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from benchmarks import running
from benchmarks.running import HOST, Server

THREADS = 4
"""As many as feedsvc's worker has (`http.threads`)."""
GunicornWorker = Literal["sync", "gthread"]
GUNICORN_WORKERS: tuple[GunicornWorker, ...] = ("sync", "gthread")


def gunicorn(
    application: str,
    folder: Path,
    path: str,
    environment: Mapping[str, str],
    cores: set[int] | None,
    worker: GunicornWorker,
) -> Server:
    """Run an application on gunicorn."""
    port = running.free_port()
    command = [sys.executable, "-m", "gunicorn", application, "--bind", f"{HOST}:{port}", "--workers", "1"]
    command += ["--worker-class", worker, "--log-level", "warning"]
    if worker == "gthread":
        command += ["--threads", str(THREADS), "--keep-alive", "75"]
    return running.start(command, folder, port=port, ready=path, cores=cores, environment=environment)
