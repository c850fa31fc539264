"""Reads a story's tags and authors for Pelican, which takes `[a, b]` for a tag `[a` and a tag `b]`.

Loaded by Pelican; knows nothing else.
"""

from typing import Any

from pelican.readers import MarkdownReader


class StoryReader(MarkdownReader):
    """Markdown with the lists of YAML's front matter."""

    def process_metadata(self, name: str, value: Any) -> Any:
        """Take the brackets off a list before Pelican splits it at its commas."""
        if name in ("tags", "authors") and isinstance(value, str):
            value = value.strip("[]")
        return super().process_metadata(name, value)
