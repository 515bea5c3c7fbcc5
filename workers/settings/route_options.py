"""Settings that each route has for itself: in the file of routes, or as WORKERS_* for the one topic of WORKERS_TOPIC."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workers.settings.policies import PolicyOptions


class RouteOptions(PolicyOptions):
    """A part of `Settings`, and of each `Route`. A decoder is made of them: `workers.decoding.open_decoder`."""

    on_tombstone: Literal["dead_letter", "ignore"] = Field(
        "dead_letter",
        description="what becomes of a record without a value; ignore: it is counted, and leaves nothing behind",
    )
