"""Logs: one line an event, to standard output, where supervisord keeps one file a worker."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO, cast

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

    from workers.settings import Settings

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def configure(settings: Settings, name: str | None = None) -> None:
    """Send this package's log, and the warnings of the Kafka client's, to standard output as lines of one form.

    Args: name: of who logs, where that is no worker.
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
    out = cast("TextIO", _Lasting(sys.stdout))
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # Never the clients' own DEBUG: it has every byte that they send and receive, passwords and payloads too.
    root.setLevel(logging.INFO if settings.log_level == "debug" else logging.WARNING)


class _Lasting:
    """Standard output that nobody has to read: a worker whose supervisord was killed must still finish its batch."""

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
    """Escape control characters: what came from outside must not forge a line or drive a terminal."""
    for key, value in event.items():
        if isinstance(value, str) and CONTROL.search(value):
            event[key] = CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", value)
    return event
