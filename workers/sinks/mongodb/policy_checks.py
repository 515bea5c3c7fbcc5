"""Whether the server holds what the policies of the settings would store. For `workers doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.errors import BadConfigurationError, SinkUnavailableError
from workers.findings import Finding, ok, unknown, wrong
from workers.sinks.mongodb.probe import needs_of, require_policies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo import MongoClient

    from workers.settings import Settings

CHECK = "mongodb.policies"


def check_policies(client: MongoClient[Any], settings: Settings) -> Iterator[Finding]:
    """By the probe with which a worker starts. Nothing is written, and nothing said, where no policy needs it."""
    needs = [need for route in settings.route_table.routes for need in needs_of(route)]
    if not needs:
        return
    try:
        require_policies(client, settings)
    except BadConfigurationError as error:
        for problem in error.problems:
            said, _, fix = problem.partition(". Set ")
            yield wrong(CHECK, said, f"set {fix}")
    except SinkUnavailableError as error:
        yield unknown(CHECK, f"it is not known whether the database holds what the policies store: {error}")
    else:
        held = ", ".join(dict.fromkeys(need.what for need in needs))
        yield ok(CHECK, f"it holds what the policies store: {held}")
