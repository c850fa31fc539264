"""Parses bytes that are exactly one whole GET or HEAD, as nearly every poll is.

Knows no connection: a protocol has to parse everything else.
"""

import re
from typing import Final

import httptools

from feedsvc.web.feeds.responder import FIELDS, FeedRequest

LONGEST: Final = 8_192
"""Bytes; longer requests are left to a protocol."""
KEEP_ALIVE: Final = b"connection: keep-alive\r\n"
CLOSE: Final = b"connection: close\r\n"

_CAREFUL: Final = "careful"
"""Marks header fields because of which a request is left to a protocol."""
_MEANINGS: Final = {
    **{name: name for name in (*FIELDS, "connection", "host")},
    **dict.fromkeys(("content-length", "expect", "transfer-encoding", "upgrade"), _CAREFUL),
    # Fields that nearly all clients send: listed, so that one look-up finds that they are not needed.
    **dict.fromkeys(("accept", "accept-language", "cache-control", "pragma", "user-agent"), ""),
}
_NAMES: Final = {
    spelled: meaning
    for name, meaning in _MEANINGS.items()
    for spelled in (name.encode(), name.title().encode())
}
_METHODS: Final = {b"GET": "GET", b"HEAD": "HEAD"}

_user_agent = re.compile(rb"\r\n[Uu]ser-[Aa]gent: ([\t -~\x80-\xff]*)\r\n").search


def without_user_agent(data: bytes) -> bytes:
    """The same request with an empty User-Agent, because no response depends on it; unchanged if it has none.

    If one of the two is exactly one whole message without a body, so is the other, and they have the same
    meaning: the removed bytes are allowed in any field value (RFC 9110 §5.5), and are between the field's
    colon and the end of its line.
    """
    if len(data) <= LONGEST and (found := _user_agent(data)) is not None:
        start, end = found.span(1)
        return data[:start] + data[end:]
    return data


class RawRequestReader(FeedRequest):
    """Parses one such request after another; its attributes are those of the last one. For one thread.

    `target` is in origin-form; `framing` is the Connection field line that the response needs, and `closes`
    says whether the connection ends with the response.
    """

    __slots__ = (
        "_begun",
        "_complete",
        "_is_plain",
        "_parser",
        "_read",
        "_stays_open",
        "closes",
        "framing",
        "target",
    )

    def __init__(self) -> None:
        super().__init__()
        self._read: dict[str, str] = {}
        self._renew()

    def _renew(self) -> None:
        self._parser = httptools.HttpRequestParser(self)

    def read(self, data: bytes) -> bool:
        """Parse `data`; whether it is such a request, without fields that need a protocol."""
        if len(data) > LONGEST:
            return False
        self.target = b""
        self.fields = self._read = {}
        self._begun = self._complete = 0
        self._is_plain = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._renew()
            return False
        if self._begun != 1 or self._complete != 1:
            self._renew()  # the parser may be in the middle of a message
            return False
        self.method = _METHODS.get(self._parser.get_method(), "")
        is_plain = self._is_plain and self.method != "" and self._is_framed_plainly()
        if not self._stays_open:
            self._renew()  # the parser accepts no message after a last one; the next is another connection's
        return is_plain

    def _is_framed_plainly(self) -> bool:
        fields, target = self.fields, self.target
        host = fields.get("host", "")
        if target[:1] != b"/" or b"#" in target or "," in host:
            return False
        if self._stays_open and "connection" not in fields:
            self.framing, self.closes = b"", False
            return bool(host)  # this is HTTP/1.1: HTTP/1.0 needs a Connection field to stay open
        version = self._parser.get_http_version()
        self.closes = not self._stays_open
        self.framing = CLOSE if self.closes else KEEP_ALIVE if version == "1.0" else b""
        return version == "1.0" or (version == "1.1" and bool(host))

    # llhttp calls these.

    def on_message_begin(self) -> None:
        self._begun += 1

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        known = _NAMES.get(name)
        if known is None:
            known = _NAMES.get(name.lower())
        if known:
            if known in self._read or known is _CAREFUL:
                self._is_plain = False
            self._read[known] = str(value.strip(), "latin-1")

    def on_message_complete(self) -> None:
        self._complete += 1
        self._stays_open = self._parser.should_keep_alive()
