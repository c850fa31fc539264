"""Types of the values in a pushed story's JSON document: validators for pydantic, and their JSON Schema.

Knows one value at a time, never a whole story. The schema rules out whatever the validator refuses, so that
clients can check a document before they send it; patterns use only what every dialect of regular expressions
supports. Text is literal: what looks like a tag in a title is text.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from feedsvc.domain import constraints
from feedsvc.domain.constraints import (
    ADDRESS,
    EMAIL,
    INSTANT,
    LABEL,
    LANGUAGE,
    LONGEST_LINE,
    LONGEST_TEXT,
    MEDIA_TYPE,
    MOST_BYTES,
    MOST_PIXELS,
    REFERENCE,
    WEB_ADDRESS,
    Constraint,
)
from feedsvc.domain.constraints import LONGEST_ID as LONGEST_ID
from feedsvc.domain.rights import LEVELS, Level
from feedsvc.domain.xml_text import without_illegal

_VISIBLE: Final = re.compile(LABEL.pattern)


def is_visible(text: str) -> bool:
    """Whether a text has a visible character."""
    return _VISIBLE.search(text) is not None


def _held(value: str, constraint: Constraint) -> str:
    if not constraint.accepts(value):
        raise PydanticCustomError("value_unfit", "{wanted}", {"wanted": constraint.wanted})
    return value


def text(value: str) -> str:
    """Text of any number of lines, without white space at its ends, and without what no feed may carry."""
    return without_illegal(value).replace("\r\n", "\n").replace("\r", "\n").strip()


def _line(value: str) -> str:
    if len(value) > LONGEST_LINE:
        raise PydanticCustomError("too_long", "write at most {most} characters", {"most": LONGEST_LINE})
    return " ".join(without_illegal(value).split())


def _label(value: str) -> str:
    if constraints.shows_credentials(value):
        raise PydanticCustomError("value_unfit", "{wanted}", {"wanted": constraints.NO_CREDENTIALS})
    return " ".join(without_illegal(_held(value, LABEL)).split())


def story_id(value: str) -> str:
    """An id as it is stored; see `constraints.story_id`. Raises PydanticCustomError."""
    kept = constraints.story_id(value)
    if kept is None:
        raise PydanticCustomError("value_unfit", "{wanted}", {"wanted": constraints.ID.wanted})
    return kept


def _url(constraint: Constraint) -> Callable[[str], str]:
    def held(value: str) -> str:
        if constraints.has_credentials(value):
            raise PydanticCustomError("value_unfit", "{wanted}", {"wanted": constraints.NO_CREDENTIALS})
        return _held(value, constraint)

    return held


def _media_type(value: str) -> str:
    return _held(value, MEDIA_TYPE).lower()


def _instant(value: Any) -> datetime:
    moment = None
    if isinstance(value, str) and INSTANT.accepts(value):
        with suppress(ValueError):  # the 30th of February
            moment = constraints.in_time(datetime.fromisoformat(value.upper()))
    if moment is None:
        raise PydanticCustomError("date_unfit", "{wanted}", {"wanted": INSTANT.wanted})
    return moment


def _whole(value: Any) -> Any:
    """To JSON Schema 640.0 is an integer (draft 2020-12, §4.2.3 of its core), and some clients write it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The schema of what clients send. What the API returns may come from files, whose rules are wider.
def _sent(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **schema}, mode="validation")


def _schema(constraint: Constraint, **more: Any) -> WithJsonSchema:
    return _sent(maxLength=constraint.longest, pattern=constraint.pattern, **more)


Text = Annotated[str, AfterValidator(text)]
Passage = Annotated[Text, Field(max_length=LONGEST_TEXT)]
Line = Annotated[str, AfterValidator(_line), _sent(maxLength=LONGEST_LINE)]
Label = Annotated[str, AfterValidator(_label), _schema(LABEL)]
StoryId = Annotated[
    str,
    AfterValidator(story_id),
    _schema(constraints.ID, **{"not": {"pattern": constraints.ID_WITH_CREDENTIALS}}),
]
Address = Annotated[str, AfterValidator(_url(ADDRESS)), _schema(ADDRESS)]
Reference = Annotated[str, AfterValidator(_url(REFERENCE)), _schema(REFERENCE)]
WebAddress = Annotated[str, AfterValidator(_url(WEB_ADDRESS)), _schema(WEB_ADDRESS)]
Email = Annotated[str, AfterValidator(partial(_held, constraint=EMAIL)), _schema(EMAIL)]
Language = Annotated[str, AfterValidator(partial(_held, constraint=LANGUAGE)), _schema(LANGUAGE)]
MediaType = Annotated[str, AfterValidator(_media_type), _schema(MEDIA_TYPE)]
Instant = Annotated[datetime, BeforeValidator(_instant), _schema(INSTANT, format="date-time")]
# Pydantic would write `patternProperties` for the names, which allows anything under a name without a match.
Syndication = Annotated[
    dict[Label, Level],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"maxLength": LABEL.longest, "pattern": LABEL.pattern},
            "additionalProperties": {"enum": list(LEVELS)},
        },
        mode="validation",
    ),
]
Pixels = Annotated[int, Field(ge=1, le=MOST_PIXELS), BeforeValidator(_whole)]
Bytes = Annotated[int, Field(ge=0, le=MOST_BYTES), BeforeValidator(_whole)]
