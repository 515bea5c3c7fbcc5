"""Settings that each route has for itself: in the file of routes, or as WORKERS_* for the one topic of WORKERS_TOPIC."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field, field_validator

from workers.settings.start import EARLIEST, parse_start


class RouteOptions(BaseModel):
    """A part of `Settings`, and of each `Route`. A decoder is made of them: `workers.decoding.open_decoder`."""

    on_tombstone: Literal["dead_letter", "ignore"] = Field(
        "dead_letter",
        description="what becomes of a record without a value; ignore: it is counted, and leaves nothing behind",
    )
    start: str = Field(
        default=EARLIEST,
        max_length=40,
        description="where a topic begins that the group has never committed: earliest, latest, a time, or how long ago (-6h)",
    )

    @field_validator("start", mode="before")
    @classmethod
    def _is_a_time_of_toml(cls, value: object) -> object:
        return value.isoformat() if isinstance(value, datetime) else value

    @field_validator("start")
    @classmethod
    def _is_a_start(cls, value: str) -> str:
        return parse_start(value.strip()).text
