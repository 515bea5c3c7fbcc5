"""Each server of Kafka by itself: whether it answers and admits this client, and how fast. The client tells of none by name."""

from __future__ import annotations

import queue
import socket
import ssl
import struct
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from workers.kafka.admission import AskedBroker
from workers.kafka.diagnosis import split_address
from workers.kafka.handshake import Handshake, NotKafkaError
from workers.process import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.settings import Settings

SERVER_SECONDS = 3.0
"""For one server, all steps together: long enough for one that is busy, and short for a person who waits."""


class KafkaServer(NamedTuple):
    """One server, and what became of the attempt to use it."""

    address: str
    problem: str | None
    """Why it cannot be used; None: it can."""
    seconds: float = 0.0
    """From the connection to its last answer."""
    is_login: bool = False
    """Whether it refuses the login."""
    certificate_ends: float | None = None
    """See `Admission.certificate_ends`."""
    advertised: tuple[tuple[str, int], ...] = ()
    """Host and port of every broker, where it sends its clients."""


def ask_bootstrap_servers(settings: Settings, seconds: float = SERVER_SECONDS) -> list[KafkaServer]:
    """Each server of WORKERS_BOOTSTRAP_SERVERS, with TLS and login, in the order of the setting.

    The first alone, the others side by side. Once a login is refused no other is tried: accounts are locked after some.
    """
    first, *rest = [each.strip() for each in settings.bootstrap_servers.split(",")]
    asked = [_ask(settings, first, seconds)]
    if asked[0].is_login:
        return asked + [KafkaServer(each, "not asked, since the login was refused", is_login=True) for each in rest]
    return asked + _side_by_side([partial(_ask, settings, each, seconds) for each in rest], seconds)


def unreachable(addresses: Sequence[tuple[str, int]], seconds: float = SERVER_SECONDS) -> dict[str, str]:
    """Why, by host:port, of the advertised addresses to which this machine finds no way. Nothing is sent there."""
    found = _side_by_side([partial(_connect, host, port, seconds) for host, port in addresses], seconds)
    return {each.address: each.problem for each in found if each.problem}


def _ask(settings: Settings, server: str, seconds: float) -> KafkaServer:
    started = time.monotonic()
    host, port = split_address(server)
    try:
        found = AskedBroker(settings, host, port, started + seconds, ask_brokers=True).refusal()
    except (struct.error, UnicodeDecodeError, NotKafkaError):
        return KafkaServer(server, "what came is no answer of Kafka: set WORKERS_BOOTSTRAP_SERVERS to a port of Kafka")
    except OSError as error:
        return KafkaServer(server, _reason(host, error, seconds))
    silent = None if found.is_admitted else f"takes connections and does not answer within {seconds:.0f} s"
    passed = time.monotonic() - started
    return KafkaServer(server, found.reason or silent, passed, found.is_login, found.certificate_ends, found.advertised)


def _connect(host: str, port: int, seconds: float) -> KafkaServer:
    address = f"{host}:{port}"
    try:
        with Handshake(host, port, time.monotonic() + seconds):
            return KafkaServer(address, None)
    except OSError as error:
        return KafkaServer(address, _reason(host, error, seconds))


def _reason(host: str, error: OSError, seconds: float) -> str:
    if isinstance(error, socket.gaierror):
        return f"the name {host} is not known here ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there (connection refused)"
    if isinstance(error, TimeoutError) and not isinstance(error, ssl.SSLError):
        return f"no answer within {seconds:.0f} s"
    return error.strerror or str(error)


def _side_by_side(questions: Sequence[Callable[[], KafkaServer]], seconds: float) -> list[KafkaServer]:
    """The answers, in the order of the questions. Each question has a deadline of its own."""
    answers: queue.SimpleQueue[tuple[int, KafkaServer]] = queue.SimpleQueue()

    def ask(number: int, question: Callable[[], KafkaServer]) -> None:
        answers.put((number, question()))

    for number, question in enumerate(questions):
        start_thread(partial(ask, number, question), "server")
    # A name server may take longer than the deadline of the steps behind it.
    found = dict(answers.get(timeout=3 * seconds) for _ in questions)
    return [found[number] for number in range(len(questions))]
