"""Hugo, building the same feeds of the same stories: RSS alone, and no page for people.

So it is charged for nothing that feedsvc is not asked for. One format, where feedsvc publishes three.
"""

import shutil
from pathlib import Path

from benchmarks.measuring import Cost, cost

COMMAND = "hugo"
_LIMIT_SECONDS = 900
# Stories have links and are listed, and no page is written of them. The lists of all tags and of all authors
# are no feeds; Hugo takes leaving them out for a mistake unless it is told that it isn't.
_CONFIG = """\
baseURL = "https://news.example.org/"
title = "The Daily Example"
languageCode = "en"
timeout = "600s"
disableKinds = ["sitemap", "robotsTXT", "404", "taxonomy"]
ignoreErrors = ["error-disable-taxonomy"]

[taxonomies]
tag = "tags"
author = "authors"

[outputs]
home = ["RSS"]
section = ["RSS"]
term = ["RSS"]

[[cascade]]
[cascade._build]
render = "link"
list = "always"
[cascade._target]
kind = "page"
"""
# The embedded template gives summaries, and a section only its own stories, not those of its beats.
_RSS = """\
{{- $stories := .RegularPages -}}
{{- if .IsHome }}{{ $stories = site.RegularPages }}{{ end -}}
{{- if .IsSection }}{{ $stories = .RegularPagesRecursive }}{{ end -}}
{{- printf "<?xml version=\\"1.0\\" encoding=\\"utf-8\\"?>" | safeHTML }}
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel>
<title>{{ .Title }}</title>
<link>{{ .Permalink }}</link>
<description>{{ .Title }}</description>
{{ with .OutputFormats.Get "RSS" }}
<atom:link href="{{ .Permalink }}" rel="self" type="application/rss+xml"/>
{{- end }}
{{- range first 50 $stories }}
<item>
<title>{{ .Title }}</title>
<link>{{ .Permalink }}</link>
<guid>{{ .Permalink }}</guid>
<pubDate>{{ .Date.Format "Mon, 02 Jan 2006 15:04:05 -0700" | safeHTML }}</pubDate>
{{ range .Params.authors }}<dc:creator>{{ . }}</dc:creator>{{ end }}
{{ range .Params.tags }}<category>{{ . }}</category>{{ end }}
<description>{{ .Content | html }}</description>
</item>
{{- end }}
</channel>
</rss>
"""


class HugoSite:
    """A Hugo site in `folder` over the stories in `content`."""

    def __init__(self, folder: Path, content: Path) -> None:
        self.folder = folder
        self.content = content
        (folder / "layouts" / "_default").mkdir(parents=True)
        (folder / "hugo.toml").write_text(_CONFIG, "utf-8")
        (folder / "layouts" / "_default" / "rss.xml").write_text(_RSS, "utf-8")
        self._name_sections()

    def build(self, *, anew: bool, with_memory: bool = False) -> Cost:
        """Build every feed: into an empty folder if `anew`, else over what the last build wrote."""
        if anew:
            shutil.rmtree(self.folder / "public", ignore_errors=True)
        command = [COMMAND, "--quiet", "--contentDir", str(self.content.absolute())]
        return cost(command, self.folder, limit=_LIMIT_SECONDS, with_memory=with_memory)

    def feeds(self) -> int:
        """How many feeds the last build wrote."""
        return sum(1 for _ in (self.folder / "public").rglob("index.xml"))

    def entries(self) -> bytes:
        """The feed of everything."""
        return (self.folder / "public" / "index.xml").read_bytes()

    def _name_sections(self) -> None:
        # Hugo makes a section of a folder below another only if it has an _index.md, which feedsvc passes
        # over. A beat has one, and its folders of months have none.
        for desk in filter(Path.is_dir, list(self.content.iterdir())):
            for section in (desk, *filter(Path.is_dir, list(desk.iterdir()))):
                (section / "_index.md").write_text(f"---\ntitle: {section.name.capitalize()}\n---\n", "utf-8")
