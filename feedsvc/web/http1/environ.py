"""What a WSGI application is told of a request: PEP 3333's environment, of an ASGI scope.

Pure: the body comes in as a file.
"""

import sys
from collections.abc import Mapping
from typing import IO, Any, Final
from urllib.parse import unquote_to_bytes

WHOLE_BODY: Final = "feedsvc.whole_body"
"""Is in the environment if wsgi.input has all of the body already."""
_UNNAMED: Final = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


def environ_of(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The environment of a request, still without its body.

    A field with an underscore in its name is left out: it would be taken for the one with a hyphen, which a
    proxy may have seen to. So is Proxy, which libraries would take for a setting (https://httpoxy.org/).
    """
    server, client = scope.get("server") or ("", None), scope.get("client") or ("", None)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0] or "localhost",
        "SERVER_PORT": str(server[1] or 80),
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" in name or name == b"proxy":
            continue
        variable = _UNNAMED.get(name) or f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}"
        text = value.decode("latin-1")
        environ[variable] = f"{environ[variable]},{text}" if variable in environ else text
    return environ


def with_body(environ: dict[str, Any], body: IO[bytes], size: int) -> None:
    """Have an environment say that its body is all in a file, of so many bytes."""
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ |= {"CONTENT_LENGTH": str(size), "wsgi.input": body, WHOLE_BODY: True}
