"""URLs, paths and identifiers of feeds, pages, stories and agencies.

Pure: knows neither Flask nor the store. Every URL is made from the configured site, never from a request.
"""

import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import quote, unquote, unquote_plus, urlencode, urljoin, urlsplit, urlunsplit

from feedsvc.domain import constraints
from feedsvc.domain.model import Article, Format, Site

_URI = re.compile(
    r"https?://[^/?#]+\S*"
    r"|tag:[A-Za-z0-9.@_-]+,\d{4}(-\d\d(-\d\d)?)?:[!-~]*"  # RFC 4151
    r"|urn:[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]:[!-~]+",  # RFC 8141
    re.ASCII,
)
"""Story ids that are URIs already, and stay unchanged in feeds."""

_PCHAR = "/:@!$&'()*+,;=-._~"
"""The characters, besides letters and digits, that RFC 3986 allows unescaped in a path."""

_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_AUTHORITY = re.compile(r"^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*")
_ENCODED = re.compile("(?:%[89A-Fa-f][0-9A-Fa-f])+")
"""Percent-encoded characters beyond ASCII: the Markdown parser encodes those of a host, too."""


def feed_path(key: str, fmt: Format, partner: str = "") -> str:
    """The path of a feed, percent-encoded: `/feeds/tags/%D1%81%D0%B8%D1%80%D0%B8%D1%8F.atom`.

    A partner's begins with its `partner_path`: `/partners/acme/feeds/all.rss`.
    """
    return f"{partner_path(partner)}/feeds/{quote(key)}.{fmt}"


def partner_path(partner: str) -> str:
    """The beginning of the paths of a partner's feeds; "" for the public."""
    return f"/partners/{quote(partner)}" if partner else ""


def page_path(key: str) -> str:
    """The path of the HTML page that lists a feed's stories; "/" for custom feeds, which have no page."""
    return "/" if key == "all" or key.startswith("custom/") else f"/{quote(key)}"


def story_path(article_id: str) -> str:
    """The path of the story page."""
    return f"/stories/{quote(article_id)}"


def article_path(article_id: str) -> str:
    """The path of a story in the API."""
    return f"/api/articles/{quote(article_id)}"


def feed_url(site: Site, key: str, fmt: Format, partner: str = "") -> str:
    """The absolute URL of a feed, public or a partner's."""
    return site.url + feed_path(key, fmt, partner)


def page_url(site: Site, key: str) -> str:
    """The absolute URL of the page that lists a feed's stories."""
    return site.url + page_path(key)


def prefix(site: Site) -> str:
    """The path below which the site is mounted, `/news`; "" if it has the whole origin."""
    return urlsplit(site.url).path


def mounted(site: Site, path: str) -> str:
    """A path of this service as links within its origin write it: with the site's `prefix`."""
    return prefix(site) + path


def story_url(site: Site, article: Article) -> str:
    """The absolute, canonical URL of a story: the one its author wrote, else that of feedsvc's story page."""
    return location(site, article.id, article.url)


def location(site: Site, article_id: str, url: str | None) -> str:
    """The absolute URL of a story by its id and the `url` its author wrote; None or "": the story page."""
    if url:
        return urljoin(site.url + "/", uri(url))
    return site.url + story_path(article_id)


def absolute(base: str, url: str) -> str:
    """`url` resolved against that of the page, `base`, as a URI (see `uri`)."""
    return urljoin(base, uri(url.strip()))


def uri(url: str) -> str:
    """A URL as people and browsers write it → the URI that every client reads (RFC 3986).

    Characters that a URI may not hold are percent-encoded, and so are percent signs that begin no encoding;
    the host becomes ASCII (RFC 5891). User names and passwords are removed: the service must not publish any.
    """
    found = constraints.without_credentials(url)
    if "%" in found or not found.isascii():
        found = _AUTHORITY.sub(lambda authority: _with_ascii_host(authority[0]), found, count=1)
    found = quote(found, safe=_PCHAR + "%?#[]")
    return _STRAY_PERCENT.sub("%25", found) if "%" in found else found


def _with_ascii_host(authority: str) -> str:
    """`https://bücher.example:80`, or with `b%C3%BCcher`, → `https://xn--bcher-kva.example:80`."""
    decoded = _ENCODED.sub(lambda part: unquote(part[0]), authority)
    if "\ufffd" in decoded:  # the encoded bytes are not UTF-8
        return authority
    scheme, slashes, place = decoded.partition("//")
    host, colon, port = place.partition(":") if not place.startswith("[") else (place, "", "")
    return f"{scheme}{slashes}{_ascii_host(host)}{colon}{port}"


def _ascii_host(host: str) -> str:
    """The host in ASCII; unchanged if it has no ASCII form."""
    if host.isascii() or len(host) > constraints.LONGEST_HOST:  # punycode takes minutes for a long one
        return host
    import idna  # here, because its tables take some milliseconds to load and hardly any URL needs them

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        pass
    # Registries and browsers accept characters that IDNA 2008 does not, such as ❤.
    labels = re.split("[.\u3002]", unicodedata.normalize("NFKC", host).lower())
    try:
        return ".".join(one if one.isascii() else f"xn--{one.encode('punycode').decode()}" for one in labels)
    except UnicodeError:
        return host


def entry_id(site: Site, article_id: str) -> str:
    """The identifier of a story in every format: its own id if that is a URI, else a tag: URI (RFC 4151)."""
    if _URI.fullmatch(article_id):
        return article_id
    return f"tag:{site.authority}:{quote(article_id, safe=_PCHAR)}"


def twin(site: Site, article_id: str) -> str | None:
    """The other story id with the same `entry_id`, or None: `x` for `tag:<authority>:x`, and vice versa."""
    prefix = f"tag:{site.authority}:"
    if not article_id.startswith(prefix):
        return None if _URI.fullmatch(article_id) else entry_id(site, article_id)
    bare = unquote(article_id[len(prefix) :])
    return bare if constraints.ID.accepts(bare) and entry_id(site, bare) == article_id else None


def stylesheet_url(site: Site) -> str:
    """The stylesheet that makes a feed readable when a browser opens it."""
    return f"{site.url}/static/feed.css"


def feed_id(site: Site, key: str, partner: str = "") -> str:
    """The identifier of a feed in Atom: a tag: URI, the same whatever URL or format it is served at."""
    return f"tag:{site.authority}:{partner_path(partner)}/feeds/{quote(key)}"  # no story's id begins so


def with_parameters(url: str, parameters: Sequence[tuple[str, str]]) -> str:
    """The link with `parameters` added to its query, in place of parameters of the same names."""
    if not parameters:
        return url
    parts = urlsplit(url)
    named = {name for name, _ in parameters}
    own = [pair for pair in parts.query.split("&") if pair]
    kept = [pair for pair in own if unquote_plus(pair.partition("=")[0]) not in named]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(parameters)])))


def source_id(site: Site, slug: str) -> str:
    """The identifier of an agency in Atom."""
    return f"tag:{site.authority}:/sources/{quote(slug)}"
