"""Checks the query parameters of writes: an unknown or repeated one means that the request is refused.

Ignoring one would do what nobody asked for: `?resaon=` would withdraw a story without a reason.
"""

import difflib
from typing import Final

from flask import request

from feedsvc.web.api.problems import Problem

_FLAGS: Final = {"true": True, "false": False}
_GLIMPSE: Final = 80


def take_only(*known: str) -> None:
    """Raise Problem (400) if the request has a parameter that is not one of `known`, or has one twice."""
    for name, values in request.args.lists():
        if name not in known:
            raise Problem(400, f"there is no parameter {name[:_GLIMPSE]!r} here; {_remedy(name, known)}")
        if len(values) > 1:
            raise Problem(400, f"?{name}= is given {len(values)} times; give it once.")


def _remedy(name: str, known: tuple[str, ...]) -> str:
    if near := difflib.get_close_matches(name.lower(), known, 1, cutoff=0.7):
        return f"did you mean {near[0]}?"
    return f"there {'is' if len(known) == 1 else 'are'} {' and '.join(known)}"


def flag(name: str) -> bool:
    """The value of a parameter that is true or false; false if absent. Raises Problem (400)."""
    written = request.args.get(name, "false")
    if written not in _FLAGS:
        raise Problem(400, f"?{name}= is true or false, not {written[:_GLIMPSE]!r}.")
    return _FLAGS[written]
