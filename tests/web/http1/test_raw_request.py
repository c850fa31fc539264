"""A request says the same whatever its User-Agent, which is left out of what is remembered."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from feedsvc.web.http1.raw_request import LONGEST, RawRequestReader, without_user_agent

LINES = st.sampled_from(
    [
        b"Host: a.example",
        b"host: b.example",
        b"Accept-Encoding: gzip",
        b'If-None-Match: "x"',
        b'If-None-Match: "User-Agent: ", "x"',
        b"Accept: \r",
        b"User-Agent:",
        b"X-User-Agent: y",
        b" User-Agent: folded",
        b"Connection: close",
        b"Content-Length: 3",
        b"User-Agent : z",
        b"",
    ]
)
VALUES = st.binary(max_size=12) | st.sampled_from(
    [
        b"newsboat/2.3 (Linux x86_64)",
        b"\ta b ",
        b"\xc3\xa9\xff",
        b"a\rb",
        b"a\nHost: c",
        b"a\r\n b",
        b"\0",
        b"\x7f",
    ]
)
AGENTS = st.builds(
    lambda name, value: name + b": " + value,
    st.sampled_from([b"User-Agent", b"user-agent", b"User-agent", b"USER-AGENT"]),
    VALUES,
)
TARGETS = st.sampled_from([b"/feeds/all.rss", b"/a?\r\nUser-Agent: x", b"/b"])
ENDS = st.sampled_from([b"\r\n\r\n", b"\r\n\r\nabc", b"\r\n", b"\n\n"])


def request(target: bytes, before: list[bytes], agent: bytes, after: list[bytes], end: bytes) -> bytes:
    """A request, right or wrong."""
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", *before, agent, *after]) + end


REQUESTS = st.builds(
    request, TARGETS, st.lists(LINES, max_size=3), AGENTS, st.lists(LINES | AGENTS, max_size=3), ENDS
)


def said(data: bytes) -> object:
    """All that an answer could depend on."""
    reader = RawRequestReader()
    if not reader.read(data):
        return None
    return reader.method, reader.target, dict(reader.fields), reader.framing, reader.closes


@settings(max_examples=500)
@example(b'GET /a HTTP/1.1\r\nHost: a\r\nIf-None-Match: "\r\nUser-Agent: x"\r\nUser-Agent: y\r\n\r\n')
@given(REQUESTS)
def test_request_says_the_same_without_its_user_agent(data: bytes) -> None:
    assert said(without_user_agent(data)) == said(data)


def test_requests_that_differ_in_their_user_agent_alone_are_one() -> None:
    request = b'GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: %s\r\nIf-None-Match: "x"\r\n\r\n'
    agents = [b"", b"curl/8", b"a" * 200, b"Mozilla/5.0 (X11; caf\xc3\xa9)"]
    assert len({without_user_agent(request % agent) for agent in agents}) == 1
    assert without_user_agent(request % b"\0") == request % b"\0"
    assert without_user_agent(request % (b"a" * LONGEST)) == request % (b"a" * LONGEST)
