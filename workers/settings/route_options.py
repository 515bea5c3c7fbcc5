"""Settings that each route has for itself: in the file of routes, or as WORKERS_* for the one topic of WORKERS_TOPIC."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from workers.settings.policies import PolicyOptions
from workers.settings.start import EARLIEST, parse_start
from workers.settings.values import Text, field_problem

ValueFormat = Literal["json", "extended_json", "text", "bytes"]
KeyFormat = Literal["bytes", "text", "json", "extended_json"]
MetadataPart = Literal["place", "timestamp", "key", "headers"]
FORMATS = ("value_format", "value_field", "key_format", "metadata", "metadata_field")
"""Options on which the document of a record depends, besides the policies."""


class RouteOptions(PolicyOptions):
    """A part of `Settings`, and of each `Route`. A decoder is made of them: `workers.decoding.open_decoder`."""

    value_format: ValueFormat = Field(default="json", description="what the values of the records are")
    value_field: Text = Field(default="value", description="the field into which a value of text or bytes goes")
    key_format: KeyFormat = Field(
        default="bytes", description="what the keys of the records are; a key that is something else is stored as bytes"
    )
    metadata: tuple[MetadataPart, ...] = Field(
        default=(),
        description="what else of a record is stored: place, timestamp, key, headers; several with commas between them",
    )
    metadata_field: Text = Field(
        default="_kafka",
        description="the field into which it goes; a value that has it is a dead letter",
    )
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

    @field_validator("metadata", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """As a variable it is text."""
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("metadata")
    @classmethod
    def _in_order(cls, parts: tuple[MetadataPart, ...]) -> tuple[MetadataPart, ...]:
        """In the order in which they are stored, whatever the order in which they are written: documents do not depend on it."""
        return tuple(part for part in ("place", "timestamp", "key", "headers") if part in parts)

    @field_validator("value_field", "metadata_field")
    @classmethod
    def _is_a_field(cls, name: str) -> str:
        if problem := field_problem(name):
            raise ValueError(problem)
        return name

    @property
    def chosen_formats(self) -> list[str]:
        """Those of the formats and of the metadata that are not the default: `value_format=text`."""
        given = {name: getattr(self, name) for name in FORMATS if getattr(self, name) != _DEFAULTS[name]}
        return [f"{name}={','.join(value) if isinstance(value, tuple) else value}" for name, value in given.items()]

    def fields_problem(self) -> str | None:
        """Why value and metadata have no fields of their own; None: they have."""
        if self.metadata and self.value_format in ("text", "bytes") and self.metadata_field == self.value_field:
            return "is also the field of the value, value_field: choose two names"
        return None


_DEFAULTS = {name: RouteOptions.model_fields[name].default for name in FORMATS}
