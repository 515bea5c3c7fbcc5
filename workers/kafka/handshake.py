"""One connection to a broker, step by step: name, TCP, TLS, protocol, login. For finding out which step is refused.

The client retries all of these until its timeout, and loses the reason. The few requests are written out here, in versions
that every broker since 1.0 answers: https://kafka.apache.org/protocol
"""

from __future__ import annotations

import queue
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

from kafka.net.sasl import get_sasl_mechanism

if TYPE_CHECKING:
    from pathlib import Path

API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE, METADATA = (18, 0), (17, 1), (36, 0), (3, 1)
"""Key and version of each request."""
NOT_SASL, NO_ERROR = 34, 0
"""Error codes: the listener has no login."""
MOST_BYTES = 1_000_000
"""Of an answer. What does not speak Kafka seems to announce a much longer one."""


NO_PROOF = "the broker could not prove that it knows the password"


class NotKafkaError(Exception):
    """The connection was closed, or what came is no answer of Kafka."""


class Login(NamedTuple):
    """The answer to a login."""

    accepted: bool
    why: str


class Handshake:
    """One connection. Every method raises OSError when the other side closes it, or the deadline is reached."""

    def __init__(self, host: str, port: int, deadline: float) -> None:
        """Connect. Args: deadline: of `time.monotonic`, for all steps together.

        Raises:
            socket.gaierror: the name is not known.
            OSError: nothing listens there, or nobody answers.
        """
        self._host, self._deadline = host, deadline
        self._socket = self._connect(_addresses(host, port, deadline))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def begin_tls(self, authority: Path | None, *, verify: bool = True) -> None:
        """As the client does. Args: authority: None: those of this machine.

        Raises:
            ssl.SSLError: one side refuses the other.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif authority:
            context.load_verify_locations(authority)
        else:
            context.load_default_certs()
        self._set_timeout()
        self._socket = context.wrap_socket(self._socket, server_hostname=self._host)

    def certificate_ends(self) -> float | None:
        """The Unix time at which the broker's certificate expires; None: no TLS, or it was not verified."""
        certificate = self._socket.getpeercert() if isinstance(self._socket, ssl.SSLSocket) else None
        ends = certificate and certificate.get("notAfter")
        return ssl.cert_time_to_seconds(str(ends)) if ends else None

    def speaks_kafka(self) -> None:
        """Raises: NotKafkaError, OSError: it does not, or not like this."""
        self._ask(API_VERSIONS, b"")

    def brokers(self) -> list[tuple[str, int]]:
        """Host and port of every broker, as the brokers advertise them to clients. After the login."""
        answer = self._ask(METADATA, struct.pack(">i", 0))
        (count,) = struct.unpack_from(">i", answer)
        found, place = [], 4
        for _ in range(count):
            (length,) = struct.unpack_from(">h", answer, place + 4)
            host = answer[place + 6 : place + 6 + length].decode()
            place += 6 + length
            port, rack = struct.unpack_from(">ih", answer, place)
            place += 6 + max(0, rack)
            found.append((host, port))
        return found

    def mechanisms(self, mechanism: str) -> list[str] | None:
        """Choose a SASL mechanism; return those that the listener has. None: it has no login at all."""
        answer = self._ask(SASL_HANDSHAKE, _string(mechanism))
        code, count = struct.unpack_from(">hi", answer)
        if code == NOT_SASL:
            return None
        found, place = [], 6
        for _ in range(count):
            (length,) = struct.unpack_from(">h", answer, place)
            found.append(answer[place + 2 : place + 2 + length].decode())
            place += 2 + length
        return found

    def login(self, mechanism: str, user: str, password: str) -> Login:
        """Log in, with the mechanism that was chosen."""
        exchange = get_sasl_mechanism(mechanism)(
            host=self._host, sasl_plain_username=user, sasl_plain_password=password, sasl_mechanism=mechanism
        )
        while not exchange.is_done():
            token = exchange.auth_bytes()
            answer = self._ask(SASL_AUTHENTICATE, struct.pack(">i", len(token)) + token)
            code, length = struct.unpack_from(">hh", answer)
            place = 4 + max(0, length)
            if code != NO_ERROR:
                return Login(accepted=False, why=answer[4:place].decode(errors="replace"))
            (size,) = struct.unpack_from(">i", answer, place)
            try:
                exchange.receive(answer[place + 4 : place + 4 + size])
            except (ValueError, KeyError):
                return Login(accepted=False, why=NO_PROOF)
        return Login(accepted=bool(exchange.is_authenticated()), why=NO_PROOF)

    def _connect(self, addresses: list[tuple[int, tuple[str, int]]]) -> socket.socket:
        problem: OSError = TimeoutError("timed out")
        for family, address in addresses:
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(max(0.01, self._deadline - time.monotonic()))
                connection.connect(address)
            except OSError as error:
                connection.close()
                problem = error
            else:
                return connection
        raise problem

    def _ask(self, request: tuple[int, int], body: bytes) -> bytes:
        """The answer's body."""
        message = struct.pack(">hhih", *request, 1, -1) + body
        self._set_timeout()
        self._socket.sendall(struct.pack(">i", len(message)) + message)
        (length,) = struct.unpack(">i", self._read(4))
        if not 4 <= length <= MOST_BYTES:
            raise NotKafkaError("what came is no answer of Kafka")
        return self._read(length)[4:]

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            self._set_timeout()
            if not (more := self._socket.recv(count - len(data))):
                raise NotKafkaError("the connection was closed")
            data += more
        return data

    def _set_timeout(self) -> None:
        self._socket.settimeout(max(0.01, self._deadline - time.monotonic()))


def _addresses(host: str, port: int, deadline: float) -> list[tuple[int, tuple[str, int]]]:
    """The addresses behind a name. Asked on a thread: the resolver has a timeout of its own, of many seconds."""
    answers: queue.SimpleQueue[list[tuple[int, tuple[str, int]]] | OSError] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([(int(family), (str(address[0]), int(address[1]))) for family, _, _, _, address in found])
        except OSError as error:
            answers.put(error)

    threading.Thread(target=resolve, name="resolve", daemon=True).start()
    answer: list[tuple[int, tuple[str, int]]] | OSError = TimeoutError("DNS does not answer")
    with suppress(queue.Empty):
        answer = answers.get(timeout=max(0.01, deadline - time.monotonic()))
    if isinstance(answer, OSError):
        raise answer
    return answer


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text.encode())) + text.encode()
