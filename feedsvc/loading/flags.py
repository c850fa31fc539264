"""How other systems say that a story is not published, not listed, or for members only.

Pure: the keys of Hugo, Jekyll, Eleventy, Zola, Hexo, Nikola, Docusaurus, Ghost and WordPress, as their
documentation has them (docs/stories.md lists them), and what each value asks for. feedsvc's own keys are in
`availability`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal

from feedsvc.loading.generators import Generator
from feedsvc.loading.values import Parts, Written, as_flag
from feedsvc.loading.vocabulary import audience_of

Asks = Literal["draft", "members", "internal"]
"""What a flag asks for: no publication, members only, or nobody without a password."""

Flag = Callable[[Written], Asks | None]
"""From what stands under a key to what it asks for; raises FieldError if that cannot be read."""


def _when(said: bool, asks: Asks) -> Flag:
    """Asks for it if the value is that flag; a value that is neither flag cannot be read."""

    def asked(written: Written) -> Asks | None:
        found = as_flag(written.value)
        if found is None:
            raise written.unfit("is not true or false; write one of them", "flag-invalid")
        return asks if found is said else None

    return asked


def _when_off(asks: Asks) -> Flag:
    """Asks for it if the value says no; themes and plug-ins keep other things under such keys."""
    return lambda written: asks if as_flag(written.value) is False or _word(written) == "never" else None


def _when_on(asks: Asks) -> Flag:
    """Asks for it if the value says yes; elsewhere the key means something else."""
    return lambda written: asks if as_flag(written.value) is True else None


def _unless_empty(asks: Asks) -> Flag:
    return lambda written: asks if as_flag(written.value) is not False else None


def _word(written: Written) -> str:
    return written.value.strip().lower() if isinstance(written.value, str) else ""


def _build(written: Written) -> Asks | None:
    """Hugo's build options: https://gohugo.io/content-management/build-options/"""
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
    """Ghost's and WordPress's: https://ghost.org/docs/content-api/#posts"""
    if as_flag(written.value) is not None:
        return None if as_flag(written.value) else "draft"
    if not isinstance(written.value, str) or written.value.strip()[:1].isdigit():
        return None  # a number is how far one sees
    found = audience_of(written.value)
    if found is None:
        raise written.unfit("is nobody's visibility; write public, members or private", "access-unknown")
    return None if found == "public" else found


def _collections(written: Written) -> Asks | None:
    """Eleventy's: true, or a list of the collections that are to go without the story."""
    if isinstance(written.value, list):
        return "draft"
    return _when(True, "draft")(written)


_OFF_KEYS: Final = (
    *("render", "permalink"),
    *("feed", "rss", "infeed", "inrss", "includeinfeed", "includeinrss", "showinfeed", "showinrss"),
)
_ON_KEYS: Final = (
    *("unlisted", "hidden", "headless", "emailonly"),
    *("excludefromfeed", "excludefromfeeds", "excludefromrss", "feedexclude", "rssexclude", "rssignore"),
    *("hidefromfeed", "hidefromfeeds", "hidefromrss", "hideinfeed", "hideinrss"),
    *("nofeed", "norss", "disablefeed", "disablerss", "skipfeed", "skiprss", "ignorefeed"),
)
_MEMBERS_KEYS: Final = (
    *("membersonly", "memberonly", "subscribersonly", "subscriberonly", "paywall", "paywalled", "premium"),
    "ispremium",
)

FLAGS: Final[Mapping[str, Flag]] = MappingProxyType(
    {
        **dict.fromkeys(_ON_KEYS, _when(True, "draft")),
        **dict.fromkeys(_OFF_KEYS, _when_off("draft")),
        **dict.fromkeys(_MEMBERS_KEYS, _when_on("members")),
        "build": _build,
        "visibility": _visibility,
        "eleventyexcludefromcollections": _collections,
        "isaccessibleforfree": _when_off("members"),
        "password": _unless_empty("internal"),
        "postpassword": _unless_empty("internal"),
    }
)
"""Normalised key → what it asks for. `_build` is read as `build` is."""

_MEANS_ELSE: Final[Mapping[str, frozenset[Generator]]] = MappingProxyType(
    # jekyll-paginate leaves such a post out of its lists, and jekyll-feed has it all the same.
    {"hidden": frozenset({"jekyll"})}
)


def is_honoured(key: str, generator: Generator | None) -> bool:
    """Whether a flag of that key holds a story back where stories are that generator's."""
    return key in FLAGS and generator not in _MEANS_ELSE.get(key, ())
