"""What the specifications ask of a published document: RSS 2.0 with its profile, Atom 1.0, JSON Feed 1.1.

Pure: bytes in, faults out. Knows neither stories nor how documents are made.
"""

from collections.abc import Iterator

from lxml import etree

from feedsvc.domain.model import Format
from feedsvc.lint.atom import faults_of_atom
from feedsvc.lint.document_values import REPORT, Fault
from feedsvc.lint.json_feed import faults_of_json
from feedsvc.lint.rss import faults_of_rss


def lint_document(fmt: Format, body: bytes, url: str) -> Iterator[Fault]:
    """Hold one published document to its specification. `url` is the address it is served at.

    Follows https://www.rssboard.org/rss-specification and https://www.rssboard.org/rss-profile, RFC 4287
    with RFC 6721 and RFC 4151, or https://www.jsonfeed.org/version/1.1/. Yields nothing for a good
    document; one that cannot be parsed has that fault alone.
    """
    if fmt == "json":
        yield from faults_of_json(body, url)
        return
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        rule = "rss-not-well-formed" if fmt == "rss" else "atom-not-well-formed"
        yield Fault(rule, f"it is no XML: {error}; {REPORT}", "")
        return
    yield from faults_of_rss(root, url) if fmt == "rss" else faults_of_atom(root, url)
