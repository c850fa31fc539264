import gzip
import re
import tracemalloc
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import floor, inf

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.http import is_resource_modified, parse_accept_header, parse_date, parse_etags

from feedsvc.domain.model import Format, Representation, Site
from feedsvc.web.feeds.cache_control import Freshness, cache_control
from feedsvc.web.feeds.conditional import (
    CODINGS,
    choose_coding,
    conditional_status,
    entity_tags,
    http_date,
    matches_strongly,
    matches_weakly,
    parse_http_date,
)
from feedsvc.web.feeds.encoding import Coding, encoded
from feedsvc.web.feeds.error_responses import STATUSES, error_response
from feedsvc.web.feeds.response import CORS
from feedsvc.web.feeds.variants import Variant, nearer_expiry, ready_variant

often = settings(max_examples=200, deadline=None)

SITE = Site(
    name="The Daily Example", url="https://news.example.org", language="en", authority="a.example,2026"
)
CHANGED = datetime(2026, 2, 11, 14, 0, 5, tzinfo=UTC)
NOW = CHANGED.timestamp() + 3600.25
BODY = b"<rss><channel><title>Harbour reopens</title></channel></rss>" * 60
FEED = Representation("sections/world", "rss", "World", BODY, "0123456789abcdef", CHANGED, 300)


def variant_of(feed: Representation = FEED, coding: Coding = "identity", site: Site = SITE) -> Variant:
    return ready_variant(feed, coding, site, 60, 86_400)


PLAIN = variant_of()


def status(
    *,
    match: str | None = None,
    unmodified: str | None = None,
    none_match: str | None = None,
    modified: str | None = None,
    variant: Variant = PLAIN,
) -> int:
    return conditional_status(variant.etag, variant.changed_at, NOW, match, unmodified, none_match, modified)


# Content-codings

weights = st.sampled_from(["", ";q=1", ";q=1.0", ";q=0.5", "; q=0.501", " ;\tQ=0.3", ";q=0", ";q=0.000"])
names = st.sampled_from(["gzip", "GZip", "x-gzip", "br", "zstd", "identity", "*", "deflate", "dcb"])
members = st.builds(lambda name, weight: name + weight, names, weights)
malformed_members = st.sampled_from(
    [
        "gzip;q=2",
        "br;q=1.001",
        "zstd;q=0.1234",
        "br;q=-1",
        "gzip;q=abc",
        "gzip;q=",
        "zstd;level=3",
        "b r",
        ";q=1",
        "",
    ]
)


def coding_by_the_letter(field: str) -> str | None:
    """RFC 9110 §12.5.3 spelled out over Werkzeug's parser."""
    listed: dict[str, float] = {}
    for name, q in parse_accept_header(field):
        coding = {"x-gzip": "gzip"}.get(name.lower(), name.lower())
        listed[coding] = max(q, listed.get(coding, 0))
    wanted: list[tuple[float, int, str]] = []
    for rank, coding in enumerate(("identity", "gzip", "br", "zstd")):
        if coding in listed:
            wanted.append((listed[coding], rank, coding))
        elif "*" in listed:
            wanted.append((listed["*"], rank, coding))
        elif coding == "identity":
            wanted.append((1e-9, rank, coding))
    acceptable = [choice for choice in wanted if choice[0] > 0]
    return max(acceptable)[2] if acceptable else None


@often
@given(st.lists(members, max_size=6))
def test_coding_is_the_one_the_rfc_gives_over_werkzeugs_parser(fields: list[str]) -> None:
    field = ", ".join(fields)
    assert choose_coding(field) == coding_by_the_letter(field)


@often
@given(st.lists(members, max_size=4), st.lists(malformed_members, max_size=3), st.randoms())
def test_malformed_members_of_accept_encoding_change_nothing(
    good: list[str], bad: list[str], random: object
) -> None:
    mixed = [*good, *bad]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert choose_coding(",".join(mixed)) == choose_coding(",".join(good))


@pytest.mark.parametrize(
    ("field", "coding"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip, identity", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=0.8, br;q=0.7", "gzip"),
        ("identity, gzip;q=0.9", "identity"),
        ("*", "zstd"),
        ("*, zstd;q=0", "br"),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=0", "identity"),
        ("deflate", "identity"),
        ("identity;q=0, *", "zstd"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("*;q=0, identity", "identity"),
        ("*;q=0, gzip", "gzip"),
        ("*;q=0", None),
        ("identity;q=0", None),
        ("identity;q=0, deflate", None),
        ("gzip;q=2", "identity"),
        ("gzip;q=0., br;q=1.", "br"),
    ],
)
def test_coding_of_well_known_fields(field: str | None, coding: str | None) -> None:
    assert choose_coding(field) == coding


# Entity tags

etags = st.sampled_from(
    [
        PLAIN.etag,
        variant_of(coding="gzip").etag,
        '"other"',
        '"with, comma"',
        '""',
        '"0123456789ABCDEF"',
        '"ü"',
    ]
)
tag_members = st.builds(lambda weak, tag: weak + tag, st.sampled_from(["", "W/"]), etags)
separators = st.sampled_from([",", ", ", " ,\t", ",,", ", ,"])
# Werkzeug takes unquoted tags and w/ for tags; RFC 9110 §8.8.3 has neither: it is not shown these.
bad_tags = st.sampled_from(['"open', 'W/ "space"', '"a""b"', '"a" b', "W/"])
bare_tags = st.sampled_from([PLAIN.etag.strip('"'), f"w/{PLAIN.etag}", "plain", "W/plain"])


@st.composite
def tag_lists(draw: st.DrawFn, kinds: st.SearchStrategy[str] = tag_members | bad_tags) -> str:
    field = ""
    for tag in draw(st.lists(kinds, max_size=5)):
        field += (draw(separators) if field else "") + tag
    return field


@often
@given(tag_lists())
@example('"with, comma", "0123456789abcdef"')
@example('"0123456789abcdef, "other"')
def test_tags_match_as_werkzeug_has_them(field: str) -> None:
    parsed = parse_etags(field)
    assert matches_weakly(field, PLAIN.etag) == parsed.contains_weak(PLAIN.etag.strip('"'))
    assert matches_strongly(field, PLAIN.etag) == parsed.is_strong(PLAIN.etag.strip('"'))


@often
@given(tag_lists(bare_tags))
def test_tags_without_quotes_or_with_a_small_w_match_nothing(field: str) -> None:
    assert not matches_weakly(field, PLAIN.etag)
    assert not matches_strongly(field, PLAIN.etag)


@often
@given(st.lists(tag_members, min_size=1, max_size=5))
def test_well_formed_tag_list_is_read_whole(tags: list[str]) -> None:
    read = [("W/" if weak else "") + tag for weak, tag in entity_tags(" , ".join(tags))]
    assert read == tags


def test_star_is_a_wildcard_only_alone() -> None:
    assert matches_weakly(" * ", PLAIN.etag)
    assert matches_strongly("*", PLAIN.etag)
    assert not matches_weakly('*, "other"', PLAIN.etag)
    assert not matches_strongly('"other", *', PLAIN.etag)


# Dates

moments = st.integers(
    int(datetime(1990, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2060, 12, 31, tzinfo=UTC).timestamp())
).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
FORMS = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b {day:2d} %H:%M:%S %Y")


def written(moment: datetime, form: str) -> str:
    return moment.strftime(form.replace("{day:2d}", f"{moment.day:2d}"))


@often
@given(moments, st.sampled_from(FORMS))
def test_each_form_of_a_date_is_read(moment: datetime, form: str) -> None:
    assert parse_http_date(written(moment, form), NOW) == moment.timestamp()


@often
@given(moments, st.sampled_from(FORMS))
def test_dates_are_read_as_werkzeug_reads_them(moment: datetime, form: str) -> None:
    text = written(moment, form)
    read = parse_date(text)
    # From 2069 on Werkzeug's fixed pivot and RFC 9110 §5.6.7's sliding one part; no moment here is so late.
    assert read is not None
    assert parse_http_date(text, NOW) == read.timestamp()


@often
@given(moments)
def test_written_date_is_werkzeugs_and_reads_back(moment: datetime) -> None:
    text = http_date(moment.timestamp() + 0.999)
    assert text == written(moment, FORMS[0])
    assert parse_http_date(text, NOW) == moment.timestamp()


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("Wednesday, 11-Feb-76 15:00:05 GMT", 2076),
        ("Wednesday, 11-Feb-76 15:00:06 GMT", 1976),
        ("Wednesday, 12-Feb-76 00:00:00 GMT", 1976),
        ("Wednesday, 10-Feb-76 23:59:59 GMT", 2076),
        ("Friday, 31-Dec-75 23:59:59 GMT", 2075),
        ("Saturday, 01-Jan-77 00:00:00 GMT", 1977),
        ("Saturday, 29-Feb-00 00:00:00 GMT", 2000),
    ],
)
def test_two_digits_of_a_year_mean_the_past_if_more_than_fifty_years_ahead(text: str, year: int) -> None:
    instant = parse_http_date(text, NOW)
    assert instant is not None
    assert datetime.fromtimestamp(instant, UTC).year == year


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "yesterday",
        "2026-02-11T14:00:05Z",
        "Wed, 11 Feb 2026 14:00:05",
        "Wed, 11 Feb 2026 14:00:05 +0000",
        "Wed, 31 Feb 2026 14:00:05 GMT",
        "Wed, 11 Feb 2026 24:00:05 GMT",
        "Wed, 11 Feb 2026 14:60:05 GMT",
        "Wed, 1 Feb 2026 14:00:05 GMT",
        "Wed, 11 Fév 2026 14:00:05 GMT",
        "Wed, 11 Feb 0000 14:00:05 GMT",
        "Wed, 11 Feb 2026 14:00:05 GMT, Wed, 11 Feb 2026 14:00:05 GMT",
        "Wed, ١١ Feb 2026 14:00:05 GMT",
    ],
)
def test_what_is_no_http_date_is_none(text: str) -> None:
    assert parse_http_date(text, NOW) is None


def test_leap_second_is_read() -> None:
    assert (
        parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT", NOW) == datetime(2017, 1, 1, tzinfo=UTC).timestamp()
    )


# Preconditions

near_dates = st.builds(
    lambda seconds, form: written(CHANGED + timedelta(seconds=seconds), form),
    st.sampled_from([-86_400, -1, 0, 1, 3600]),
    st.sampled_from(FORMS),
)
date_fields = near_dates | st.sampled_from(["", "tomorrow", "Wed, 31 Feb 2026 14:00:05 GMT"])
tag_fields = tag_lists() | st.just("*")


@often
@given(none_match=st.none() | tag_fields, modified=st.none() | date_fields)
def test_not_modified_as_werkzeug_decides(none_match: str | None, modified: str | None) -> None:
    environ = {"HTTP_IF_NONE_MATCH": none_match, "HTTP_IF_MODIFIED_SINCE": modified}
    if none_match is not None and not parse_etags(none_match):
        # Werkzeug falls back to the date when the list names no tag; RFC 9110 §13.1.3 has the mere presence
        # of If-None-Match put If-Modified-Since out of force.
        environ["HTTP_IF_MODIFIED_SINCE"] = None
    changed = is_resource_modified(environ, PLAIN.etag, last_modified=CHANGED)
    assert status(none_match=none_match, modified=modified) == (200 if changed else 304)


def status_by_the_letter(
    match: str | None, unmodified: str | None, none_match: str | None, modified: str | None
) -> int:
    """RFC 9110 §13.2.2, its steps in order, over Werkzeug's parsers.

    Werkzeug's own answer won't do: it fails `If-Match: *`, lets an If-Match that holds hide If-None-Match,
    and knows no If-Unmodified-Since.
    """
    tag = PLAIN.etag.strip('"')
    if match is not None:
        tags = parse_etags(match)
        if not (tags.star_tag or tags.is_strong(tag)):
            return 412
    else:
        limit = parse_date(unmodified)
        if limit and limit < CHANGED:
            return 412
    if none_match is not None:
        tags = parse_etags(none_match)
        return 304 if tags.star_tag or tags.contains_weak(tag) else 200
    since = parse_date(modified)
    return 304 if since and since >= CHANGED else 200


@often
@given(
    match=st.none() | tag_fields,
    unmodified=st.none() | date_fields,
    none_match=st.none() | tag_fields,
    modified=st.none() | date_fields,
)
@example(match="*", unmodified=None, none_match=PLAIN.etag, modified=None)
@example(
    match=PLAIN.etag, unmodified=written(CHANGED - timedelta(1), FORMS[0]), none_match=None, modified=None
)
def test_preconditions_are_taken_in_the_order_of_the_rfc(
    match: str | None, unmodified: str | None, none_match: str | None, modified: str | None
) -> None:
    expected = status_by_the_letter(match, unmodified, none_match, modified)
    assert status(match=match, unmodified=unmodified, none_match=none_match, modified=modified) == expected


def test_weak_tag_is_good_for_304_and_not_for_if_match() -> None:
    assert status(none_match=f"W/{PLAIN.etag}") == 304
    assert status(match=f"W/{PLAIN.etag}") == 412


def test_tag_of_another_coding_is_another_version() -> None:
    zipped = variant_of(coding="gzip")
    assert status(none_match=PLAIN.etag, variant=zipped) == 200
    assert status(none_match=zipped.etag, variant=zipped) == 304
    assert status(match=PLAIN.etag, variant=zipped) == 412


def test_if_none_match_of_no_tag_still_puts_the_date_out_of_force() -> None:
    assert status(none_match="", modified=PLAIN.last_modified) == 200
    assert status(none_match="plain", modified=PLAIN.last_modified) == 200


# What is sent


@often
@given(st.integers(-90, 90), st.floats(-120, 120), st.sampled_from(CODINGS))
def test_last_modified_is_its_own_instant_or_left_out(changed: int, late: float, coding: Coding) -> None:
    """RFC 9110 §8.8.2.1: it is never later than Date, and it doesn't move while the bytes don't."""
    variant = variant_of(replace(FEED, changed_at=CHANGED + timedelta(seconds=changed)), coding)
    date = floor(CHANGED.timestamp() + late)
    for response in (variant.full, variant.full_head):
        names = [name for name, _ in response.headers_at(date)]
        shown = dict(response.headers_at(date)).get("Last-Modified")
        assert shown == (variant.last_modified if variant.changed_at <= date else None)
        assert [name for name, _ in response.headers if name in names] == names
        assert set(dict(response.headers)) - set(names) <= {"Last-Modified"}
        head = "".join(f"{name}: {value}\r\n" for name, value in response.headers_at(date))
        assert response.head_at(date) == b"HTTP/1.1 200 OK\r\n" + head.encode("latin-1")
    assert variant.not_modified.headers_at(date) == variant.not_modified.headers


def test_instant_ahead_of_the_clock_is_heard_in_conditions() -> None:
    """Who has an older version, by the date of the answer that brought it, is sent the newer one."""
    ahead = variant_of(replace(FEED, changed_at=CHANGED + timedelta(seconds=9)))
    now = CHANGED.timestamp() + 1
    for since in (CHANGED.timestamp(), now):
        held = http_date(since)
        assert conditional_status(ahead.etag, ahead.changed_at, now, None, None, None, held) == 200
        assert conditional_status(ahead.etag, ahead.changed_at, now, None, held, None, None) == 412
    assert conditional_status(ahead.etag, ahead.changed_at, now, None, None, None, ahead.last_modified) == 304


def test_headers_of_a_200_and_its_304() -> None:
    gzipped = variant_of(coding="gzip", site=replace(SITE, hub="https://hub.example.net/"))
    own, hub = "https://news.example.org/feeds/sections/world.rss", "https://hub.example.net/"
    link = f'<{own}>; rel="self", <{hub}>; rel="hub"'
    assert dict(gzipped.full.headers) == {
        "Content-Type": "application/rss+xml; charset=utf-8",
        "Content-Length": str(len(gzipped.body)),
        "Content-Encoding": "gzip",
        "ETag": '"0123456789abcdef-gzip"',
        "Last-Modified": "Wed, 11 Feb 2026 14:00:05 GMT",
        "Cache-Control": "public, max-age=300, stale-while-revalidate=60, stale-if-error=86400",
        "Vary": "Accept-Encoding",
        "Link": link,
        "X-Content-Type-Options": "nosniff",
        **dict(CORS),
    }
    assert dict(gzipped.not_modified.headers) == {
        "ETag": '"0123456789abcdef-gzip"',
        "Cache-Control": "public, max-age=300, stale-while-revalidate=60, stale-if-error=86400",
        "Vary": "Accept-Encoding",
        "Link": link,
        **dict(CORS),
    }


def test_identity_names_no_coding_and_no_hub_no_link_to_one() -> None:
    headers = dict(PLAIN.full.headers)
    assert "Content-Encoding" not in headers
    assert headers["ETag"] == '"0123456789abcdef"'
    assert headers["Link"] == '<https://news.example.org/feeds/sections/world.rss>; rel="self"'


@pytest.mark.parametrize(
    ("fmt", "content_type"),
    [("rss", "application/rss+xml"), ("atom", "application/atom+xml"), ("json", "application/feed+json")],
)
def test_content_type_is_the_formats(fmt: Format, content_type: str) -> None:
    made = variant_of(replace(FEED, format=fmt))
    assert dict(made.full.headers)["Content-Type"] == f"{content_type}; charset=utf-8"


def test_link_of_a_feed_in_any_script_is_ascii() -> None:
    link = dict(variant_of(replace(FEED, key="tags/сирия")).full.headers)["Link"]
    assert link == '<https://news.example.org/feeds/tags/%D1%81%D0%B8%D1%80%D0%B8%D1%8F.rss>; rel="self"'


def test_every_coding_has_its_own_tag() -> None:
    assert len({variant_of(coding=coding).etag for coding in CODINGS}) == len(CODINGS)


def test_cache_control_takes_seconds() -> None:
    always = Freshness(60, 30, 0)
    assert cache_control(always, NOW) == "public, max-age=60, stale-while-revalidate=30, stale-if-error=0"


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (86_700, "max-age=300, stale-while-revalidate=60, stale-if-error=86400"),
        (86_699.9, "max-age=300, stale-while-revalidate=60, stale-if-error=86399"),
        (360, "max-age=300, stale-while-revalidate=60, stale-if-error=60"),
        (301.5, "max-age=300, stale-while-revalidate=1, stale-if-error=1"),
        (300, "max-age=300, must-revalidate"),
        (20.9, "max-age=20, must-revalidate"),
        (0.4, "max-age=0, must-revalidate"),
        (-3, "max-age=0, must-revalidate"),
    ],
)
def test_limits_are_cut_or_left_out_ahead_of_an_expiry(left: float, expected: str) -> None:
    assert cache_control(Freshness(300, 60, 86_400, NOW + left), NOW) == f"public, {expected}"


seconds = st.integers(0, 100_000)


@often
@given(seconds, seconds, seconds, st.floats(-10, 300_000))
def test_no_cache_may_show_a_story_after_it_has_expired(
    max_age: int, on_revalidation: int, on_error: int, left: float
) -> None:
    freshness = Freshness(max_age, on_revalidation, on_error, NOW + left)
    limits = dict(re.findall(r"([a-z-]+)=(\d+)", cache_control(freshness, NOW)))
    fresh = int(limits.pop("max-age"))
    until = fresh + max(map(int, limits.values()), default=0)
    assert until <= max(freshness.valid_until - NOW, 0)
    wanted = max_age + max(on_revalidation, on_error)
    assert until == min(wanted, max(floor(freshness.valid_until - NOW), 0))


@often
@given(st.lists(st.floats(0, 90_000), min_size=1, max_size=5).map(sorted))
def test_variant_near_an_expiry_says_at_each_instant_what_holds_then(instants: list[float]) -> None:
    expiry = datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=88_000)
    variant = first = variant_of(replace(FEED, valid_until=expiry), "gzip")
    for late in instants:
        now = NOW + late
        if now > variant.ready_until:
            variant = nearer_expiry(variant, now)
        expected = cache_control(Freshness(300, 60, 86_400, expiry.timestamp()), now)
        assert dict(variant.full.headers)["Cache-Control"] == expected
        assert dict(variant.not_modified.headers)["Cache-Control"] == expected
    assert [name for name, _ in variant.full.headers] == [name for name, _ in first.full.headers]
    assert (variant.etag, variant.body) == (first.etag, first.body)


def test_feed_in_which_nothing_expires_is_ready_for_ever() -> None:
    assert PLAIN.ready_until == inf


@pytest.mark.parametrize("code", STATUSES)
@pytest.mark.parametrize("path", ["/", "/feeds/all.rss", "/partners/acme/feeds/all.rss", "/api/articles"])
def test_error_response_is_small_and_of_the_length_it_says(code: int, path: str) -> None:
    response = error_response(code, path)
    headers = dict(response.headers)
    assert response.status == code
    assert headers["Content-Type"].startswith(
        "application/problem+json" if path.startswith("/api") else "text/plain"
    )
    assert headers["Content-Length"] == str(len(response.body))
    assert len(response.body) < 250
    assert error_response(code, path, "HEAD").body == b""


def test_error_responses_say_what_would_do() -> None:
    assert _fields(405, "/")["Allow"] == "GET, HEAD"
    assert _fields(405, "/feeds/all.rss")["Allow"] == "GET, HEAD, OPTIONS"
    assert _fields(406, "/feeds/all.rss")["Vary"] == "Accept-Encoding"
    assert _fields(503, "/")["Retry-After"] == "5"
    assert dict(error_response(429, "/feeds/all.rss", retry_after=7).headers)["Retry-After"] == "7"
    assert _fields(406, "/partners/a/feeds/all.rss")["Vary"] == "Authorization, Accept-Encoding"


def test_error_responses_are_for_any_sites_scripts_where_feeds_are() -> None:
    for path, shared in (("/feeds/x.rss", True), ("/partners/a/feeds/x.rss", False), ("/", False)):
        assert ("Access-Control-Allow-Origin" in _fields(404, path)) is shared


def _fields(status: int, path: str) -> dict[str, str]:
    return dict(error_response(status, path).headers)


def test_responses_for_a_partner_are_not_for_scripts_of_any_site() -> None:
    licensed = variant_of(replace(FEED, partner="acme"))
    for response in (licensed.full, licensed.full_head, licensed.not_modified):
        assert not any(name.startswith("Access-Control") for name, _ in response.headers)


# Encoding


def decoded(body: bytes, coding: Coding) -> bytes:
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompress(body)
    if coding == "br":
        return bytes(brotli.decompress(body))
    return gzip.decompress(body) if coding == "gzip" else body


@often
@given(st.binary(max_size=4_000), st.sampled_from(CODINGS))
def test_encoding_loses_nothing_and_repeats_itself(body: bytes, coding: Coding) -> None:
    once = encoded(body, coding)
    assert decoded(once, coding) == body
    assert encoded(bytes(bytearray(body)), coding) == once


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip"])
def test_encoding_makes_a_feed_much_smaller(coding: Coding) -> None:
    assert len(encoded(BODY, coding)) < len(BODY) / 10


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip"])
def test_encoded_bytes_take_no_more_memory_than_they_are_long(coding: Coding) -> None:
    encoded(BODY, coding)
    tracemalloc.start()
    try:
        kept = [encoded(BODY, coding) for _ in range(20)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < sum(map(len, kept)) * 1.5 + 4_000


def test_gzip_carries_no_time_name_or_system() -> None:
    zipped = encoded(BODY, "gzip")
    assert zipped[:10] == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
    assert zlib.decompress(zipped, 31) == BODY
