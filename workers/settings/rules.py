"""Conflicts between settings that are each valid: above all timeouts that must fit inside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_NAMESPACE, LONGEST_DATABASE = 255, 63
"""Bytes: https://www.mongodb.com/docs/manual/reference/limits/"""
LONGEST_SUFFIX = "_dead_letters"
"""Of `workers.sinks.mongodb.client`."""
_IN_THE_CLEAR = {
    True: "sends the password in the clear; use SASL_SSL",
    False: "with SCRAM the password itself is not sent in the clear, but all records are, and whoever listens can guess at the "
    "password without a limit; use SASL_SSL",
}
"""By whether the mechanism is PLAIN."""


class Values(Protocol):
    """The settings that the rules compare, each valid by itself. Times are seconds."""

    @property
    def bootstrap_servers(self) -> str: ...
    @property
    def database(self) -> str: ...
    @property
    def collection(self) -> str: ...
    @property
    def security_protocol(self) -> str: ...
    @property
    def sasl_mechanism(self) -> str: ...
    @property
    def ssl_cafile(self) -> object | None: ...
    @property
    def sasl_username(self) -> str | None: ...
    @property
    def sasl_password(self) -> object | None: ...
    @property
    def session_timeout(self) -> float: ...
    @property
    def heartbeat_interval(self) -> float: ...
    @property
    def max_poll_interval(self) -> float: ...
    @property
    def write_timeout(self) -> float: ...
    @property
    def commit_timeout(self) -> float: ...
    @property
    def progress_timeout(self) -> float: ...
    @property
    def drain_timeout(self) -> float: ...
    @property
    def stall_timeout(self) -> float: ...
    @property
    def key_format(self) -> str: ...
    @property
    def metadata(self) -> Sequence[str]: ...
    @property
    def max_iteration_seconds(self) -> float: ...


def conflicts(settings: Values) -> list[str]:
    """Every conflict, as a line for people."""
    write_and_commit = settings.write_timeout + settings.commit_timeout
    problems = []
    if write_and_commit >= settings.drain_timeout:
        problems.append(
            f"WORKERS_DRAIN_TIMEOUT={settings.drain_timeout:g}: must be longer than a write and a commit together "
            f"({write_and_commit:g} s), or a stop may end the worker before its batch in flight is committed"
        )
    if 2 * write_and_commit >= settings.max_poll_interval:
        problems.append(
            f"WORKERS_MAX_POLL_INTERVAL={settings.max_poll_interval:g}: must be more than twice a write and a commit "
            f"together ({write_and_commit:g} s), or Kafka removes a worker that waits for MongoDB from the group"
        )
    elif (
        settings.stall_timeout
        and not settings.max_iteration_seconds < settings.stall_timeout < settings.max_poll_interval
    ):
        problems.append(
            f"WORKERS_STALL_TIMEOUT={settings.stall_timeout:g}: must be longer than an iteration may take "
            f"({settings.max_iteration_seconds:g} s) and shorter than WORKERS_MAX_POLL_INTERVAL={settings.max_poll_interval:g}, "
            f"when Kafka removes the worker from the group; or 0, for never"
        )
    if write_and_commit >= settings.progress_timeout:
        problems.append(
            f"WORKERS_PROGRESS_TIMEOUT={settings.progress_timeout:g}: must be longer than a write and a commit "
            f"together ({write_and_commit:g} s), or the watchdog kills workers that are slow but not hung"
        )
    if settings.heartbeat_interval * 3 > settings.session_timeout:
        problems.append(
            f"WORKERS_SESSION_TIMEOUT={settings.session_timeout:g}: must be at least three times "
            f"WORKERS_HEARTBEAT_INTERVAL={settings.heartbeat_interval:g}"
        )
    if settings.security_protocol.startswith("SASL") and not (settings.sasl_username and settings.sasl_password):
        problems.append(
            f"WORKERS_SECURITY_PROTOCOL={settings.security_protocol}: needs WORKERS_SASL_USERNAME and a password"
        )
    servers = [server.strip() for server in settings.bootstrap_servers.split(",")]
    hosts = {server.rpartition("://")[2].rpartition(":")[0] for server in servers}
    if settings.security_protocol == "SASL_PLAINTEXT" and not hosts <= {"localhost", "127.0.0.1", "[::1]"}:
        problems.append(
            f"WORKERS_SECURITY_PROTOCOL=SASL_PLAINTEXT: {_IN_THE_CLEAR[settings.sasl_mechanism == 'PLAIN']}"
        )
    problems.extend(
        f"WORKERS_BOOTSTRAP_SERVERS: begins with {protocol}://, and WORKERS_SECURITY_PROTOCOL is "
        f"{settings.security_protocol}; leave {protocol}:// out, or set that"
        for protocol in {server.partition("://")[0] for server in servers if "://" in server}
        if protocol != settings.security_protocol
    )
    namespace = f"{settings.database}.{settings.collection}{LONGEST_SUFFIX}"
    if len(namespace.encode()) > LONGEST_NAMESPACE:
        problems.append(
            f"WORKERS_COLLECTION: is too long: {namespace[:60]}... would have {len(namespace.encode())} bytes with the suffix of "
            f"the dead letters, and MongoDB allows {LONGEST_NAMESPACE}"
        )
    if len(settings.database.encode()) > LONGEST_DATABASE:
        problems.append(f"WORKERS_DATABASE: is too long: MongoDB allows {LONGEST_DATABASE} bytes")
    if settings.database in ("local", "config"):
        problems.append(
            f"WORKERS_DATABASE={settings.database}: belongs to the server itself, and is not replicated as others are; use another"
        )
    return problems


def unused(settings: Values) -> list[str]:
    """Settings that have no effect beside the others, as lines for people. They break nothing, so they are not refused."""
    protocol, notes = settings.security_protocol, []
    if not protocol.startswith("SASL") and (settings.sasl_username or settings.sasl_password):
        notes.append(
            f"WORKERS_SASL_USERNAME and its password are not used with WORKERS_SECURITY_PROTOCOL={protocol}: there is no login; "
            f"to log in, set SASL_SSL"
        )
    if "SSL" not in protocol and settings.ssl_cafile:
        notes.append(
            f"WORKERS_SSL_CAFILE is not used with WORKERS_SECURITY_PROTOCOL={protocol}: nothing is encrypted; to encrypt, set "
            f"{'SASL_SSL' if protocol.startswith('SASL') else 'SSL'}"
        )
    if settings.key_format != "bytes" and "key" not in settings.metadata:
        notes.append("WORKERS_KEY_FORMAT is not used without key in WORKERS_METADATA: no key is stored")
    return notes
