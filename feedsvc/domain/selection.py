"""Which feeds an article belongs to, and what a feed shows at one instant.

Pure: no I/O, no clock, no configuration object. Time and limits come in as arguments.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from pydantic_core import to_json

from feedsvc.domain.gate import PUBLIC as PUBLIC
from feedsvc.domain.gate import as_shown, had_by, matches, opens_at, section_and_parents, was_eligible
from feedsvc.domain.gate import eligible as eligible
from feedsvc.domain.model import (
    ARTICLE,
    PUBLIC_TERMS,
    Agency,
    Article,
    Change,
    ContentMode,
    CustomFeed,
    Feed,
    FeedSettings,
    Format,
    Placed,
    Profile,
    Site,
    Term,
    Tombstone,
    to_micros,
)
from feedsvc.domain.retention import FEEDS_SAY
from feedsvc.domain.rights import Audience, Terms
from feedsvc.domain.slugs import humanized

# "auto" aims at four polls in the time between two stories: enough for the feed to be fresh.
_POLLS_PER_STORY = 4

_SECOND = timedelta(seconds=1)

TOMBSTONE_STANDS = FEEDS_SAY
"""How long a feed says that a story was withdrawn."""


def keys_of(article: Article, customs: Sequence[CustomFeed] = ()) -> frozenset[str]:
    """The keys of the feeds the story belongs to, eligible or not. A section includes its sub-sections."""
    return frozenset(
        [
            "all",
            *_section_keys(article.section),
            *[f"tags/{tag.slug}" for tag in article.tags],
            *[f"authors/{author.slug}" for author in article.authors],
            *[f"custom/{custom.name}" for custom in customs if _belongs(article, custom)],
        ]
    )


@lru_cache(maxsize=4_096)  # many stories are in each section
def _section_keys(section: str) -> tuple[str, ...]:
    return tuple(f"sections/{path}" for path in section_and_parents(section))


def placed(article: Article, customs: Sequence[CustomFeed] = (), json: str = "") -> Placed:
    """The article as the store takes it, with its rank in each of its feeds; `json` is its JSON, if known."""
    keys = sorted(keys_of(article, customs))
    visible_from = to_micros(article.visible_from)
    positions = dict.fromkeys(keys, -visible_from) if article.status == "published" else {}
    for custom in customs if positions else ():
        if (key := f"custom/{custom.name}") in keys:
            positions[key] = -to_micros(rank(article, custom))
    return Placed(
        id=article.id,
        digest=article.digest,
        status=article.status,
        visible_from=visible_from,
        visible_until=to_micros(article.expires) if article.expires else None,
        published=to_micros(article.published) if article.published < article.visible_from else None,
        places=to_json(positions).decode(),  # `json.dumps` takes four times as long
        keys=tuple(keys),
        json=json or ARTICLE.dump_json(article).decode(),
        source=article.source.slug if article.source else "",
    )


def affected(change: Change, customs: Sequence[CustomFeed] = ()) -> frozenset[str]:
    """The keys of the feeds that a change makes dirty: those the story was in and those it is in."""
    old = keys_of(change.old, customs) if change.old else frozenset()
    new = keys_of(change.new, customs) if change.new else frozenset()
    return old | new


def tombstone(
    change: Change,
    seen: datetime,
    now: datetime,
    audiences: Sequence[Audience] = (PUBLIC,),
    holders: Iterable[str] = (),
) -> Tombstone | None:
    """The tombstone of a story that is withdrawn; None if no audience may have had it before.

    It names the audiences that may have had the story, and the `holders`, partners known to have it. `seen`
    is when the story's source was last written, used if the story does not say when it was withdrawn; `now`
    is the present (both aware UTC). The tombstone is always later than the version it takes back, or readers
    would ignore it (RFC 6721 §3). If the story was withdrawn before, its first tombstone says who had it.
    """
    old, new = change.old, change.new
    if new is None or new.status != "withdrawn":
        return None
    # If it equals `updated`, `withdrawn` may be the date of an earlier version, or of one not yet visible.
    is_dated_by_change = new.withdrawn == new.updated
    said = None if is_dated_by_change and new.updated < new.visible_from else new.withdrawn
    at = min(said or seen, now)
    if old is not None:
        told = tuple(dict.fromkeys([*had_by(old, audiences, now), *sorted(holders)]))
        if told or old.status == "withdrawn":
            before = max(old.modified, new.modified) if is_dated_by_change else old.modified
            return Tombstone(new.id, _later(at, before, now), new.withdrawal, new.url, told)
        if old.expires is None or old.expires > now:
            return None  # as far as the store knows, nobody could ever have it
    # The store is new, or the story expired before it was held back: only the file tells whether it was out.
    # A date without a time may mean any instant of its day: where `at` is too early, the file's time counts.
    if at < new.visible_from and (new.embargo or seen < new.visible_from):
        return None
    at = _later(at, new.modified if is_dated_by_change else new.visible_from, now)
    last = min(at, new.expires) if new.expires else at  # whoever had it when it expired still has it
    told = tuple(one.name for one in audiences if was_eligible(new, one, last))
    return Tombstone(new.id, at, new.withdrawal, new.url, told) if told else None


def _later(at: datetime, before: datetime, now: datetime) -> datetime:
    """`at`, or a second after `before`, the date of the version taken back; at most a second after `now`."""
    return min(max(at, before + _SECOND), now + _SECOND)


def rank(article: Article, custom: CustomFeed | None) -> datetime:
    """The instant by which a feed orders the story, newest first; `custom` is a custom feed's definition."""
    return article.modified if custom and custom.order == "updated" else article.visible_from


def _belongs(article: Article, custom: CustomFeed) -> bool:
    included = matches(
        article,
        custom.include_sections,
        custom.include_tags,
        custom.include_authors,
        custom.include_sources,
    )
    excluded = matches(
        article,
        custom.exclude_sections,
        custom.exclude_tags,
        custom.exclude_authors,
        custom.exclude_sources,
    )
    all_included = not (
        custom.include_sections or custom.include_tags or custom.include_authors or custom.include_sources
    )
    return (included or all_included) and not excluded


@dataclass(frozen=True, slots=True)
class Partner:
    """A licensed partner: what it may have, and how its feeds differ. None is as in the public feeds."""

    audience: Audience
    terms: Terms
    content: ContentMode | None = None
    formats: tuple[Format, ...] | None = None
    items: int | None = None
    profile: Profile | None = None

    @property
    def name(self) -> str:
        """Its name in the configuration and in URLs."""
        return self.audience.name

    def is_given(self, key: str, fmt: Format) -> bool:
        """Whether it is licensed to have the feed in that format; without `formats` it may have any."""
        return self.audience.may_have_feed(key) and (self.formats is None or fmt in self.formats)


@dataclass(frozen=True, slots=True)
class Rules:
    """What `build` needs besides the stories: the site, and the settings of feeds, agencies and partners."""

    site: Site
    default: FeedSettings = field(default_factory=FeedSettings)
    by_key: Mapping[str, FeedSettings] = field(default_factory=dict)
    customs: tuple[CustomFeed, ...] = ()
    public: Audience = PUBLIC
    partners: tuple[Partner, ...] = ()

    @property
    def audiences(self) -> tuple[Audience, ...]:
        """The public first, then each partner."""
        return self.public, *(partner.audience for partner in self.partners)

    @property
    def delays(self) -> tuple[timedelta, ...]:
        """The delays with which partners get stories, without duplicates, the shortest first."""
        return tuple(sorted({one.audience.delay for one in self.partners if one.audience.delay}))

    def partner(self, name: str) -> Partner | None:
        """The partner of that name; None if there is none, as for the public."""
        return next((partner for partner in self.partners if partner.name == name), None)

    def custom(self, key: str) -> CustomFeed | None:
        """The definition of the custom feed with that key; None for any other key."""
        return next((custom for custom in self.customs if key == f"custom/{custom.name}"), None)

    def settings(self, key: str, audience: Audience = PUBLIC) -> FeedSettings:
        """The settings of one feed, as they apply to the audience."""
        settings = self.by_key.get(key, self.default)
        partner = self.partner(audience.name)
        if partner is None:
            return settings
        return replace(
            settings,
            content=partner.content or settings.content,
            formats=partner.formats or settings.formats,
            items=partner.items or settings.items,
            profile=partner.profile or settings.profile,
        )


def build(
    key: str,
    candidates: Iterable[Article],
    rules: Rules,
    audience: Audience,
    now: datetime,
    tombstones: Sequence[Tombstone] = (),
) -> Feed:
    """What the feed `key` shows to `audience` at `now` (aware UTC).

    `candidates` come newest first by `rank`, then by id; no more of them are read than are needed to find
    as many eligible ones as the feed shows. `tombstones` are those of the feed's withdrawn stories.
    """
    settings = rules.settings(key, audience)
    partner = rules.partner(audience.name)
    shown = [
        as_shown(_with_source_name(article, rules.site.agencies), audience)
        for article in islice((a for a in candidates if eligible(a, audience, now)), settings.items)
    ]
    label, title, description = _words(key, shown, settings, rules.site)
    return Feed(
        key=key,
        title=title,
        description=description,
        updated=max((_changed(a, audience, now) for a in shown), default=rules.site.founded).replace(
            microsecond=0
        ),
        site=rules.site,
        content=settings.content,
        formats=settings.formats,
        max_age=_max_age(shown, settings),
        articles=tuple(reversed(shown) if settings.order == "oldest" else shown),
        label=label,
        tombstones=tuple(
            replace(one, at=one.at.replace(microsecond=0))
            for one in tombstones
            if _is_shown(one, audience, now)
        )[: settings.items],
        profile=settings.profile,
        terms=partner.terms if partner else PUBLIC_TERMS,
    )


def _is_shown(tombstone: Tombstone, audience: Audience, now: datetime) -> bool:
    """Whether a tombstone is shown now: never to an audience that could not have had the story."""
    stands = has_come(tombstone, now) and now < tombstone.at + TOMBSTONE_STANDS
    return stands and audience.name in tombstone.had_by


def has_come(tombstone: Tombstone, now: datetime) -> bool:
    """Whether a tombstone's instant has come, give or take the second that `_later` may put it ahead."""
    return tombstone.at <= now + _SECOND


def _changed(article: Article, audience: Audience, now: datetime) -> datetime:
    """When the story last changed for the audience (aware UTC); a change dated in the future is ignored."""
    opened = opens_at(article, audience)
    return max(article.modified, opened) if article.modified <= now else opened


def _with_source_name(article: Article, agencies: Mapping[str, Agency]) -> Article:
    source = article.source
    if source is None or source.slug not in agencies or not agencies[source.slug].name:
        return article
    return replace(article, source=Term(agencies[source.slug].name, source.slug))


def _words(key: str, shown: Sequence[Article], settings: FeedSettings, site: Site) -> tuple[str, str, str]:
    """Label, title and description: as configured, else made from the stories' own labels."""
    kind = key.partition("/")[0]
    label = settings.title or label_of(key, shown)
    title = site.name if kind == "all" else f"{label} – {site.name}"
    made = {
        "all": site.description or f"The latest stories from {site.name}",
        "sections": f"{label}: the latest stories from {site.name}",
        "tags": f"Stories about {label} from {site.name}",
        "authors": f"Stories by {label} from {site.name}",
    }
    return label, title, settings.description or made.get(kind, f"{label}, from {site.name}")


def label_of(key: str, shown: Sequence[Article]) -> str:
    """A feed's name for people: the label most of its stories use; in a tie, the alphabetically first."""
    kind, _, name = key.partition("/")
    labels: list[str] = []
    if kind == "tags":
        labels = [tag.label for article in shown for tag in article.tags if tag.slug == name]
    elif kind == "authors":
        labels = [author.name for article in shown for author in article.authors if author.slug == name]
    elif kind == "sections":
        depth = name.count("/")
        labels = [
            article.section_labels[depth]
            for article in shown
            if len(article.section_labels) > depth and f"{article.section}/".startswith(f"{name}/")
        ]
    if not labels:
        return humanized(name.rpartition("/")[2])
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def _max_age(shown: Sequence[Article], settings: FeedSettings) -> int:
    """Seconds a client may cache the feed. "auto" uses the stories alone: the same value at any time."""
    if settings.max_age != "auto":
        return settings.max_age
    if len(shown) < 2:
        return settings.max_age_ceiling
    instants = [article.visible_from for article in shown]
    gap = (max(instants) - min(instants)).total_seconds() / (len(instants) - 1)
    return int(min(max(gap / _POLLS_PER_STORY, settings.max_age_floor), settings.max_age_ceiling))
