"""nginx, serving the very bytes of a feed as static files, compressed beforehand; or as a proxy.

One worker, as feedsvc has, with the settings that make static files cheap; as a proxy, with its defaults.
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
        listen {host}:{tls_port} ssl;
        # wrk resumes sessions of TLS 1.2, but not those of 1.3, which is what feedsvc speaks with it.
        ssl_protocols TLSv1.3;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        root {folder}/files;
        add_header Cache-Control "public, max-age=300";
    }}
}}
"""


_PROXY = """\
daemon off;
worker_processes 1;
pid {folder}/proxy.pid;
error_log {folder}/proxy-error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/proxy-body;
    proxy_temp_path {folder}/proxy-proxy;
    fastcgi_temp_path {folder}/proxy-fastcgi;
    uwsgi_temp_path {folder}/proxy-uwsgi;
    scgi_temp_path {folder}/proxy-scgi;
    server {{
        listen {host}:{port};
        location / {{ proxy_pass http://{host}:{upstream}; }}
    }}
}}
"""


def start_proxy(folder: Path, path: str, upstream: int, cores: set[int] | None) -> Server:
    """Hand on what comes to the port `upstream`, as `proxy_pass` does by default: HTTP/1.0, closed."""
    port = running.free_port()
    config = folder / f"proxy-{upstream}.conf"
    text = _PROXY.format(folder=folder.absolute(), host=HOST, port=port, upstream=upstream)
    config.write_text(text.replace("proxy.pid", f"proxy-{upstream}.pid"), "utf-8")
    command = [COMMAND, "-c", str(config.absolute()), "-e", str((folder / "proxy-error.log").absolute())]
    return running.start(command, folder, port=port, ready=path, cores=cores)


def start(
    folder: Path,
    path: str,
    plain: bytes,
    gzipped: bytes,
    cores: set[int] | None,
    tls: tuple[int, Path, Path],
) -> Server:
    """Serve a feed's bytes at `path`; with TLS at the port, with the certificate and the key of `tls`."""
    file = folder / "files" / path.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(plain)
    file.with_name(f"{file.name}.gz").write_bytes(gzipped)
    port = running.free_port()
    config = folder / "nginx.conf"
    # A worker that root starts would become another user, who may not read a private folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    tls_port, certificate, key = tls
    text = _CONFIG.format(
        folder=folder.absolute(), host=HOST, port=port, tls_port=tls_port, certificate=certificate, key=key
    )
    config.write_text(user + text, "utf-8")
    command = [COMMAND, "-c", str(config.absolute()), "-e", str((folder / "error.log").absolute())]
    return running.start(command, folder, port=port, ready=path, cores=cores)
