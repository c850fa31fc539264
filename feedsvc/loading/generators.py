"""Detects which site generator a folder of stories belongs to, and which folders and files that one ignores.

Looks for the generator's own configuration near the stories; must not know what is in a story.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

Generator = Literal["hugo", "jekyll", "pelican", "eleventy", "zola", "hexo", "nikola", "docusaurus", "astro"]

_LEVELS: Final = 4
"""How many folders above the stories are searched: Astro has its stories in `src/content/blog` of a site."""
_LONGEST: Final = 200_000
_CONFIGURATIONS: Final[tuple[tuple[Generator, re.Pattern[str], re.Pattern[str] | None], ...]] = (
    ("docusaurus", re.compile(r"docusaurus\.config\.[cm]?[jt]s"), None),
    ("astro", re.compile(r"astro\.config\.[cm]?[jt]s"), None),
    ("eleventy", re.compile(r"\.eleventy\.[cm]?js|eleventy\.config\.[cm]?[jt]s"), None),
    ("pelican", re.compile(r"pelicanconf\.py"), None),
    ("nikola", re.compile(r"conf\.py"), re.compile(r"nikola|^(?:POSTS|PAGES)\s*=", re.I | re.M)),
    ("hugo", re.compile(r"hugo\.(?:toml|ya?ml|json)"), None),
    ("zola", re.compile(r"(?:config|zola)\.toml"), re.compile(r"^[ \t]*base_url\s*=", re.M)),
    (
        "hugo",
        re.compile(r"config\.(?:toml|ya?ml|json)"),
        re.compile(
            r"""^[ \t]*["']?(?:baseURL|languageCode|relativeURLs|permalinks)["']?\s*[:=]""", re.I | re.M
        ),
    ),
    ("hexo", re.compile(r"package\.json"), re.compile(r'"hexo"\s*:')),
    ("hexo", re.compile(r"_config\.ya?ml"), re.compile(r"^(?:skip_render|source_dir|new_post_name):", re.M)),
    ("jekyll", re.compile(r"_config\.(?:ya?ml|toml)"), None),
)
"""Generator, the name of its configuration file, and text that must be in it if others use that name, too."""


class Site(NamedTuple):
    """The site that stories belong to: its generator, and whether its top folder is the folder of stories."""

    generator: Generator | None = None
    is_root: bool = False


NO_SITE: Final = Site()
"""Stories for which no generator was detected."""


def detect(content: Path) -> Site:
    """The site that the stories below `content` belong to; without a generator if no configuration is found.

    Searches the folder itself and `_LEVELS` folders above it, but not above the top of a Git repository.
    """
    folder = content.absolute()
    for level, place in enumerate((folder, *folder.parents)):
        if level > _LEVELS:
            break
        if generator := next(_generators(place), None):
            return Site(generator, is_root=level == 0)
        if (place / ".git").exists():
            break
    return Site()


def _generators(place: Path) -> Iterator[Generator]:
    try:
        names = sorted(entry.name for entry in place.iterdir() if entry.is_file())
    except OSError:
        return
    for generator, named, holds in _CONFIGURATIONS:
        for name in names:
            if named.fullmatch(name) and (holds is None or holds.search(_text(place / name))):
                yield generator
    if (place / "config" / "_default").is_dir():
        yield "hugo"


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(_LONGEST)
    except OSError:
        return ""


_NEVER_STORIES: Final = frozenset(
    {
        *("node_modules", "bower_components", "jspm_packages", "__pycache__", "__tests__"),
        *("_includes", "_layouts", "_templates", "_partials", "_components", "_snippets"),
        *("_data", "_sass", "_plugins", "_site", "_build"),
    }
)
"""Folders of packages, templates, data and output, in which no generator has stories."""

_OF_SYSTEMS: Final = frozenset(
    {
        *("__macosx", "temporary items", "network trash folder", "lost+found"),  # macOS, Linux
        *("$recycle.bin", "recycler", "system volume information", "_vti_cnf", "_vti_pvt"),  # Windows
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot"),  # Synology, QNAP
    }
)
"""What systems keep on a disk, in lower case: bins, indexes, thumbnails."""

_OF_A_SITE: Final[dict[Generator, frozenset[str]]] = {
    "hugo": frozenset(
        {"archetypes", "assets", "data", "i18n", "layouts", "public", "resources", "static", "themes"}
    ),
    "jekyll": frozenset({"vendor"}),
    "pelican": frozenset({"output", "themes"}),
    "eleventy": frozenset(),
    "zola": frozenset({"public", "sass", "static", "templates", "themes"}),
    "hexo": frozenset({"public", "scaffolds", "themes"}),
    "nikola": frozenset({"cache", "output", "plugins", "shortcodes", "templates", "themes"}),
    "docusaurus": frozenset({"build", "static"}),
    "astro": frozenset({"dist", "public"}),
}
"""Folders without stories at the top of a site, for when that is the folder of stories itself."""

_UNDERSCORED: Final = frozenset({"hexo", "docusaurus", "astro"})
"""Generators that ignore every name that begins with `_`, except Hexo's own folders of stories."""
_LIST_PAGE: Final = re.compile(r"_index\.", re.IGNORECASE)
_WITH_LIST_PAGES: Final = frozenset({"hugo", "zola", None})
"""Generators for which `_index.md` is a folder's list page; for others it is a story.

Without a generator it may be a list page, so it is treated as one.
"""
_OF_STORIES: Final = frozenset({"_posts", "_drafts"})


def leaves_out(site: Site, name: str, *, is_top: bool, is_folder: bool) -> bool:
    """Whether the site's generator ignores a file or folder of that name, so that it holds no stories.

    `is_top` says that it is in the folder of stories itself, not in a folder below.
    """
    if is_folder and name.lower() in _OF_SYSTEMS:
        return True
    if name.startswith("_"):
        if is_folder:
            return name in _NEVER_STORIES or (site.generator in _UNDERSCORED and name not in _OF_STORIES)
        if _LIST_PAGE.match(name) and site.generator in _WITH_LIST_PAGES:
            return True
        return site.generator in _UNDERSCORED or site.generator == "jekyll"
    if not is_folder:
        return False
    if name in _NEVER_STORIES:
        return True
    return is_top and site.is_root and site.generator is not None and name in _OF_A_SITE[site.generator]
