"""Why Kafka refuses this client: the reason, and the setting to change.

Of TLS, of a login, and of a port that speaks another protocol, the client says only that its timeout was reached. So, where
there is something to refuse, one connection is made before the client's (`require_admission`): a login that is refused is
then tried once, and not for the whole timeout, which locks accounts. Else one is made after the client's timeout (`explain`).
"""

from __future__ import annotations

import re
import socket
import struct
import time
from typing import TYPE_CHECKING

from workers.errors import LoginRefusedError, UnavailableError
from workers.kafka.admission import Admission, AskedBroker
from workers.kafka.handshake import Handshake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.settings import Settings

DIAGNOSIS_SECONDS = 2.0
"""For one diagnosis, of all brokers together. A person waits, or a worker whose heartbeat stands meanwhile."""
LEAST_SECONDS = 0.3
"""For each broker behind the first one, when the time is used up."""


def require_admission(settings: Settings, seconds: float = DIAGNOSIS_SECONDS) -> None:
    """Find out whether the brokers admit this client. Returns at once where they have nothing to refuse.

    A broker that does not answer is not waited for: the client does that.

    Raises:
        LoginRefusedError: the user, the password or the mechanism.
        UnavailableError: TLS or the protocol of the port.
    """
    if settings.security_protocol == "PLAINTEXT":
        return
    refusal, _ = _diagnose(settings, seconds)
    if refusal.reason:
        raise (LoginRefusedError if refusal.is_login else UnavailableError)(refusal.reason)


def explain(settings: Settings, seconds: float = DIAGNOSIS_SECONDS) -> str:
    """The message for a client that has found no broker."""
    deadline = time.monotonic() + seconds
    refusal, unreachable = _diagnose(settings, seconds, ask_brokers=True)
    if refusal.reason:
        return refusal.reason
    away = _unreachable(refusal.advertised, deadline)
    if away and len(away) == len(refusal.advertised):
        return (
            f"Kafka at {settings.bootstrap_servers} sends its clients to {', '.join(away)}, which cannot be reached from here "
            f"({next(iter(away.values()))}): mend advertised.listeners at the broker, or name another port of it in "
            f"WORKERS_BOOTSTRAP_SERVERS"
        )
    if away:
        return f"Kafka at {settings.bootstrap_servers}: {', '.join(away)} cannot be reached; are these brokers down?"
    return nobody_answers(settings, unreachable)


def nobody_answers(settings: Settings, why: str | None) -> str:
    """The message where no broker can be asked. Args: why: what the connection met; None: not known."""
    silent = (
        f"no Kafka broker answered at {settings.bootstrap_servers}: is it running, is WORKERS_BOOTSTRAP_SERVERS right?"
    )
    return f"{silent} ({why})" if why else silent


def _unreachable(brokers: Sequence[tuple[str, int]], deadline: float) -> dict[str, str]:
    """Why, by host and port, of those that cannot be reached."""
    away = {}
    for host, port in brokers:
        try:
            with Handshake(host, port, max(deadline, time.monotonic() + LEAST_SECONDS)):
                pass
        except OSError as error:
            away[f"{host}:{port}"] = error.strerror or str(error)
    return away


def _diagnose(settings: Settings, seconds: float, *, ask_brokers: bool = False) -> tuple[Admission, str | None]:
    """What is refused; and why nobody could be asked, if nobody could. Args: ask_brokers: for `Admission.advertised`."""
    deadline, unreachable = time.monotonic() + seconds, None
    first: Admission | None = None
    servers = settings.bootstrap_servers.split(",")
    for number, server in enumerate(servers):
        left = max(0.1, deadline - time.monotonic())
        host, port = split_address(server)
        try:
            until = time.monotonic() + left / (len(servers) - number)
            refusal = AskedBroker(settings, host, port, until, ask_brokers=ask_brokers).refusal()
        except (struct.error, UnicodeDecodeError):
            first = first or Admission(f"Kafka at {host}:{port}: what came is no answer of Kafka")
        except socket.gaierror as error:
            unreachable = f"the name {host} is not known: {error.strerror}"
        except OSError as error:
            unreachable = error.strerror or str(error)
        else:
            reason = refusal.reason and f"Kafka at {host}:{port}: {refusal.reason}"
            refusal = refusal._replace(reason=reason)
            if reason is None or refusal.is_login:
                return refusal, None
            # One broker with an expired certificate keeps no client out: the client asks the next one too.
            first = first or refusal
    return (first, None) if first else (Admission(None), unreachable)


def split_address(server: str) -> tuple[str, int]:
    """Host and port of one of WORKERS_BOOTSTRAP_SERVERS."""
    host, _, port = re.sub("^[A-Z_]+://", "", server.strip()).rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)
