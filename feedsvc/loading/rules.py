"""What loading is told.

Pure: values, for those who configure loading and load nothing themselves.
"""

from dataclasses import dataclass
from typing import Literal

from feedsvc.loading.generators import NO_SITE, Site

UnknownKeys = Literal["near", "all", "none"]
"""Which front matter keys that feedsvc does not know are findings: those near a known one, all, or none."""


@dataclass(frozen=True, slots=True)
class LoadRules:
    """What loading is told: the zone of dates written without one, and the most bytes of a story file.

    `partners` are the names of those whose rights a story may say; `site` is whose generator the stories are
    written for.
    """

    timezone: str = "UTC"
    max_file_bytes: int = 5_000_000
    partners: tuple[str, ...] = ()
    site: Site = NO_SITE
    unknown_keys: UnknownKeys = "near"
