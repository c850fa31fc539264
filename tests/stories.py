"""Articles and story files for the tests, plain ones and generated ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from feedsvc.domain.model import Article, Author, Enclosure, Image, Term, versioned
from feedsvc.domain.slugs import section_path, slug
from feedsvc.domain.xml_text import ILLEGAL

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def article(article_id: str = "world/talks", **fields: Any) -> Article:
    """A published story of an hour ago, with other fields as given; tags and authors by their labels."""
    fields.setdefault("title", "Harbour talks resume")
    fields.setdefault("published", NOON - timedelta(hours=1))
    fields.setdefault("updated", fields["published"])
    fields.setdefault("body", "The ferry operators met again.\n\nNobody left early.")
    if "section" in fields:
        fields["section"], fields["section_labels"] = section_path(fields["section"])
    fields["tags"] = tuple(Term(label, slug(label)) for label in fields.get("tags", ()))
    fields["authors"] = tuple(Author(name, slug(name)) for name in fields.get("authors", ()))
    return versioned(Article(id=article_id, **fields))


def write_story(root: Path, path: str, body: str = "Something happened.", **fields: object) -> Path:
    """Write a story file with YAML front matter; a title and a date are given if none is."""
    fields = {"title": path, "date": "2026-11-22T10:00:00Z"} | fields
    lines = "\n".join(f"{name}: {value}" for name, value in fields.items())
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"---\n{lines}\n---\n\n{body}\n", "utf-8")
    return file


# What news is written in: any character XML takes, markup and CDATA ends among them.
_XML = st.characters(
    codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"
) | st.sampled_from(["\n", "\t", "]]>", "<b>", "&amp;", "&", "<", '"', "‮", "👩‍🚒"])
texts = st.lists(_XML.filter(lambda one: not ILLEGAL.search(one)), max_size=30).map("".join)
_labels = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
instants = st.integers(31_536_000, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
_images = st.builds(
    Image,
    url=st.sampled_from(["/a.jpg", "b.png", "https://cdn.example.org/c.webp", "//cdn.example.org/d.gif"]),
    type=st.none() | st.just("image/jpeg"),
    width=st.none() | st.integers(1, 9999),
    caption=texts,
    credit=texts,
    may_syndicate=st.booleans(),
)
_enclosures = st.builds(
    Enclosure,
    url=st.just("https://cdn.example.org/audio.mp3"),
    type=st.just("audio/mpeg"),
    length=st.integers(0, 10**9),
)


@st.composite
def articles(draw: st.DrawFn) -> Article:
    """Any story that loading could have made."""
    published = draw(instants)
    section, labels = section_path("/".join(draw(st.lists(_labels, max_size=2))))
    return versioned(
        Article(
            id="/".join(draw(st.lists(_labels.map(slug), min_size=1, max_size=3))),
            title=" ".join(draw(texts).split()),
            published=published,
            updated=published + timedelta(hours=draw(st.integers(0, 99))),
            section=section,
            section_labels=labels,
            tags=tuple(
                Term(label, slug(label)) for label in draw(st.lists(_labels, max_size=3, unique=True))
            ),
            authors=tuple(
                Author(name, slug(name)) for name in draw(st.lists(_labels, max_size=2, unique=True))
            ),
            source=draw(st.none() | st.just(Term("Northwire", "northwire"))),
            dateline=" ".join(draw(texts).split()),
            summary=" ".join(draw(texts).split()),
            body=draw(texts.filter(str.strip)),
            markup=draw(st.sampled_from(["markdown", "html", "text"])),
            embargo=draw(st.none() | instants),
            expires=draw(st.none() | instants),
            status=draw(st.sampled_from(["draft", "published", "withdrawn"])),
            correction=" ".join(draw(texts).split()),
            images=tuple(draw(st.lists(_images, max_size=2))),
            enclosures=tuple(draw(st.lists(_enclosures, max_size=2))),
        )
    )
