"""Log events as lines on standard error: for people on a terminal, JSON elsewhere.

Knows no event: the modules that log give names and fields.
"""

import logging
import sys
from typing import Literal

import structlog

Form = Literal["auto", "console", "json"]

_present: tuple[str, Form] = ("info", "auto")


def present() -> tuple[str, Form]:
    """The level and form set up last, for a child process that must log as this one does."""
    return _present


def set_up_logging(level: str, form: Form = "auto") -> None:
    """Write events of at least `level` in the given form, and those of libraries likewise."""
    global _present
    _present = level, form
    number = logging.getLevelNamesMapping()[level.upper()]
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            *([] if console else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        # Writes a line and its line end in one call, because other processes write to the same stream.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=renderer, foreign_pre_chain=[*shared, structlog.processors.format_exc_info]
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
    # APScheduler warns whenever a job is due while its last run goes on, which is no fault.
    logging.getLogger("apscheduler").setLevel(max(number, logging.ERROR))
