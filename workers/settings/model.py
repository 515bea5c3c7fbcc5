"""Every setting: name, type, default, meaning, and the rules for its own value."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, PrivateAttr, field_validator, model_validator

from workers.errors import BadConfigurationError
from workers.naming import MAX_SLOTS, worker_name
from workers.settings.connections import Connections
from workers.settings.files import path_problem
from workers.settings.route import Route, RouteTable, UnroutableError
from workers.settings.route_options import RouteOptions
from workers.settings.rules import conflicts
from workers.settings.values import Host, Seconds

ITERATION_SLACK = 15.0
"""Seconds of an iteration besides its write and its commit: a rebalance, and fetching the committed offsets."""


class Settings(RouteOptions, Connections):
    """The settings of a process. Create it with `settings.load`, which reports every problem at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    slot: int = Field(
        0,
        ge=0,
        le=MAX_SLOTS - 1,
        description="the number NN of this worker in the fleet: named worker_NN, metrics on port + NN",
    )
    state_dir: Path | None = Field(
        None, description="the folder for locks, heartbeats and member ids, which a successor needs to take over"
    )
    metrics_host: Host = Field("127.0.0.1", description="the address on which metrics and health are served")
    metrics_port: int = Field(9800, ge=0, le=65_435, description="the metrics port of slot 0; 0 picks a free one")
    metrics_optional: bool = Field(
        False, description="whether a worker whose metrics port is taken works without metrics"
    )
    lag_port: int = Field(9790, ge=0, le=65_535, description="the port of `workers lag`; 0 picks a free one")
    lag_interval: Seconds = Field(5, description="seconds between two polls of Kafka by `workers lag`")
    watchdog_port: int = Field(9791, ge=0, le=65_535, description="the port of the watchdog's metrics")
    auditor_port: int = Field(
        9792, ge=0, le=65_535, description="the port of the metrics of `workers audit`; 0 picks a free one"
    )
    audit_interval: Seconds = Field(5, description="seconds between two rounds of `workers audit`")
    audit_share: float = Field(
        0.003,
        ge=0,
        le=1,
        description="the share of a core with which `workers audit` verifies older records again; 0: never again",
    )
    events_file: Path | None = Field(None, description="the file to which the watchdog writes the events of the fleet")

    max_poll_records: int = Field(5_000, ge=1, le=100_000, description="records in one batch, at most")
    fetch_bytes: int = Field(
        1_048_576,
        ge=16_384,
        le=67_108_864,
        description="bytes of a partition in one fetch, compressed as in Kafka; more suits large documents",
    )
    max_value_bytes: int = Field(1_048_576, ge=1, le=8_388_608, description="a larger value is a dead letter")
    max_depth: int = Field(32, ge=1, le=90, description="a deeper value is a dead letter")
    max_fields: int = Field(10_000, ge=1, le=1_000_000, description="a value with more fields is a dead letter")

    max_rate: int = Field(
        0, ge=0, le=1_000_000_000, description="records a second that a worker reads, at most; 0: no limit"
    )
    max_byte_rate: int = Field(
        0, ge=0, le=1_000_000_000_000, description="bytes of values a second that a worker reads, at most; 0: no limit"
    )
    max_fleet_rate: int = Field(
        0,
        ge=0,
        le=1_000_000_000,
        description="records a second that all workers of the group read together, divided by those that own partitions; 0: no limit",
    )

    max_reject_share: float = Field(
        0.5, gt=0, le=1, description="a partition with a larger share of rejects is halted; 1: no limit"
    )
    min_reject_records: int = Field(
        1_000, ge=1, description="records of a partition before its share of rejects counts"
    )
    on_lost_records: Literal["continue", "stop"] = Field(
        "continue",
        description="what to do when Kafka deleted records unread, or truncated a log; stop: halt the partition",
    )
    memory_limit: int = Field(
        1_024,
        ge=128,
        le=16_777_216,
        description="MiB of data that a process may allocate; a worker that needs more ends and is restarted",
    )

    static_membership: bool = Field(
        False,
        description="whether a worker that stops or dies keeps its partitions for the session timeout, without a rebalance",
    )
    session_timeout: Seconds = Field(
        10, description="seconds without a heartbeat until Kafka removes a worker from the group"
    )
    heartbeat_interval: Seconds = Field(1, description="seconds between two heartbeats to Kafka")
    max_poll_interval: Seconds = Field(
        120,
        description="seconds that one iteration of the loop may take, until Kafka removes the worker from the group",
    )
    write_timeout: Seconds = Field(20, description="the timeout of a write to MongoDB, in seconds")
    refusal_patience: Seconds = Field(
        30,
        description="seconds that MongoDB must refuse a record without a known cause, while it stores others, until the record is a dead letter",
    )
    commit_timeout: Seconds = Field(5, description="the timeout of a commit, in seconds")
    progress_timeout: Seconds = Field(
        60, description="seconds without a commit in a partition with a backlog until the watchdog kills its worker"
    )
    drain_timeout: Seconds = Field(35, description="seconds from SIGTERM until a worker ends at the latest")
    stall_timeout: float = Field(
        60, ge=0, le=86_400, description="seconds without an iteration until a worker ends itself; 0: never"
    )
    healthy_after: Seconds = Field(
        10, description="seconds that a worker must live until earlier crashes no longer count"
    )
    max_records: int = Field(
        0, ge=0, description="records after which a worker is recycled: it stops, and a fresh one starts; 0: never"
    )
    max_memory: int = Field(
        0, ge=0, description="MiB of resident memory, on Linux, above which a worker is recycled; 0: never"
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the lowest level that is logged"
    )
    log_format: Literal["text", "json"] = Field("text", description="the format of log lines")

    _route_table: RouteTable | None = PrivateAttr(None)
    """What is in the file of `routes`."""
    _route_label: str | None = PrivateAttr(None)
    """Of the route whose settings these are; None: it is that of WORKERS_TOPIC."""

    @property
    def route_label(self) -> str | None:
        """The label of the route in the file of `routes` whose settings these are; None: they are no such route's."""
        return self._route_label

    @property
    def route_table(self) -> RouteTable:
        """All routes: those of the file, or the one that topic, collection and the route options are."""
        if self._route_table:
            return self._route_table
        # Its values were checked by the rules here: a route of the file has some more.
        options = {name: getattr(self, name) for name in RouteOptions.model_fields}
        return RouteTable((Route.model_construct(topics=(self.topic,), collection=self.collection, **options),))

    def with_routes(self, table: RouteTable) -> Settings:
        """The same, with what is in the file of `routes`."""
        settings = self.model_copy()
        settings._route_table = table  # noqa: SLF001 its own
        return settings

    def for_topic(self, topic: str) -> Settings:
        """The same for one topic, by its route, as if there were no other.

        Raises:
            UnroutableError: no route says what becomes of it.
        """
        if not self._route_table:
            return self if topic == self.topic else self.model_copy(update={"topic": topic})
        if (route := self._route_table.route_of(topic)) is None:
            raise UnroutableError(f"no route of WORKERS_ROUTES has the topic {topic}")
        options = {name: getattr(route, name) for name in RouteOptions.model_fields}
        # The path of the file stays, for messages: they name the place of a setting.
        settings = self.model_copy(update={"topic": topic, "collection": route.collection_of(topic), **options})
        settings._route_table = None  # noqa: SLF001 its own
        settings._route_label = route.label  # noqa: SLF001 its own
        return settings

    @property
    def worker(self) -> str:
        """The name of this worker, the same after a restart: see `workers.naming`."""
        return worker_name(self.slot)

    @property
    def max_iteration_seconds(self) -> float:
        """Seconds that one iteration of the loop may take."""
        return self.write_timeout + self.commit_timeout + ITERATION_SLACK

    @field_validator("state_dir", "events_file", "ssl_cafile", "routes", check_fields=False)
    @classmethod
    def _is_a_path(cls, path: Path | None) -> Path | None:
        if path and (problem := path_problem(path)):
            raise ValueError(problem)
        return path

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        problems = conflicts(self)
        if problem := self.fields_problem():
            problems.append(f"WORKERS_METADATA_FIELD={self.metadata_field}: {problem}")
        if problems:
            raise BadConfigurationError(problems)
        return self
