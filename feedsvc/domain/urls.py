"""Where everything lives: feed keys, articles and their identifiers as URLs.

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
"""The ids that identify a story as they are."""

_PCHAR = "/:@!$&'()*+,;=-._~"
"""What RFC 3986 lets stand unescaped in a path, beside letters and digits."""

_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_AUTHORITY = re.compile(r"^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*")
_ENCODED = re.compile("(?:%[89A-Fa-f][0-9A-Fa-f])+")
"""Letters beyond ASCII, which Markdown percent-encodes in a host, too."""


def feed_path(key: str, fmt: Format, partner: str = "") -> str:
    """The path of a feed, percent-encoded: `/feeds/tags/%D1%81%D0%B8%D1%80%D0%B8%D1%8F.atom`.

    A partner's is below that of its feeds, `/partners/acme`.
    """
    return f"{partner_path(partner)}/feeds/{quote(key)}.{fmt}"


def partner_path(partner: str) -> str:
    """What the paths of a partner's feeds begin with; nothing for everybody's."""
    return f"/partners/{quote(partner)}" if partner else ""


def page_path(key: str) -> str:
    """The path of the page for people that lists the same stories; custom feeds have none of their own."""
    return "/" if key == "all" or key.startswith("custom/") else f"/{quote(key)}"


def story_path(article_id: str) -> str:
    """The path of the story page."""
    return f"/stories/{quote(article_id)}"


def article_path(article_id: str) -> str:
    """The path of a story in the API."""
    return f"/api/articles/{quote(article_id)}"


def feed_url(site: Site, key: str, fmt: Format, partner: str = "") -> str:
    """The absolute URL of a feed, everybody's or a partner's."""
    return site.url + feed_path(key, fmt, partner)


def page_url(site: Site, key: str) -> str:
    """The absolute URL of the page that lists a feed's stories."""
    return site.url + page_path(key)


def prefix(site: Site) -> str:
    """The path that the site is mounted below, `/news`; "" if it has the whole origin."""
    return urlsplit(site.url).path


def mounted(site: Site, path: str) -> str:
    """A path of this service as links within its origin write it, below the prefix that the site has."""
    return prefix(site) + path


def story_url(site: Site, article: Article) -> str:
    """The absolute, canonical URL of a story: what its author wrote, else the page feedsvc shows."""
    return location(site, article.id, article.url)


def location(site: Site, article_id: str, url: str | None) -> str:
    """The absolute URL of the story of that id, whose author wrote `url`, or none."""
    if url:
        return urljoin(site.url + "/", uri(url))
    return site.url + story_path(article_id)


def absolute(base: str, url: str) -> str:
    """`url` as it resolves on the page at `base`, written as `uri` does."""
    return urljoin(base, uri(url.strip()))


def uri(url: str) -> str:
    """A URL as people and browsers write it → the URI that every client reads (RFC 3986).

    What a URI may not hold is percent-encoded, a percent sign of no encoding too; the host is in ASCII
    (RFC 5891). User names and passwords are left out: nothing with them may leave the service.
    """
    found = constraints.without_credentials(url)
    if "%" in found or not found.isascii():
        found = _AUTHORITY.sub(lambda authority: _with_ascii_host(authority[0]), found, count=1)
    found = quote(found, safe=_PCHAR + "%?#[]")
    return _STRAY_PERCENT.sub("%25", found) if "%" in found else found


def _with_ascii_host(authority: str) -> str:
    """`https://bücher.example:80`, or with `b%C3%BCcher`, → `https://xn--bcher-kva.example:80`."""
    decoded = _ENCODED.sub(lambda part: unquote(part[0]), authority)
    if "\ufffd" in decoded:  # it was no UTF-8
        return authority
    scheme, slashes, place = decoded.partition("//")
    host, colon, port = place.partition(":") if not place.startswith("[") else (place, "", "")
    return f"{scheme}{slashes}{_ascii_host(host)}{colon}{port}"


def _ascii_host(host: str) -> str:
    """The host in ASCII; as it was if it is none that can be."""
    if host.isascii() or len(host) > constraints.LONGEST_HOST:  # punycode takes minutes for a long one
        return host
    import idna  # here, as its tables take some milliseconds to load, and hardly any URL needs them

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        pass
    # Registries and browsers let more stand than IDNA 2008 does, such as ❤.
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
    """The other id that feeds would write as this one, if there is any: `x` and `tag:<authority>:x`."""
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
    """A link with parameters put to its query, in place of those of the same names that it has."""
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
