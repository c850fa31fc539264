"""Front matter flags of other systems which say that a story is unpublished, unlisted, or for members only.

Pure: knows the keys of Hugo, Jekyll, Eleventy, Zola, Hexo, Nikola, Docusaurus, Ghost and WordPress as their
documentation defines them (docs/stories.md lists them), and what each value asks for. Must not know feedsvc's
own keys, which are in `availability`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal

from rapidfuzz.distance import OSA

from feedsvc.loading.generators import Generator
from feedsvc.loading.values import Parts, Written, as_flag
from feedsvc.loading.vocabulary import NEVER, audience_of

Asks = Literal["draft", "members", "internal"]
"""What a flag asks for: not to publish, members only, or nobody without a password."""

Flag = Callable[[Written], Asks | None]
"""Value of a key → what it asks for, or None; raises FieldError if the value cannot be interpreted."""


def _when(said: bool, asks: Asks) -> Flag:
    """A flag that asks for `asks` if its value is `said`; raises FieldError if it is not true or false."""

    def asked(written: Written) -> Asks | None:
        found = as_flag(written.value)
        if found is None:
            raise written.unfit("is not true or false; write one of them", "flag-invalid")
        return asks if found is said else None

    return asked


def _when_off(asks: Asks) -> Flag:
    """A flag that asks for `asks` if its value says no; any other value is ignored.

    Themes and plug-ins keep other settings under such keys.
    """

    def asked(written: Written) -> Asks | None:
        if isinstance(written.value, dict):
            return (
                asks
                if any(as_flag(_part(written, name)) for name in ("exclude", "disable", "hide"))
                else None
            )
        word = _word(written)
        says_no = as_flag(written.value) is False or word in _NO or OSA.distance(word, "false") == 1
        return asks if says_no else None

    return asked


def _when_members(written: Written) -> Asks | None:
    """Asks for members if the value says yes or names an audience; a number is not an audience."""
    said, word = as_flag(written.value), _word(written)
    if said is not None or not word or word[:1].isdigit():
        return "members" if said else None
    return None if word in NEVER or audience_of(word) == "public" else "members"


def _part(table: Written, name: str) -> object:
    return table.value.get(name) if isinstance(table.value, dict) else None


def _unless_empty(asks: Asks) -> Flag:
    return lambda written: asks if as_flag(written.value) is not False else None


def _word(written: Written) -> str:
    return written.value.strip().lower() if isinstance(written.value, str) else ""


def _build(written: Written) -> Asks | None:
    """Hugo's build options, by which a page is not listed or not rendered.

    https://gohugo.io/content-management/build-options/
    """
    if not isinstance(written.value, dict):
        return "draft" if as_flag(written.value) is False or _word(written) == "never" else None
    parts = Parts(written)
    for name, wanted in (("list", "always, local or never"), ("render", "always, link or never")):
        part = parts.first(name)
        if part is None:
            continue
        if as_flag(part.value) is False or _word(part) in {"never", "local", "link"}:
            return "draft"
        if as_flag(part.value) is not True and _word(part) != "always":
            raise part.unfit(f"is no build option; write {wanted}", "flag-invalid")
    return None


def _visibility(written: Written) -> Asks | None:
    """`visibility` of Ghost and WordPress: https://ghost.org/docs/content-api/#posts"""
    if as_flag(written.value) is not None:
        return None if as_flag(written.value) else "draft"
    if not isinstance(written.value, str) or written.value.strip()[:1].isdigit():
        return None  # a number is a distance, as in a weather report
    found = audience_of(written.value)
    if found is None:
        raise written.unfit("is nobody's visibility; write public, members or private", "access-unknown")
    return None if found == "public" else found


def _permalink(written: Written) -> Asks | None:
    """Eleventy's `permalink: false`: https://www.11ty.dev/docs/permalinks/#skip-writing-to-the-file-system"""
    said = _part(written, "build") if isinstance(written.value, dict) else written.value
    return "draft" if as_flag(said) is False else None


def _collections(written: Written) -> Asks | None:
    """Eleventy's `eleventyExcludeFromCollections`: true, or a list of the collections to exclude it from."""
    if isinstance(written.value, list):
        return "draft"
    return _when(True, "draft")(written)


_NO: Final = frozenset({"never", "none", "exclude", "excluded", "hidden"})
_FEEDS: Final = ("feed", "feeds", "rss", "atom")
_OFF_KEYS: Final = (
    *("render", "feed", "rss"),
    *(
        f"{verb}{to}{feed}"
        for verb in ("include", "show", "add", "")
        for to in ("in", "to")
        for feed in _FEEDS
    ),
)
_ON_KEYS: Final = (
    *("unlisted", "hidden", "headless", "emailonly", "rssignore", "feedexclude", "rssexclude"),
    *(
        f"{verb}{out}{feed}"
        for verb in ("hide", "hidden", "exclude", "excluded", "no", "skip", "disable", "omit", "ignore")
        for out in ("from", "in", "")
        for feed in _FEEDS
    ),
)
_MEMBERS_KEYS: Final = (
    *("membersonly", "memberonly", "subscribersonly", "subscriberonly", "paywall", "paywalled", "premium"),
    *("ispremium", "ispaywalled", "paidcontent", "paidpost", "premiumcontent"),
)

FLAGS: Final[Mapping[str, Flag]] = MappingProxyType(
    {
        **dict.fromkeys(_ON_KEYS, _when(True, "draft")),
        **dict.fromkeys(_OFF_KEYS, _when_off("draft")),
        **dict.fromkeys(_MEMBERS_KEYS, _when_members),
        "permalink": _permalink,
        "build": _build,
        "visibility": _visibility,
        "eleventyexcludefromcollections": _collections,
        "isaccessibleforfree": _when_off("members"),
        "accessibleforfree": _when_off("members"),
        "password": _unless_empty("internal"),
        "postpassword": _unless_empty("internal"),
    }
)
"""Normalised key → its flag. Hugo's older `_build` is normalised to `build`."""

_MEANS_ELSE: Final[Mapping[str, frozenset[Generator]]] = MappingProxyType(
    # jekyll-paginate leaves such a post out of its lists, but jekyll-feed still includes it in feeds.
    {"hidden": frozenset({"jekyll"})}
)


def is_honoured(key: str, generator: Generator | None) -> bool:
    """Whether `key` (normalised) is a flag that can hold a story back in a site of `generator`."""
    return key in FLAGS and generator not in _MEANS_ELSE.get(key, ())
