"""Limits on the size of front matter, whatever its format, so that reading a story always takes little time.

Pure: counts keys, values and levels; must not know what a key means.
"""

from collections.abc import Mapping
from typing import Final

from feedsvc.domain.constraints import LONGEST_LABEL
from feedsvc.domain.json_text import MOST_VALUES
from feedsvc.loading.errors import FieldError, Rule

DEEPEST: Final = 20
TOO_DEEP: Final = f"nested too deeply; write at most {DEEPEST} levels"
_MOST_KEYS: Final = 1_000
"""Distinct keys, nested ones included: each unknown key is compared with every known one."""
_MOST_BITS: Final = 200


def refuse(pairs: Mapping[str, object]) -> None:
    """Raise FieldError for too many levels, values or distinct keys, or for a key or number that is too long.

    `pairs` are the parsed keys and values. A value that YAML aliases repeat counts each time, as the code
    that reads it visits it each time.
    """
    names: set[str] = set()
    left = MOST_VALUES
    for key, value in pairs.items():
        names.add(_fit(key, key))
        waiting = [] if type(value) is str else [(value, 1)]
        while waiting:
            node, depth = waiting.pop()
            left -= 1
            if depth > DEEPEST:
                raise _too(key, f"is {TOO_DEEP}", "nested-too-deeply")
            if left < 0:
                raise _too(key, f"more than {MOST_VALUES:,} values are too many; write fewer", "too-many")
            if isinstance(node, dict):
                names.update(_fit(str(name), key) for name in node)
                waiting.extend((one, depth + 1) for one in node.values())
            elif isinstance(node, list):
                waiting.extend((one, depth + 1) for one in node)
            elif isinstance(node, int) and node.bit_length() > _MOST_BITS:
                raise _too(key, "is a huge number; write fewer digits", "number-invalid")
        if len(names) > _MOST_KEYS:
            raise _too(key, f"more than {_MOST_KEYS:,} keys are too many; write fewer", "too-many")


def _fit(name: str, key: str) -> str:
    if len(name) > LONGEST_LABEL:
        raise _too(key, f"a key is too long; write at most {LONGEST_LABEL} characters", "key-invalid")
    return name


def _too(key: str, told: str, rule: Rule) -> FieldError:
    return FieldError(key, f"{key[:60]}: {told}", rule)
