"""How much is measured: `--size small` to see that it works, `default` for results, `full` for a long night.

Figures only.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Archives in stories, rounds in numbers, spans in seconds."""

    name: str
    archives: tuple[int, ...]
    loads: tuple[int, ...]
    hugo: tuple[int, ...]
    pelican: tuple[int, ...]
    published: int
    """Stories published one by one into each archive."""
    rounds: int
    seconds: float
    served: int
    """Stories of the archive whose feed is polled: enough that it is full."""
    polled_feeds: int
    soaked: float
    """Seconds under a steady load."""
    bulk: int
    """Files that come or go at once."""


_HUNDRED_THOUSAND = (10_000, 100_000)
SCALES = {
    scale.name: scale
    for scale in (
        Scale("small", (1_000,), (1_000,), (1_000,), (1_000,), 20, 2, 1.0, 300, 1_000, 120.0, 3_000),
        Scale(
            "default",
            (1_000, *_HUNDRED_THOUSAND),
            _HUNDRED_THOUSAND,
            _HUNDRED_THOUSAND,
            (10_000,),
            200,
            5,
            3.0,
            300,
            10_000,
            1_200.0,
            50_000,
        ),
        Scale(
            "full",
            (1_000, *_HUNDRED_THOUSAND, 1_000_000),
            (*_HUNDRED_THOUSAND, 1_000_000),
            _HUNDRED_THOUSAND,
            _HUNDRED_THOUSAND,
            200,
            7,
            5.0,
            300,
            10_000,
            1_200.0,
            50_000,
        ),
    )
}
