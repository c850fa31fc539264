"""A label in any script → the slug that names it in feed keys and URLs.

Pure: no I/O. The slug of a slug is itself, so that slugs written by hand are kept.
"""

import re
import unicodedata
from functools import lru_cache


@lru_cache(maxsize=16_384)
def slug(label: str) -> str:
    """The slug of `label`: lower case, letters, marks and digits of any script, parts joined by `-`.

    Marks are kept, because in many scripts vowels are marks and words may differ in nothing else; slug
    libraries treat them as separators. The slug of a label without a letter or digit (an emoji, say) is made
    of its code points, so that a slug is never empty unless the label is.
    """
    if _SLUG.fullmatch(label):
        return label
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).lower())
    kept = "".join(
        char if unicodedata.category(char)[0] in "LMN" else " " for char in _APOSTROPHES.sub("", folded)
    )
    made = "-".join(kept.split())
    return made or "-".join(f"u{ord(char):x}" for char in label.strip())


_SLUG = re.compile("[a-z0-9]+(?:-[a-z0-9]+)*")
_APOSTROPHES = re.compile("(?<=\\w)['’](?=\\w)")


@lru_cache(maxsize=4_096)
def section_path(label: str) -> tuple[str, tuple[str, ...]]:
    """A section as written, `World/Middle East` → (`world/middle-east`, (`World`, `Middle East`))."""
    parts = [part.strip() for part in label.split("/") if part.strip()]
    slugs = [slug(part) for part in parts]
    # A slug written as a section is not its label: `middle-east` is shown as `Middle East`.
    labels = tuple(
        humanized(part) if part == its_slug else part for part, its_slug in zip(parts, slugs, strict=True)
    )
    return "/".join(slugs), labels


def humanized(name: str) -> str:
    """A title for a slug that has no label: `middle-east` → `Middle East`."""
    return " ".join(word[:1].upper() + word[1:] for word in name.replace("_", "-").split("-") if word)
