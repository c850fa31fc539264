"""Front matter keys that feedsvc does not know: which may hold a story back, and which are misspelt.

Pure. A key is suspected if its edit distance to a restricting key is small, if it contains one
(`embargo_until`), or if newsrooms and other systems use it to restrict stories. Whether it holds the story
back depends on its value: a flag, a date or a word in that sense does; `release: true` or `members: 95` does
not. Must not know how front matter is parsed.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from unicodedata import normalize
from zoneinfo import ZoneInfo

from rapidfuzz.distance import OSA

from feedsvc.loading.errors import FieldError
from feedsvc.loading.flags import FLAGS
from feedsvc.loading.keys import KNOWN
from feedsvc.loading.rules import UnknownKeys
from feedsvc.loading.suspicion import holds_back
from feedsvc.loading.values import Written, shown
from feedsvc.loading.vocabulary import STEMS, SYNONYMS, UNLIKE_OTHERS, UNLIKE_RESTRICTING, Suspect

OWN: Final[dict[str, Suspect]] = {
    "embargo": Suspect("begins", "embargo", True),
    "publishdate": Suspect("begins", "publishDate", True),
    "published": Suspect("released", "published", True),
    "expires": Suspect("ends", "expires", True),
    "expirydate": Suspect("ends", "expiryDate", True),
    "unpublishdate": Suspect("ends", "unpublish_date", True),
    "status": Suspect("status", "status", True),
    "draft": Suspect("held", "draft", True),
    "withdrawn": Suspect("held", "withdrawn", True),
    "access": Suspect("access", "access", True),
    "syndication": Suspect("level", "syndication", True),
    "syndicate": Suspect("level", "syndicate", True),
    "visibility": Suspect("access", "visibility", True),
    "unlisted": Suspect("held", "unlisted", True),
    "hidden": Suspect("held", "hidden", True),
    "emailonly": Suspect("held", "email_only"),
    "membersonly": Suspect("held", "access"),
    "password": Suspect("held", "password", True),
}
"""Restricting keys that feedsvc knows → what a misspelling of the key is treated as."""


_AFFIXES: Final = (
    *("is", "post", "article", "story", "page", "item"),
    *("doc", "content", "web", "x", "my", "custom"),
    *("press", "news", "media", "under", "has", "unter", "sous", "bajo", "sotto", "onder", "sob", "pod"),
)
"""Words that people put before or after a key: `storyStatus`, `x-embargo`."""

_SHORTEST_FLAG: Final = 6
_ANY: Final = {
    **{name: Suspect("flag", name) for name in FLAGS if len(name) >= _SHORTEST_FLAG},
    **SYNONYMS,
    **OWN,
}
TABLES: Final = frozenset(
    {
        *("params", "extra", "publishing", "publication", "workflow", "metadata", "frontmatter", "meta"),
        *("attributes", "fields", "settings", "acf", "customfields", "ext", "system", "flags", "acl"),
        *("additionalproperties", "contentrestrictions", "cms", "editorial", "newsroom", "article", "story"),
        *("post", "wp", "wordpress", "ghost", "drupal"),
    }
)
"""Tables of further keys, as the front matter of generators and the exports of other systems have them."""
_SHORTEST: Final = 5  # of shorter keys, too many others are a letter away


@lru_cache(maxsize=4_096)  # very many stories share few keys
def suspect(key: str) -> Suspect | None:
    """What an unknown key (normalised) may have been meant as; None if it cannot hold a story back."""
    bare = "".join(char for char in normalize("NFKC", key).lower() if char.isalnum())
    if bare in SYNONYMS or bare in OWN:
        return _ANY[bare]
    if len(bare) < _SHORTEST:
        return None
    if bare in UNLIKE_RESTRICTING:
        meant = _by_distance(bare)
        return meant and meant._replace(says="word", is_strict=False)
    return _by_stem(bare) or _by_affix(bare) or _by_distance(bare)


def may_restrict(key: str) -> bool:
    """Whether a normalised key, known or not, may hold a story back."""
    return key in OWN or key in FLAGS or key in TABLES or (key not in _READ and suspect(key) is not None)


def _by_stem(bare: str) -> Suspect | None:
    for stem, meant in STEMS.items():
        before, found, _ = bare.partition(stem)
        if found:
            # `arms_embargo` is not the newsroom's embargo: after such a word, the key holds a story back only
            # if its value is a date, or a word such as a status. A single letter is a slip.
            is_own = len(before) < 2 or before in _AFFIXES
            return meant if is_own else meant._replace(says="word", is_strict=False)
    return None


def _by_affix(bare: str) -> Suspect | None:
    for affix in _AFFIXES:
        for rest in (bare.removeprefix(affix), bare.removesuffix(affix)):
            if rest != bare and rest in (_ANY if affix == "is" else OWN):
                return _ANY[rest]._replace(is_strict=False)
    return None


def _by_distance(bare: str) -> Suspect | None:
    found = [
        (distance, name not in OWN, _ANY[name].says != "held", name)
        for name in _ANY
        if len(name) >= _SHORTEST
        and (distance := OSA.distance(bare, name, score_cutoff=_most(name))) <= _most(name)
    ]
    if not found:
        return None
    # As near to `privacy` as to `private`: what `true` holds back, too, is the safer guess.
    distance, is_other, _, name = min(found)
    meant = _ANY[name]
    if distance > 1 and (is_other or len(name) < _LONG):
        return meant._replace(says="word", is_strict=False)
    # A key that resembles a synonym is as likely a different word.
    return meant._replace(is_strict=meant.is_strict and not is_other, is_dated=False)


_LONG: Final = 7
"""Letters that a restricting key needs for two wrong letters to be accepted whatever the value.

For a shorter one, the value must be a date or a word in that sense.
"""


def _most(name: str) -> int:
    """How many letters of a key like `name` may be wrong, missing, added or swapped."""
    return 2 if (name in OWN and len(name) >= _LONG - 1) or len(name) >= _LONG + 2 else 1


_READ: Final = KNOWN | FLAGS.keys()
"""The keys that are read; nothing is to be said of them here."""


class _Unknown(NamedTuple):
    """The unknown ones of a story's keys: those suspected, and nearest known ones."""

    suspects: tuple[tuple[str, Suspect], ...]
    nearest: tuple[tuple[str, str | None], ...]


@lru_cache(maxsize=4_096)  # the stories of a site mostly have the same keys, in the same order
def _unknown(keys: tuple[str, ...]) -> _Unknown:
    unknown = [key for key in keys if key not in _READ]
    return _Unknown(
        tuple((key, meant) for key in unknown if (meant := suspect(key))),
        tuple((key, misspelt(key)) for key in unknown),
    )


def refuse(fields: Mapping[str, Written], zone: ZoneInfo, since: datetime) -> None:
    """Raise FieldError for an unknown key that may be meant to hold the story back.

    `fields` are those of a story that nothing else holds back, by their normalised keys; `zone` applies to
    dates without a zone; `since` (aware UTC) is the time from which the story is published.
    """
    unknown = _unknown(tuple(fields))
    for key, meant in unknown.suspects:
        if holds_back(meant, fields[key].value, zone, since):
            raise refused(fields[key], meant)


def refused(written: Written, meant: Suspect) -> FieldError:
    """The error of an unknown key that may be meant to hold the story back."""
    seen = f"{written.key}{written.part}: {shown(written.value)}"
    told = f"{seen} may be meant to hold the story back, and feedsvc does not know that key"
    return FieldError(
        written.key, f"{told}; write {meant.nearest}: … if it is, else another name", "key-unknown"
    )


def findings(fields: Mapping[str, Written], which: UnknownKeys) -> Iterator[tuple[str, str]]:
    """The unknown keys of a loaded story to report: each as its author wrote it, with what to do about it.

    `which` selects them: those similar to a known key, all, or none.
    """
    if which == "none":
        return
    for key, nearest in _unknown(tuple(fields)).nearest:
        if nearest or which == "all":
            written = fields[key].key
            wanted = f"did you mean {nearest}?" if nearest else "it is left alone"
            yield written, f"{written}: is not a key that feedsvc knows; {wanted}"


@lru_cache(maxsize=4_096)
def misspelt(key: str) -> str | None:
    """The known key that an unknown one (normalised) is probably a misspelling of; None if there is none."""
    if key in SYNONYMS or key in UNLIKE_OTHERS or key in UNLIKE_RESTRICTING or len(key) < _SHORTEST:
        return None
    found = [
        (distance, name)
        for name in _READ
        if len(name) >= _SHORTEST
        and (distance := OSA.distance(key, name, score_cutoff=_near(name))) <= _near(name)
    ]
    return min(found)[1] if found else None


def _near(name: str) -> int:
    return 2 if len(name) > 8 else 1
