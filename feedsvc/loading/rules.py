"""What loading is told.

Pure: values, for those who configure loading and load nothing themselves.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadRules:
    """What loading is told: the zone of dates written without one, and the most bytes of a story file.

    `partners` are the names of those whose rights a story may say.
    """

    timezone: str = "UTC"
    max_file_bytes: int = 5_000_000
    partners: tuple[str, ...] = ()
