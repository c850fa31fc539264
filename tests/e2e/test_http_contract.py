"""Every row of the HTTP contract, over a real socket."""

import gzip
import http.client
import json
import zlib
from collections.abc import Iterator
from email.utils import format_datetime, parsedate_to_datetime

import brotli  # type: ignore[import-untyped]
import httpx
import pytest
import zstandard
from lxml import etree, html

from tests.e2e.conftest import Service
from tests.stories import write_story

FEEDS = {
    "/feeds/all": "all",
    "/feeds/sections/world": "sections/world",
    "/feeds/sections/world/europe": "sections/world/europe",
    "/feeds/tags/rail": "tags/rail",
    "/feeds/tags/%CE%B8%CE%AC%CE%BB%CE%B1%CF%83%CF%83%CE%B1": "tags/θάλασσα",
    "/feeds/authors/jane-doe": "authors/jane-doe",
    "/feeds/custom/top": "custom/top",
}
TYPES = {"rss": "application/rss+xml", "atom": "application/atom+xml", "json": "application/feed+json"}
EVERY_FEED = [(path, fmt) for path in FEEDS for fmt in TYPES]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("contract"))
    for number in range(12):
        write_story(
            made.content,
            f"world/europe/{number}.md",
            title=f"Story {number}",
            date=f"2026-01-{number + 1:02}",
            tags="[Rail, θάλασσα]",
            author="Jane Doe",
        )
    write_story(made.content, "killed.md", status="withdrawn", reason="It was not so.", title="Zebra")
    write_story(made.content, "hidden.md", embargo="2099-01-01", title="Okapi")
    yield made.start()
    made.kill()
    made.client.close()


def raw(service: Service, path: str, method: str = "GET", **fields: str) -> http.client.HTTPResponse:
    """A request with no header field but Host and the given ones."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=5)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in fields.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    return connection.getresponse()


@pytest.mark.parametrize(("path", "fmt"), EVERY_FEED)
def test_feed_answers_with_every_field_of_the_contract(service: Service, path: str, fmt: str) -> None:
    answer = raw(service, f"{path}.{fmt}")
    fields = answer.headers
    body = answer.read()
    assert answer.status == 200
    assert fields["content-type"] == f"{TYPES[fmt]}; charset=utf-8"
    assert int(fields["content-length"]) == len(body)
    assert fields["etag"].startswith('"')
    assert fields["etag"].endswith('"')
    assert parsedate_to_datetime(fields["last-modified"]) <= parsedate_to_datetime(fields["date"])
    assert fields["cache-control"] == ("public, max-age=300, stale-while-revalidate=60, stale-if-error=86400")
    assert fields["vary"] == "Accept-Encoding"
    assert fields["x-content-type-options"] == "nosniff"
    assert f'<https://news.example.org{path}.{fmt}>; rel="self"' in fields["link"]
    assert '<https://hub.example.org/>; rel="hub"' in fields["link"]
    assert "content-encoding" not in fields
    if fmt == "json":
        assert json.loads(body)["feed_url"] == f"https://news.example.org{path}.{fmt}"
    else:
        etree.fromstring(body)


@pytest.mark.parametrize(("path", "fmt"), EVERY_FEED)
def test_second_poll_is_304_by_tag_and_by_date(service: Service, path: str, fmt: str) -> None:
    first = raw(service, f"{path}.{fmt}")
    for condition in (
        {"If_None_Match": first.headers["etag"]},
        {"If_Modified_Since": first.headers["last-modified"]},
        {"If_None_Match": f'"other", W/{first.headers["etag"]}'},
        {"If_None_Match": "*"},
    ):
        second = raw(service, f"{path}.{fmt}", **condition)
        assert (second.status, second.read()) == (304, b"")
        for name in ("etag", "cache-control", "vary", "link"):
            assert second.headers[name] == first.headers[name]


def test_all_three_date_forms_are_read(service: Service) -> None:
    modified = parsedate_to_datetime(raw(service, "/feeds/all.rss").headers["last-modified"])
    for form in ("%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"):
        assert raw(service, "/feeds/all.rss", If_Modified_Since=modified.strftime(form)).status == 304
    assert raw(service, "/feeds/all.rss", If_Modified_Since="the other day").status == 200


def test_if_none_match_puts_the_date_out_of_force(service: Service) -> None:
    date = raw(service, "/feeds/all.rss").headers["last-modified"]
    assert raw(service, "/feeds/all.rss", If_None_Match='"old"', If_Modified_Since=date).status == 200


def test_failed_preconditions_are_412(service: Service) -> None:
    first = raw(service, "/feeds/all.rss")
    tag, modified = first.headers["etag"], parsedate_to_datetime(first.headers["last-modified"])
    assert raw(service, "/feeds/all.rss", If_Match='"old"').status == 412
    assert raw(service, "/feeds/all.rss", If_Match=f"W/{tag}").status == 412
    assert raw(service, "/feeds/all.rss", If_Match=f'"old", {tag}').status == 200
    assert raw(service, "/feeds/all.rss", If_Match="*").status == 200
    early = format_datetime(modified.replace(year=modified.year - 1), usegmt=True)
    assert raw(service, "/feeds/all.rss", If_Unmodified_Since=early).status == 412


@pytest.mark.parametrize(("path", "fmt"), EVERY_FEED)
def test_head_says_what_get_says_and_sends_nothing(service: Service, path: str, fmt: str) -> None:
    get, head = raw(service, f"{path}.{fmt}"), raw(service, f"{path}.{fmt}", "HEAD")
    assert head.read() == b""
    without_date = [
        {name.lower(): value for name, value in answer.headers.items() if name.lower() != "date"}
        for answer in (get, head)
    ]
    assert without_date[0] == without_date[1]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
@pytest.mark.parametrize(
    "path", ["/feeds/all.rss", "/feeds/none.atom", "/", "/stories/killed", "/feeds.opml"]
)
def test_other_methods_are_405_with_allow(service: Service, method: str, path: str) -> None:
    answer = raw(service, path, method)
    assert answer.status == 405
    shared = {"OPTIONS"} if path.startswith("/feeds") else set()
    assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD"} | shared


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("zstd, br, gzip", "zstd"),
        ("br, gzip", "br"),
        ("gzip, deflate", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=0.5, br;q=0.9", "br"),
        ("gzip;q=0, *", "zstd"),
        ("*", "zstd"),
        ("deflate", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("", None),
        ("br;q=0, zstd;q=0, gzip;q=0.001, identity;q=0", "gzip"),
    ],
)
def test_coding_is_chosen_by_quality(service: Service, accepted: str, coding: str | None) -> None:
    plain = raw(service, "/feeds/all.rss").read()
    answer = raw(service, "/feeds/all.rss", Accept_Encoding=accepted)
    body = answer.read()
    decoded = {
        None: lambda: body,
        "gzip": lambda: gzip.decompress(body),
        "br": lambda: brotli.decompress(body),
        "zstd": lambda: zstandard.ZstdDecompressor().decompress(body, max_output_size=10**7),
    }
    assert answer.headers.get("content-encoding") == coding
    assert decoded[coding]() == plain
    assert answer.headers["vary"] == "Accept-Encoding"


def test_nothing_acceptable_is_406(service: Service) -> None:
    assert raw(service, "/feeds/all.rss", Accept_Encoding="identity;q=0").status == 406
    assert raw(service, "/feeds/all.rss", Accept_Encoding="*;q=0").status == 406
    assert raw(service, "/feeds/all.rss", Accept_Encoding="deflate, identity;q=0").status == 406


def test_each_coding_has_a_strong_tag_of_its_own(service: Service) -> None:
    tags = {
        raw(service, "/feeds/all.rss", Accept_Encoding=accepted).headers["etag"]
        for accepted in ("identity", "gzip", "br", "zstd")
    }
    assert len(tags) == 4
    assert not any(tag.startswith("W/") for tag in tags)
    gzipped = raw(service, "/feeds/all.rss", Accept_Encoding="gzip").headers["etag"]
    assert raw(service, "/feeds/all.rss", If_None_Match=gzipped).status == 200
    assert raw(service, "/feeds/all.rss", If_None_Match=gzipped, Accept_Encoding="gzip").status == 304


def test_gzip_is_the_same_bytes_every_time_and_names_no_time(service: Service) -> None:
    first, second = (raw(service, "/feeds/all.rss", Accept_Encoding="gzip").read() for _ in range(2))
    assert first == second
    assert first[4:8] == b"\0\0\0\0"
    assert zlib.decompress(first, 31)


def test_range_is_ignored_or_honoured_but_never_wrong(service: Service) -> None:
    answer = raw(service, "/feeds/all.rss", Range="bytes=0-9")
    assert answer.status == 200
    assert answer.read() == raw(service, "/feeds/all.rss").read()


def test_host_and_forwarded_fields_change_no_byte(service: Service) -> None:
    fair = service.get("/feeds/all.rss")
    forged = service.get("/feeds/all.rss", Host="evil.example", X_Forwarded_Host="evil.example")
    assert forged.content == fair.content
    assert forged.headers["link"] == fair.headers["link"]
    for path in ("/", "/sections/world", "/stories/world/europe/1", "/feeds.opml"):
        assert (
            "evil.example" not in service.get(path, Host="evil.example", X_Forwarded_Host="evil.example").text
        )


@pytest.mark.parametrize(
    "path",
    [
        "/feeds/none.rss",
        "/feeds/tags/none.atom",
        "/feeds/all.xml",
        "/feeds/all",
        "/feeds/",
        "/feeds//all.rss",
        "/feeds/../feeds/none.rss",
        "/feeds/%00.rss",
        "/feeds/%FF.rss",
        "/feeds/tags/hush.rss",
        "/feeds/sections/world%2Feurope%2Fasia.rss",
        "/sections/none",
        "/tags/none",
        "/authors/none",
        "/stories/none",
        "/stories/hidden",
        "/nothing",
    ],
)
def test_unknown_is_404_and_says_nothing(service: Service, path: str) -> None:
    answer = raw(service, path)
    assert answer.status == 404
    assert b"Okapi" not in answer.read()
    assert "no-cache" in answer.headers["cache-control"]


def test_request_without_or_with_two_hosts_is_400(service: Service) -> None:
    for hosts in ((), ("a.example", "b.example")):
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=5)
        connection.putrequest("GET", "/feeds/all.rss", skip_host=True)
        for host in hosts:
            connection.putheader("Host", host)
        connection.endheaders()
        assert connection.getresponse().status == 400


def test_query_is_ignored(service: Service) -> None:
    assert service.get("/feeds/all.rss?utm_source=x").content == service.get("/feeds/all.rss").content


def test_withdrawn_story_is_gone_with_the_reason(service: Service) -> None:
    answer = service.get("/stories/killed")
    assert answer.status_code == 410
    assert "It was not so." in answer.text
    assert "Zebra" not in answer.text


@pytest.mark.parametrize(
    "path", ["/", "/sections/world", "/sections/world/europe", "/tags/rail", "/authors/jane-doe"]
)
def test_pages_list_stories_and_announce_feeds_that_answer(service: Service, path: str) -> None:
    page = service.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    tree = html.fromstring(page.text)
    announced = tree.xpath('//link[@rel="alternate"]')
    assert {link.get("type") for link in announced} >= set(TYPES.values())
    for link in announced:
        answer = service.get(httpx.URL(link.get("href")).raw_path.decode())
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(link.get("type"))
    assert "Story 11" in page.text


def test_story_page_shows_the_story_its_tags_and_more_of_its_section(service: Service) -> None:
    page = service.get("/stories/world/europe/3")
    tree = html.fromstring(page.text)
    assert tree.xpath("//h1")[0].text_content().strip() == "Story 3"
    links = {link.get("href") for link in tree.xpath("//a")}
    assert any(link.endswith("/tags/rail") for link in links)
    assert "More Europe stories" in " ".join(tree.text_content().split())
    assert tree.xpath('//link[@rel="canonical"]')[0].get("href") == (
        "https://news.example.org/stories/world/europe/3"
    )
    assert tree.xpath('//link[@rel="alternate"]')


def test_directory_lists_every_feed_with_its_links(service: Service) -> None:
    links = {link.get("href") for link in html.fromstring(service.get("/").text).xpath("//a")}
    for path, fmt in EVERY_FEED:
        assert any(link.endswith(f"{path}.{fmt}") for link in links if link), path


def test_opml_lists_every_feed(service: Service) -> None:
    answer = service.get("/feeds.opml")
    assert answer.headers["content-type"].startswith("text/x-opml")
    listed = {
        one.get("xmlUrl") for one in etree.fromstring(answer.content).iter("outline") if one.get("xmlUrl")
    }
    assert listed == {f"https://news.example.org{path}.rss" for path in FEEDS}


def test_health_readiness_and_metrics(service: Service) -> None:
    assert service.get("/healthz").status_code == 200
    assert service.get("/readyz").json()["status"] == "ready"
    before = service.get("/metrics").text
    service.get("/feeds/all.atom", Accept_Encoding="identity")
    after = service.get("/metrics").text
    series = 'feedsvc_feed_requests_total{format="atom",status="200"} '

    def count(text: str) -> float:
        return float(text.split(series)[1].splitlines()[0])

    assert count(after) == count(before) + 1


def test_pages_hold_no_script_and_forbid_any(service: Service) -> None:
    for path in ("/", "/sections/world", "/stories/world/europe/1"):
        answer = service.get(path)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        scripts = html.fromstring(answer.text).xpath("//script")
        assert all(script.get("type") == "application/ld+json" for script in scripts)
