"""The settings: how many are set and where, and which of them have no effect. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from workers.findings import Finding, Severity, advised, count, ok, size, warning
from workers.settings import redact, unused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.doctor.answers import DoctorAnswers
    from workers.settings import Settings

DEFAULT = "default"


MEMORY_OF_A_RESPONSE = 12
"""Times WORKERS_FETCH_BYTES: a response holds two of it, and is in memory several times while it arrives (decision 9)."""


def check_memory(answers: DoctorAnswers) -> Iterator[Finding]:
    """What one fetch takes, beside what a worker may allocate."""
    settings = answers.loaded.settings
    limit = settings.memory_limit << 20
    if settings.fetch_bytes * MEMORY_OF_A_RESPONSE > limit:
        yield warning(
            "settings.memory",
            f"WORKERS_FETCH_BYTES={settings.fetch_bytes}: one fetch may take {size(settings.fetch_bytes * MEMORY_OF_A_RESPONSE)} "
            f"of memory, and a worker may allocate {size(limit)}",
            f"raise WORKERS_MEMORY_LIMIT, or set WORKERS_FETCH_BYTES={limit // MEMORY_OF_A_RESPONSE} or less",
        )


def check_settings(answers: DoctorAnswers) -> Iterator[Finding]:
    """What this command works with."""
    settings, sources = answers.loaded.settings, answers.loaded.sources
    given = Counter(source for source in sources.values() if source != DEFAULT)
    named = {"environment": "the environment", "option": "an option"}
    listed = ", ".join(f"{number} from {named.get(source, source)}" for source, number in sorted(given.items()))
    yield ok("settings.valid", f"{count(len(sources), 'setting')}: {listed or 'all of them defaults'}")
    uri = redact(settings)["WORKERS_MONGODB_URI"].partition("?")[0]
    yield ok(
        "settings.names",
        f"{_what(settings)} at {uri}",
    )
    for note in unused(settings):
        yield advised("settings.unused", Severity.WARNING, note, "remove what is not used")


def _what(settings: Settings) -> str:
    table = settings.route_table
    if table.has_several_topics:
        return f"{count(len(table.routes), 'route')} of {settings.routes}, group {settings.group}, into {settings.database}"
    of_topic = settings.for_topic(table.topics[0])
    return f"topic {of_topic.topic}, group {settings.group}, into {settings.database}.{of_topic.collection}"


CHECKS = (check_settings, check_memory)
