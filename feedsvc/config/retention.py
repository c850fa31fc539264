"""How long the store keeps old data: the settings of [retention].

Knows no stage; `options` turns them into the value that the refresher takes.
"""

from typing import Annotated

from pydantic import Field

from feedsvc.config.partners import Table
from feedsvc.config.types import Duration

_DAY = 86_400  # seconds


class RetentionTable(Table):
    """How long the store keeps what is over: 30 days at least, notices 7."""

    deliveries: Annotated[Duration, Field(ge=30 * _DAY)] = Field(
        default=400 * _DAY,
        description="The log of what partners received, and tokens that have ended. What a recall is "
        "about is kept for as long as the recall.",
    )
    notices: Annotated[Duration, Field(ge=7 * _DAY)] = Field(
        default=90 * _DAY,
        description="Notices to webhooks, after they were made. Those of a recall are kept as long as it is.",
    )
    recalls: Annotated[Duration, Field(ge=30 * _DAY)] = Field(
        default=90 * _DAY,
        description="Recalls and revocations, once every partner that holds the story has polled or been "
        "told by its webhook. Until then they are kept.",
    )
    tombstones: Annotated[Duration, Field(ge=30 * _DAY)] = Field(
        default=400 * _DAY,
        description="That a story was withdrawn whose file is gone: until then pushing it needs "
        "`?restore=true`. Feeds say so for 30 days.",
    )
    feeds: Annotated[Duration, Field(ge=30 * _DAY)] = Field(
        default=400 * _DAY,
        description="The empty feeds of a section, tag or author that no story has any more; then they are "
        "404 again.",
    )
