"""The settings of loading.

Pure: values only, so that the code that configures loading need not import the code that loads.
"""

from dataclasses import dataclass
from typing import Literal

from feedsvc.loading.generators import NO_SITE, Site

UnknownKeys = Literal["near", "all", "none"]
"""Which unknown front matter keys `feedsvc check` reports: those similar to a known one, all, or none."""


@dataclass(frozen=True, slots=True)
class LoadRules:
    """The settings of loading.

    `timezone` is the zone of dates written without one; `max_file_bytes` is the largest size of a story file,
    in bytes; `partners` are the names that a story may use under `syndication`; `site` names the generator
    that the stories are written for.
    """

    timezone: str = "UTC"
    max_file_bytes: int = 5_000_000
    partners: tuple[str, ...] = ()
    site: Site = NO_SITE
    unknown_keys: UnknownKeys = "near"
