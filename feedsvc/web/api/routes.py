"""The API's views, for one story at a time and for what describes the API; `batch` does many at once.

Knows requests, and which status each outcome of a push has. `changes.push` (here `pushing`) knows what a push
does, `ingest` what a story's document may contain.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from threading import BoundedSemaphore
from typing import IO, Final, TypeVar

import structlog
from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError
from werkzeug.exceptions import RequestEntityTooLarge

from feedsvc.changes import push as pushing
from feedsvc.changes.push import Push, Pushed, Refused
from feedsvc.config.schema import Config
from feedsvc.domain.json_text import DuplicateKeyError, TooManyValuesError
from feedsvc.domain.model import Article
from feedsvc.domain.selection import Rules
from feedsvc.domain.urls import article_path
from feedsvc.ingest import document as documents
from feedsvc.ingest.document import ArticleDocument, WithdrawalDocument
from feedsvc.ingest.fields import story_id
from feedsvc.store import articles
from feedsvc.store.engine import Store
from feedsvc.store.tokens import Token
from feedsvc.web.access.auth_throttle import AuthThrottle
from feedsvc.web.access.token_cache import TokenCache
from feedsvc.web.api import openapi, parameters
from feedsvc.web.api.batch import Batch
from feedsvc.web.api.preconditions import Precondition, etag
from feedsvc.web.api.problems import HEADERS, ROOT, Problem, of_refused, unreadable
from feedsvc.web.feeds.conditional import matches_weakly
from feedsvc.web.feeds.response import CORS, PREFLIGHT
from feedsvc.web.feeds.routes import as_flask
from feedsvc.web.http1.wsgi import whole_body
from feedsvc.web.site.cacheable import cacheable

log = structlog.get_logger(__name__)

_Model = TypeVar("_Model", bound=BaseModel)
_BATCH_PATIENCE: Final = 0.25
"""Seconds that a batch waits if as many as allowed are being written."""
_PUBLIC: Final = {"X-Content-Type-Options": "nosniff", **dict(CORS)}
"""Header fields of documents that everybody may read, scripts of any site included."""


def blueprint(api: "Api") -> Blueprint:
    """The routes below /api."""
    routes = Blueprint("api", __name__)
    one = f"{ROOT}/articles/<path:article_id>"
    views: list[tuple[str, str, Callable[..., Response]]] = [
        ("GET", one, api.show),
        ("PUT", one, api.put),
        ("DELETE", one, api.withdraw),
        ("POST", f"{ROOT}/articles", api.put_many),
        ("GET", f"{ROOT}/schema", api.schema),
        ("GET", f"{ROOT}/openapi.json", api.openapi),
    ]
    for method, path, view in views:
        # Slashes are not merged, because an id may be a URL.
        routes.add_url_rule(
            path,
            view.__name__,
            view,
            methods=[method],
            provide_automatic_options=False,
            merge_slashes=False,
        )
    for name in ("schema", "openapi.json"):
        routes.add_url_rule(
            f"{ROOT}/{name}",
            f"{name.partition('.')[0]}-preflight",
            lambda: as_flask(PREFLIGHT),
            methods=["OPTIONS"],
            provide_automatic_options=False,
        )
    return routes


class Api:
    """The views. `clock` returns aware UTC."""

    def __init__(
        self,
        config: Config,
        store: Store,
        rules: Rules,
        token_cache: TokenCache,
        auth_throttle: AuthThrottle,
        clock: Callable[[], datetime],
    ) -> None:
        self._limits = config.limits
        self._store = store
        self._rules = rules
        self._keyring = token_cache
        self._wrong_tokens = auth_throttle
        self._clock = clock
        # Batches take long: where there are threads enough, two are left for other requests.
        self._batches = BoundedSemaphore(max(1, config.http.threads - 2))

    # -- one story ---------------------------------------------------------------------------------------

    def show(self, article_id: str) -> Response:
        self._holder()
        try:
            named = story_id(article_id)
        except PydanticCustomError:
            raise _absent(article_id) from None
        with self._store.read() as connection:
            article = articles.get(connection, named)
        if article is None:
            raise _absent(named)
        if not _precondition().matches(article):
            raise Problem(412, f"the version is {etag(article)}", headers=_validator(article))
        if (known := request.headers.get("If-None-Match")) and matches_weakly(known, etag(article)):
            return Response(status=304, headers=HEADERS | _validator(article))
        return _shown(article, 200)

    def put(self, article_id: str) -> Response:
        token = self._holder()
        parameters.take_only("force", "restore")
        force, restore = parameters.flag("force"), parameters.flag("restore")
        try:
            named = story_id(article_id)
        except PydanticCustomError as error:
            raise Problem(422, f"{article_id!r} is not an id: {error.message()}") from None
        document = self._document(ArticleDocument)
        now = self._clock()
        push = pushing.put(named, document, now, _precondition(), restore=restore)
        done = self._push(push, token, now, force=force)
        return _shown(done.article, 201 if done.was_new else 200)

    def withdraw(self, article_id: str) -> Response:
        token = self._holder()
        parameters.take_only("force", "reason")
        force = parameters.flag("force")
        reason = self._reason()
        try:
            named = story_id(article_id)
        except PydanticCustomError:
            raise _absent(article_id) from None
        push = pushing.withdrawal(named, reason, _precondition())
        done = self._push(push, token, self._clock(), force=force)
        return _shown(done.article, 200)

    def _push(self, push: Push, token: Token, now: datetime, *, force: bool) -> Pushed:
        with self._store.write() as tx:
            (outcome,) = pushing.push(tx, [push], self._rules, now, token.id, force=force)
        if isinstance(outcome, Refused):
            raise of_refused(outcome)
        log.info("story_pushed", id=push.id, status=outcome.article.status, token=token.id)
        return outcome

    def _reason(self) -> str:
        """The reason for readers: from the body, or from the query if there is no body."""
        try:
            reason = WithdrawalDocument(reason=request.args.get("reason", "")).reason
        except ValidationError as error:
            raise unreadable(error, WithdrawalDocument) from None
        if request.headers.get("Transfer-Encoding") or request.content_length:
            return self._document(WithdrawalDocument).reason
        return reason

    # -- many stories ------------------------------------------------------------------------------------

    def put_many(self) -> Response:
        token = self._holder()
        parameters.take_only("force", "restore")
        force, restore = parameters.flag("force"), parameters.flag("restore")
        if _precondition() != Precondition():
            told = "A batch has no version; each line says by its own `if_match` which one it is about."
            raise Problem(412, told)
        _of_type("application/x-ndjson")
        request.max_content_length = self._limits.ingest
        with whole_body(request.environ, lambda: request.stream, self._limits.ingest) as stream:
            return self._written(stream, token, force=force, restore=restore)

    def _written(self, stream: IO[bytes], token: Token, *, force: bool, restore: bool) -> Response:
        if not self._batches.acquire(timeout=_BATCH_PATIENCE):
            raise Problem(503, "As many batches as this service takes at once are being read; come again.")
        try:
            batch = Batch(
                self._store,
                self._rules,
                self._clock,
                token.id,
                self._limits.story,
                force=force,
                restore=restore,
            )
            answers = batch.read(stream)
        finally:
            self._batches.release()
        log.info("stories_pushed", token=token.id, **batch.counts)
        return Response(answers, 200, HEADERS, content_type="application/x-ndjson", direct_passthrough=True)

    # -- what the API is ---------------------------------------------------------------------------------

    def schema(self) -> Response:
        return _public(self._schema, "application/schema+json")

    def openapi(self) -> Response:
        return _public(self._openapi, "application/json")

    # Made on the first request: most workers never need them, nor the models that they are made from.
    @cached_property
    def _schema(self) -> str:
        return json.dumps(openapi.schema(self._rules.site), ensure_ascii=False)

    @cached_property
    def _openapi(self) -> str:
        return json.dumps(openapi.description(self._rules.site), ensure_ascii=False)

    # -- requests ----------------------------------------------------------------------------------------

    def _holder(self) -> Token:
        """The token that the request came with. Raises Problem (401 or 429) if it has no valid one."""
        token = self._keyring.holder(request.headers.get("Authorization"), "write")
        if token is not None:
            return token
        if seconds := self._wrong_tokens.count(request.environ):
            wait = {"Retry-After": str(seconds)}
            raise Problem(429, "Too many requests without a good token came from this address.", headers=wait)
        raise Problem(
            401,
            "This address is opened by a token of scope write, as Bearer or as the password of Basic;"
            " `feedsvc token create NAME --scope write` makes one.",
            headers={"Vary": "Authorization"},
        )

    def _document(self, model: type[_Model]) -> _Model:
        _of_type("application/json")
        try:
            return documents.parsed(model, self._body())
        except (ValidationError, DuplicateKeyError, TooManyValuesError) as error:
            raise unreadable(error, model) from None

    def _body(self) -> bytes:
        longest = self._limits.story
        # One byte more than allowed: else a longer body without a Content-Length would be cut off silently.
        request.max_content_length = longest + 1
        with suppress(RequestEntityTooLarge):
            if len(body := request.get_data(cache=False)) <= longest:
                return body
        raise Problem(413, f"A story may have at most {longest} bytes.")


def _of_type(wanted: str) -> None:
    if request.mimetype != wanted:
        seen = f"not as {request.mimetype[:80]}" if request.mimetype else "and says so in Content-Type"
        raise Problem(415, f"The body is taken as {wanted}, {seen}.", headers={"Accept": wanted})
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Problem(
            415, "The body is taken as it is, not encoded.", headers={"Accept-Encoding": "identity"}
        )


def _precondition() -> Precondition:
    return Precondition(request.headers.get("If-Match"), request.headers.get("If-None-Match"))


def _validator(article: Article) -> dict[str, str]:
    return {"ETag": etag(article)}


def _absent(article_id: str) -> Problem:
    return Problem(404, f"There is no story {article_id!r}.")


def _shown(article: Article, status: int) -> Response:
    told = documents.document(article).model_dump_json(exclude_none=True)
    made = Response(told, status, HEADERS | _validator(article), content_type="application/json")
    if status == 201:
        made.headers["Location"] = request.script_root + article_path(article.id)
    return made


def _public(told: str, content_type: str) -> Response:
    return cacheable(told.encode(), content_type, "public, max-age=3600", headers=_PUBLIC)
