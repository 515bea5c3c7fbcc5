"""The configuration of logs: one line an event, to standard output, of which supervisord keeps one file a process.

What the operator must see although standard output cannot be written goes to standard error, in the same format.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, TextIO, cast

import structlog

from workers.monitoring.log_limit import LimitedHandler
from workers.monitoring.log_output import DROPPED_FIELD, LogOutput

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor, WrappedLogger

    from workers.settings import Settings

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

OF_A_BUSY_MACHINE = "blocking the event loop"
"""In the warning of the Kafka client that a step of its IO thread took more than 0.1 s: on a machine with other work each does
now and then, and nobody can do anything about it. What comes of it, a lost connection for example, is logged by itself."""


def configure(settings: Settings, name: str | None = None) -> LogOutput:
    """Write this package's log, and the clients' warnings, to standard output in one format.

    Args: name: of the process, if it is not a worker.

    Returns:
        Where the lines go: it counts those that could not be written.
    """
    routes = settings.route_table
    # With several topics a line about partitions names them, and no other is about one of them.
    topic = None if routes.has_several_topics else routes.topics[0]

    def name_worker(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        event["worker"] = name or settings.worker
        if topic is not None:
            # Behind what is said of it.
            event["topic"] = event.pop("topic", topic)
        if out.dropped_in_a_row:
            event[DROPPED_FIELD] = out.dropped_in_a_row
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
    out = LogOutput(sys.stdout, standard_error())
    stream = cast("TextIO", out)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = LimitedHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    handler.addFilter(lambda record: OF_A_BUSY_MACHINE not in str(record.msg))
    root = logging.getLogger()
    root.handlers = [handler]
    # Never the clients' DEBUG level: they log every byte that they send and receive, also passwords and payloads.
    root.setLevel(logging.INFO if settings.log_level == "debug" else logging.WARNING)
    return out


def standard_error() -> Callable[[str], None]:
    """A function that writes a warning to standard error, in the format of the log. It never raises, and never waits long."""
    logger = structlog.WriteLogger(cast("TextIO", LogOutput(sys.stderr)))
    return cast("Callable[[str], None]", structlog.wrap_logger(logger).warning)


def _escape(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Escape control characters: a text from outside must not forge a line or control a terminal."""
    for key, value in event.items():
        if isinstance(value, str) and CONTROL.search(value):
            event[key] = CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", value)
    return event
