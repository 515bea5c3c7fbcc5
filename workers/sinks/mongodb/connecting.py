"""Why MongoDB cannot be reached, or refuses this client: the reason, and what to change in WORKERS_MONGODB_URI."""

from __future__ import annotations

import re
import socket
import ssl
import struct
from typing import TYPE_CHECKING

import bson
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError, ServerSelectionTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

PROBE_SECONDS = 1.0
LOGIN_REFUSED, NOT_AUTHORIZED, NO_MECHANISM = (18, 8000), 13, 334
"""The server's codes: AuthenticationFailed and Atlas's own, Unauthorized, MechanismUnavailable."""
URI = "WORKERS_MONGODB_URI"
CERTIFICATES = (
    ("has expired", "the server's certificate, or that of its authority in tlsCAFile, has expired: renew it"),
    ("not yet valid", "the server's certificate is not valid yet: is the clock of this machine right?"),
    ("mismatch", f"the server's certificate is not valid for this name: write a name that it is valid for into {URI}"),
    ("revoked", "the server's certificate was revoked: give the server a new one"),
    (
        "",
        f"the server's certificate is not signed by an authority that is known here: set tlsCAFile in {URI} to its PEM file",
    ),
)
"""What OpenSSL says, and what to do."""
DEMANDED = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE", "UNKNOWN_CA", "CERTIFICATE_UNKNOWN")
"""Parts of the alerts by which a server refuses a client for its certificate, or for having none."""
OP_MSG = 2013
NO_ANSWER = "No servers found yet"

_uses_tls = False


def remember(uri: str) -> None:
    """Note whether the URI asks for TLS: the driver's errors do not say. A process has one URI, however many clients."""
    global _uses_tls  # noqa: PLW0603 an error reaches this module without the client that raised it
    options = dict(pair.lower().partition("=")[::2] for pair in re.split("[&;]", uri.partition("?")[2]))
    _uses_tls = options.get("tls", options.get("ssl", "true" if uri.startswith("mongodb+srv") else "")) == "true"


def reason(error: PyMongoError) -> str | None:
    """The reason of an error of connecting, in one line; None: the error says nothing about that.

    May connect once more, for a second, where the driver saw only that the connection was closed.
    """
    if isinstance(error, ConfigurationError):
        return f"the name in {URI} cannot be resolved: {_first(error)}" if is_unresolved(error) else None
    if isinstance(error, OperationFailure):
        return _refusal(error)
    if not isinstance(error, ServerSelectionTimeoutError):
        return None
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        advice = next(advice for said, advice in CERTIFICATES if said in text)
        return f"{_address(text)}{advice} ({_openssl(text)})"
    if "replica set name" in text or "replica set named" in text:
        return f"{_first(error)}: is replicaSet in {URI} right?"
    if any(alert in text for alert in DEMANDED):
        return _certificate_demanded(text)
    if _uses_tls and ("SSL handshake failed" in text or "[SSL" in text or NO_ANSWER in text):
        # Some servers wait for the rest of what is no message to them.
        return _without_tls(text)
    if "connection closed" in text or "Connection reset" in text:
        return _with_tls(text)
    return None


def is_unresolved(error: PyMongoError) -> bool:
    """Whether a name of mongodb+srv:// is not known now. The driver asks DNS at the first command, and calls it a
    configuration error.
    """
    cause = error.__cause__
    return isinstance(error, ConfigurationError) and cause is not None and type(cause).__module__.startswith("dns.")


def is_login_refused(error: PyMongoError) -> bool:
    """Whether the server knows no such user, or another password."""
    return isinstance(error, OperationFailure) and error.code in LOGIN_REFUSED


def _refusal(error: OperationFailure) -> str | None:
    if error.code in LOGIN_REFUSED:
        return f"MongoDB refused the user or the password in {URI}, or does not have the user in this authSource"
    # Not in the refusal of a command, which names collections too.
    if error.code == NO_MECHANISM or (error.code != NOT_AUTHORIZED and "mechanism" in str(error).lower()):
        return f"MongoDB does not offer the mechanism of the login: is authMechanism in {URI} right?"
    if error.code != NOT_AUTHORIZED:
        return None
    if "requires authentication" in str(error):
        return f"MongoDB demands a login: write a user and a password into {URI}"
    # Not more of the text: the server repeats the command, with what is in it.
    refused = re.search(r"not authorized on (\S+) to execute command \{ ?\"?(\w+)", str(error))
    what = f"the command {refused[2]} on the database {refused[1]}" if refused else "that"
    return f"MongoDB does not authorize the user in {URI} for {what}: grant it the role readWrite there"


def _certificate_demanded(text: str) -> str:
    return f"{_address(text)}the server demands a client certificate: set tls=true and tlsCertificateKeyFile in {URI}"


def _with_tls(text: str) -> str | None:
    """The server closes the connection. It may want to speak TLS, or see a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def speak(connection: socket.socket) -> str | None:
        with context.wrap_socket(connection) as encrypted:
            try:
                # TLS 1.3 refuses a client for its certificate after the handshake, with an alert or without a word; a
                # server that takes it waits for its first command.
                closed = not encrypted.recv(1)
            except TimeoutError:
                closed = False
            except OSError:
                closed = True
        if closed:
            return _certificate_demanded(text)
        if _uses_tls:
            return None
        return f"{_address(text)}the port speaks TLS: write tls=true into {URI}"

    return _probe(text, speak)


def _without_tls(text: str) -> str | None:
    """TLS is not answered. The port may speak MongoDB's protocol without it."""

    def speak(connection: socket.socket) -> str | None:
        body = struct.pack("<iB", 0, 0) + bson.encode({"hello": 1, "$db": "admin"})
        connection.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, OP_MSG) + body)
        if struct.unpack("<iiii", connection.recv(16, socket.MSG_WAITALL).ljust(16, b"\0"))[3] != OP_MSG:
            return None
        return (
            f"{_address(text)}the port speaks MongoDB without TLS: remove tls=true from {URI}, or name a port with TLS"
        )

    return _probe(text, speak)


def _probe(text: str, speak: Callable[[socket.socket], str | None]) -> str | None:
    host, _, port = _address(text).removesuffix(": ").rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS) as connection:
            return speak(connection)
    except (OSError, ValueError):
        return None


def _address(text: str) -> str:
    """The first server that the driver names, as `host:port: `."""
    if found := re.search(r"((?:\[[0-9a-fA-F:.%]+\]|[\w.-]+):\d+): ", text):
        return found[0]
    described = re.search(r"<ServerDescription \('([^']+)', (\d+)\)", text)
    return f"{described[1]}:{described[2]}: " if described else ""


def _openssl(text: str) -> str:
    found = re.search(r"certificate verify failed: ([^(]*)", text)
    return found[1].strip() if found else "certificate verify failed"


def _first(error: Exception) -> str:
    """What the driver says first; the rest is its own view of all servers."""
    text = " ".join(str(error).split())
    return re.split(r" \(configured timeouts|, Timeout: |, full error", text)[0][:200].rstrip(".")


def silent(error: PyMongoError) -> str:
    """A server that does not answer: which, and what the connection met."""
    found = re.findall(r"<ServerDescription \('([^']+)', (\d+)\)", str(error))
    hosts = dict.fromkeys(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in found)
    where = f" at {', '.join(hosts)}" if hosts else ""
    first = _first(error)
    if len(hosts) == 1:
        # It stands before the reason already.
        first = first.removeprefix(f"{next(iter(hosts))}: ")
    if NO_ANSWER in first:
        first = "no answer in time"
    first = re.sub(r"\[Errno -?\d+\] ", "", first)
    what = "has no primary" if "Primary()" in first else "does not answer"
    return f"MongoDB {what}{where} ({first or type(error).__name__})"


def unanswered(error: PyMongoError) -> str:
    """The message for a server that does not answer."""
    return f"{silent(error)}: is it running, is {URI} right?"
