"""nginx, serving the very bytes of a feed as static files, the compressed ones made beforehand.

One worker, as feedsvc has, with the settings that make static files cheap.
"""

import os
from pathlib import Path

from benchmarks import running
from benchmarks.running import HOST, Server

COMMAND = "nginx"
_CONFIG = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    types {{ application/rss+xml rss; }}
    sendfile on;
    tcp_nopush on;
    etag on;
    gzip_static on;
    gzip_vary on;
    open_file_cache max=100 inactive=600s;
    open_file_cache_valid 60s;
    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {host}:{port};
        root {folder}/files;
        add_header Cache-Control "public, max-age=300";
    }}
}}
"""


def start(folder: Path, path: str, plain: bytes, gzipped: bytes, cores: set[int] | None) -> Server:
    """Serve a feed's bytes at `path`."""
    file = folder / "files" / path.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(plain)
    file.with_name(f"{file.name}.gz").write_bytes(gzipped)
    port = running.free_port()
    config = folder / "nginx.conf"
    # A worker that root starts would become another user, who may not read a private folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(user + _CONFIG.format(folder=folder.absolute(), host=HOST, port=port), "utf-8")
    command = [COMMAND, "-c", str(config.absolute()), "-e", str((folder / "error.log").absolute())]
    return running.start(command, folder, port=port, ready=path, cores=cores)
