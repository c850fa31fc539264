"""Builds the API's error responses, as problem details (RFC 9457).

Knows statuses, and pydantic's errors; never shows a token, and shows at most the beginning of a value.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from flask import Response, request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from feedsvc.changes.push import Refused
from feedsvc.domain.json_text import DuplicateKeyError, TooManyValuesError

ROOT: Final = "/api"
CONTENT_TYPE: Final = "application/problem+json"
HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""On every response of the API."""
# "for nobody" (rights for a partner that does not exist) is not 422: the document is valid by its schema,
# which must not name the partners.
REFUSED: Final = {
    "owned": 409,
    "absent": 404,
    "changed": 412,
    "too long": 422,
    "for nobody": 409,
    "twin": 409,
    "withdrawn": 409,
    "older": 409,
}
"""Reason for which a push was refused → status."""
_CHALLENGES: Final = ('Bearer realm="feedsvc"', 'Basic realm="feedsvc", charset="UTF-8"')
_RETRY_AFTER: Final = "5"
_MOST_ERRORS: Final = 20
_GLIMPSE: Final = 60
_MOST_BITS: Final = 200
_LONGEST_POINTER: Final = 300
_DETAILS: Final = {
    400: "The request can't be read.",
    404: "There is nothing at this address. What there is stands in /api/openapi.json",
    405: "This address doesn't take the method {method}; those in Allow it does.",
    413: "The body is larger than this service takes.",
    500: "The request could not be answered. This is our fault, not yours.",
    503: "The store can't be reached just now; please try again in a few seconds.",
}

Errors = Sequence[Mapping[str, str]]
Unreadable = ValidationError | DuplicateKeyError | TooManyValuesError


class Problem(HTTPException):
    """A request that is refused. `errors` say where in the document (a JSON pointer) and what is wanted.

    `members` are extension members of the problem details (RFC 9457 §3.2).
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Errors = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = status
        self.errors = errors
        self.more = dict(headers or {})
        self.members = dict(members or {})


def is_api(path: str) -> bool:
    """Whether a path belongs to the API, so that errors there are sent as problem details."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def of_refused(refused: Refused) -> Problem:
    """The error for a refused push. It names the current version's ETag, for the client to use."""
    members = {name: instant.isoformat() for name, instant in refused.instants.items()}
    headers = {}
    if refused.version:
        members["etag"] = headers["ETag"] = f'"{refused.version}"'
    return Problem(REFUSED[refused.why], refused.detail, headers=headers, members=members)


def unreadable(error: Unreadable, model: type[BaseModel]) -> Problem:
    """The error for a refused document: 400 if it is not JSON, 422 if it is JSON but not valid."""
    if isinstance(error, DuplicateKeyError):
        twice = {"pointer": error.pointer[:_LONGEST_POINTER], "detail": "is written twice; keep one"}
        return Problem(422, "The document holds a key twice.", errors=[twice])
    if isinstance(error, TooManyValuesError):
        return Problem(422, f"The document can't be read: {error}.")
    found = error.errors(include_url=False)
    if found[0]["type"] == "json_invalid":
        return Problem(400, f"The body is not JSON: {found[0]['ctx']['error']}")
    told = [{"pointer": _pointer(one["loc"]), "detail": _told(one, model)} for one in found[:_MOST_ERRORS]]
    number = "one fault" if len(found) == 1 else f"{len(found)} faults"
    rest = f", of which {_MOST_ERRORS} are listed" if len(found) > _MOST_ERRORS else ""
    return Problem(422, f"The document has {number}{rest}; /api/schema says what it may hold.", errors=told)


def _pointer(place: tuple[int | str, ...]) -> str:
    """The JSON pointer (RFC 6901) of a place that pydantic names.

    After an author's number, pydantic names the member of the union that it tried; that is left out.
    """
    if place[:1] in {("authors",), ("contributors",)}:
        place = place[:2] + place[3:]
    if place[-1:] == ("[key]",):  # pydantic's way to say that the key, not its value, is wrong
        place = place[:-1]
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in place)
    return pointer[:_LONGEST_POINTER]


def _told(one: ErrorDetails, model: type[BaseModel]) -> str:
    if one["type"] == "missing":
        return "is missing"
    if one["type"] == "extra_forbidden":
        near = (
            difflib.get_close_matches(str(one["loc"][-1])[:_GLIMPSE], model.model_fields, 1)
            if len(one["loc"]) == 1
            else []
        )
        return f"there is no such field; did you mean {near[0]}?" if near else "there is no such field"
    return f"{one['msg']}; this is {_glimpse(one['input'])}" if one["loc"] else one["msg"]


def _glimpse(value: Any) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case int() if value.bit_length() > _MOST_BITS:  # str() of an int raises beyond 4,300 digits
            return "a huge number"
        case str() if len(value) > _GLIMPSE:
            value = value[: _GLIMPSE - 1] + "…"
    return json.dumps(value, ensure_ascii=False, default=str)[: 2 * _GLIMPSE]


def body(problem: HTTPException) -> dict[str, Any]:
    """The problem details of a refusal, as a JSON object."""
    status = problem.code or 500
    told: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _detail(problem, status),
    }
    if isinstance(problem, Problem):
        told |= problem.members
        if problem.errors:
            told["errors"] = problem.errors
    return told


def _detail(problem: HTTPException, status: int) -> str:
    if isinstance(problem, Problem):
        return problem.description or ""
    return _DETAILS.get(status, problem.description or "").format(method=request.method)


def answer(problem: HTTPException) -> Response:
    """The response to a request that is refused, or that failed."""
    status = problem.code or 500
    made = Response(json.dumps(body(problem), ensure_ascii=False), status, HEADERS, content_type=CONTENT_TYPE)
    if isinstance(problem, Problem):
        made.headers.update(problem.more)
    if isinstance(problem, MethodNotAllowed) and problem.valid_methods:
        made.headers["Allow"] = ", ".join(sorted(problem.valid_methods))
    if status == 401:
        made.headers.setlist("WWW-Authenticate", _CHALLENGES)
    if status == 503:
        made.headers["Retry-After"] = _RETRY_AFTER
    return made
