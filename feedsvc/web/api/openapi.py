"""What the API is, for programs: the JSON Schema of a story, and OpenAPI 3.1 of every address.

Pure: knows what is said at each address; the schemas are made from the documents that are checked with them.
"""

from http import HTTPStatus
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from feedsvc import __version__
from feedsvc.domain.constraints import ID
from feedsvc.domain.model import Site
from feedsvc.ingest.document import ArticleDocument, ArticleLine, WithdrawalDocument

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_JSON: Final = "application/json"
_LINES: Final = "application/x-ndjson"
_PROBLEM: Final = "application/problem+json"
_REFUSALS: Final = {
    400: (
        "The request can't be read: the body is no JSON, or a parameter is unknown, given twice, or none of"
        " its values."
    ),
    401: "No token of scope write came with the request, or it is one no more.",
    404: "There is no such story.",
    405: "The address doesn't take this method.",
    409: (
        "The story is a file's, which `detail` names: `?force=true` takes the story over. Or it was withdrawn"
        " and comes back with `?restore=true`, or with If-Match and the version there is, which ETag and"
        " `etag` name. Or the document is older than what is there, by its own `updated`. Or it says of its"
        " rights what no partner is found for."
    ),
    412: "The version there is, is not the one that If-Match or If-None-Match mean; a batch has none.",
    413: "The body is larger than this service takes.",
    414: "The address is longer than 8,192 bytes.",
    415: "The body is not of the type, or is encoded.",
    422: "The body is JSON but no story. `errors` says where it isn't, and what is wanted.",
    429: "Too many requests without a good token came from this address.",
    503: "The store can't be reached just now, or too many batches are being read.",
}
_HEADERS: Final[dict[int, dict[str, Any]]] = {
    401: {"WWW-Authenticate": "How to show a token."},
    405: {"Allow": "The methods that the address takes."},
    409: {"ETag": "The version that is there, if there is one."},
    412: {"ETag": "The version that is there, if there is one."},
    415: {},
    429: {"Retry-After": "Seconds to wait."},
    503: {"Retry-After": "Seconds to wait."},
}


def schema(site: Site) -> dict[str, Any]:
    """The JSON Schema of a story that is pushed."""
    return {
        "$schema": _DIALECT,
        "$id": f"{site.url}/api/schema",
        **ArticleDocument.model_json_schema(),
        "title": "A story",
    }


def description(site: Site) -> dict[str, Any]:
    """The OpenAPI description of the API."""
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": _DIALECT,
        "info": {
            "title": f"{site.name}: pushing stories",
            "version": __version__,
            "description": "Stories for the feeds, from a newsroom's own system, out within a second.",
        },
        "servers": [{"url": site.url}],
        "security": [{"bearer": []}, {"basic": []}],
        "paths": {
            "/api/articles/{id}": {
                "parameters": [_ID],
                "get": _show(),
                "put": _put(),
                "delete": _withdraw(),
            },
            "/api/articles": {"post": _put_many()},
            "/api/schema": {
                "get": _public("schema", "The JSON Schema of a story", "application/schema+json")
            },
            "/api/openapi.json": {"get": _public("openapi", "This description", _JSON)},
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of scope write: `feedsvc token create NAME --scope write`.",
                },
                "basic": {"type": "http", "scheme": "basic", "description": "The token as password."},
            },
        },
    }


def _schemas() -> dict[str, Any]:
    """Those of documents, as they are sent and as they are shown, and that of problems."""
    models: list[tuple[Any, Any]] = [
        (ArticleDocument, "validation"),
        (ArticleLine, "validation"),
        (WithdrawalDocument, "validation"),
        (ArticleDocument, "serialization"),
    ]
    names, made = models_json_schema(models, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = made["$defs"]
    # Under which name pydantic has each, it says as a reference.
    for name, place in (("Story", models[0]), ("StoryLine", models[1]), ("Shown", models[3])):
        schemas[name] = names[place]
    schemas["Withdrawal"] = names[models[2]]
    return schemas | {"Problem": _PROBLEM_SCHEMA, "Answer": _ANSWER_SCHEMA}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _parameter(name: str, place: str, said: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "description": said, "schema": {"type": "string", **more}}


_ID: Final = _parameter("id", "path", "The story's id.", pattern=ID.pattern, maxLength=ID.longest) | {
    "required": True
}
_FORCE: Final = {
    "name": "force",
    "in": "query",
    "description": "Whether a story that is a file's is taken over; the file waits in quarantine then.",
    "schema": {"type": "boolean", "default": False},
}
_RESTORE: Final = {
    "name": "restore",
    "in": "query",
    "description": "Whether a story that was withdrawn comes back; without it, that is refused (409).",
    "schema": {"type": "boolean", "default": False},
}
# Preconditions stand in descriptions. Of a parameter every value is right that its schema allows, and which
# versions are met is for the store to say.
_IF_MATCH: Final = (
    "`If-Match` names the versions that are meant, or `*` for any there is; else the answer is 412."
)
_IF_NONE_MATCH: Final = "`If-None-Match: *` is for a story that there isn't yet."
_KNOWN: Final = "`If-None-Match` names the versions that are known: the answer is 304 then."
_RETRIED: Final = (
    "What would bring a withdrawn story back without saying so, or is older than what is there by its own"
    " `updated`, is refused (409)."
)
_ETAG: Final = {"ETag": "The version."}


def _answer(
    said: str, content: dict[str, Any] | None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    made: dict[str, Any] = {"description": said}
    if headers:
        made["headers"] = {
            name: {"description": told, "schema": {"type": "string"}} for name, told in headers.items()
        }
    if content is not None:
        made["content"] = content
    return made


def _answers(good: dict[int, dict[str, Any]], *refusals: int) -> dict[str, Any]:
    told = dict(good)
    for status in (*refusals, 405, 503):
        problem = {_PROBLEM: {"schema": _ref("Problem")}}
        told[status] = _answer(_REFUSALS[status], problem, _HEADERS.get(status))
    return {str(status): told[status] for status in sorted(told)}


def _story(said: str, headers: dict[str, str] = _ETAG) -> dict[str, Any]:
    return _answer(said, {_JSON: {"schema": _ref("Shown")}}, headers)


def _show() -> dict[str, Any]:
    return {
        "operationId": "getArticle",
        "summary": "A story as it is",
        "description": f"HEAD is answered as well. {_KNOWN} {_IF_MATCH}",
        "responses": _answers(
            {200: _story("The story."), 304: _answer(HTTPStatus(304).phrase, None, _ETAG)},
            401,
            404,
            412,
            414,
            429,
        ),
    }


def _put() -> dict[str, Any]:
    return {
        "operationId": "putArticle",
        "summary": "Make a story what a document says",
        "description": "The document is the whole story: what it leaves out, the story has not. "
        f"{_RETRIED} {_IF_MATCH} {_IF_NONE_MATCH}",
        "parameters": [_FORCE, _RESTORE],
        "requestBody": {"required": True, "content": {_JSON: {"schema": _ref("Story")}}},
        "responses": _answers(
            {
                200: _story("The story, which was there before."),
                201: _story("The story, which is new.", _ETAG | {"Location": "Where it is."}),
            },
            *(400, 401, 409, 412, 413, 414, 415, 422, 429),
        ),
    }


def _withdraw() -> dict[str, Any]:
    reason = _parameter("reason", "query", "What readers are told, if there is no body.", maxLength=5_000)
    return {
        "operationId": "withdrawArticle",
        "summary": "Withdraw a story",
        "description": "It leaves every feed, and its page says that it is gone. Its document stays. "
        f"{_IF_MATCH}",
        "parameters": [_FORCE, reason],
        "requestBody": {"required": False, "content": {_JSON: {"schema": _ref("Withdrawal")}}},
        "responses": _answers(
            {200: _story("The story, withdrawn.")}, *(400, 401, 404, 409, 412, 413, 414, 415, 422, 429)
        ),
    }


def _put_many() -> dict[str, Any]:
    lines = {"type": "string", "description": "A StoryLine in each line: a story's document with its id."}
    answers = {"type": "string", "description": "An Answer in each line, in the order of the lines."}
    return {
        "operationId": "putArticles",
        "summary": "Make many stories what their documents say",
        "description": "One bad line harms only itself: its answer says why. Blank lines are passed over."
        f" {_RETRIED} A line's `if_match` is what `If-Match` is for one story; a batch has no version of its"
        " own.",
        "parameters": [_FORCE, _RESTORE],
        "requestBody": {"required": True, "content": {_LINES: {"schema": lines}}},
        "responses": _answers(
            {200: _answer("What came of each line.", {_LINES: {"schema": answers}})},
            *(400, 401, 412, 413, 415, 429),
        ),
    }


def _public(name: str, said: str, content_type: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": said,
        "security": [],
        "responses": _answers({200: _answer(said, {content_type: {"schema": {"type": "object"}}})}),
    }


_PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "etag": {"type": "string", "description": "The version of the story that is there."},
        "updated": {
            "type": "string",
            "description": "When the story that is there was changed last, where that is later",
        },
        "updated_sent": {"type": "string", "description": "than the document says of itself."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_ANSWER_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "What came of one line.",
    "required": ["line", "status"],
    "properties": {
        "line": {"type": "integer", "minimum": 1},
        "id": {"type": "string"},
        "status": {"type": "integer"},
        "etag": {"type": "string", "description": "The version that is there now, if there is one."},
        "problem": _ref("Problem"),
    },
}
