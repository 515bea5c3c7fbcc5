"""The configuration of logs: one line an event, to standard output, of which supervisord keeps one file a process."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO, cast

import structlog

from workers.monitoring.log_limit import LimitedHandler

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

    from workers.settings import Settings

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def configure(settings: Settings, name: str | None = None) -> None:
    """Write this package's log, and the clients' warnings, to standard output in one format.

    Args: name: of the process, if it is not a worker.
    """

    def name_worker(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        event["worker"] = name or settings.worker
        event.setdefault("topic", settings.topic)
        return event

    shared: list[Processor] = [
        name_worker,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _escape,
    ]
    render: Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.processors.LogfmtRenderer(
            key_order=["timestamp", "level", "worker", "event", "action"], drop_missing=True, bool_as_flag=False
        )
    )
    out = cast("TextIO", _WithoutReader(sys.stdout))
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = LimitedHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # Never the clients' DEBUG level: they log every byte that they send and receive, also passwords and payloads.
    root.setLevel(logging.INFO if settings.log_level == "debug" else logging.WARNING)


class _WithoutReader:
    """Standard output that ignores a broken pipe: a worker whose supervisord was killed must still finish its batch."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(BrokenPipeError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(BrokenPipeError):
            self._stream.flush()


def _escape(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Escape control characters: a text from outside must not forge a line or control a terminal."""
    for key, value in event.items():
        if isinstance(value, str) and CONTROL.search(value):
            event[key] = CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", value)
    return event
