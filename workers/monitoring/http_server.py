"""An HTTP server that cannot be used against its process: whatever clients do, it takes a bounded share of everything.

One thread, and no time in which it waits for one client: all sockets are non-blocking. A connection is one request. What
a client can take is bounded in number (connections, the oldest idle one is closed for a new one), in bytes (a request),
in time (a request as a whole, an answer as a whole) and in work (a share of one processor). Answers that wait for
something else, as `/readyz` for the database, are made one after the other on a second thread, and delay no other.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections import Counter, deque
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self

import structlog

from workers.errors import UnavailableError
from workers.monitoring.http_connection import Connection, ConnectionState, is_readable, listen
from workers.monitoring.http_request import HttpAnswers, path_of
from workers.monitoring.spare_descriptor import SpareDescriptor
from workers.process import SMALL_STACK, NoThreadError, start_thread
from workers.state.proc import port_holder

if TYPE_CHECKING:
    from collections.abc import Collection
    from threading import Thread
    from wsgiref.types import WSGIApplication

MAX_CONNECTIONS = 64
MAX_UNSENT_BYTES = 4 << 20
"""Of all answers that clients have not read yet."""
ACCEPTS_PER_TURN = 16
"""Fewer than there may be, so that a request that has arrived is read before its connection is the oldest one."""
PROCESSOR_SHARE = 0.2
"""Of one processor: the thread pauses after its work, so that a flood of requests does not slow down the process."""
LONGEST_PAUSE_SECONDS = 0.5
NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
NO_DESCRIPTOR_SECONDS = 0.5
"""The pause after a connection for which there was no file descriptor, and none to be freed."""
LOG_EVERY_SECONDS = 60.0

log = structlog.get_logger()


class Server:
    """Serves a WSGI application on threads of its own."""

    def __init__(
        self, host: str, port: int, app: WSGIApplication, what: str, setting: str, waiting: Collection[str] = ()
    ) -> None:
        """Args:
        what: what is served, for the error message.
        setting: the setting of the port, for the error message.
        waiting: the paths whose answers wait for something else.
        """
        self._host, self.port, self._app = host, port, app
        self._what, self._setting, self._waiting = what, setting, waiting
        self._threads: list[Thread] = []
        self._closing = False
        self._connections: dict[Connection, None] = {}
        """Oldest first. Only the server's thread uses them."""
        # The server's thread gives the second one requests, and gets answers from it; the pipe wakes it up then.
        self._questions: SimpleQueue[tuple[Connection, bytes] | None] = SimpleQueue()
        self._answers: deque[tuple[Connection, bytes]] = deque()
        self._spare = SpareDescriptor()
        self._accept_again = 0.0
        self._logged = -LOG_EVERY_SECONDS

    def start(self) -> Self:
        """Bind the port and serve; `port` is then the one that was bound, also where 0 was asked for.

        Raises:
            UnavailableError: the port is in use.
            NoThreadError: there is no thread to serve it.
        """
        host, port = self._host, self.port
        try:
            self._listener = listen(host, port)
            self._wake_reader, self._wake_writer = socket.socketpair()
            self._selector = selectors.DefaultSelector()
        except OSError as error:
            holder = port_holder(port) if error.errno == errno.EADDRINUSE else None
            # Not its own text: `create_server` puts more into that.
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise UnavailableError(
                f"cannot serve {self._what} on {host}:{port}: {why}{f' by {holder}' if holder else ''}. "
                f"Set {self._setting} to another port, or stop the process that has this one: another fleet?"
            ) from error
        self.port = self._listener.getsockname()[1]
        environ = {"SERVER_NAME": host, "SERVER_PORT": str(self.port), "SCRIPT_NAME": "", "REMOTE_HOST": ""}
        self._answered = HttpAnswers(self._app, environ)
        for each in (self._listener, self._wake_reader, self._wake_writer):
            each.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._spare.reserve()
        try:
            self._threads.append(start_thread(self._serve, "http", SMALL_STACK))
            if self._waiting:
                self._threads.append(start_thread(self._answer_questions, "http-waiting", SMALL_STACK))
        except NoThreadError:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Stop serving, and release the port. An answer that still waits is not waited for."""
        self._closing = True
        if self._threads:
            self._wake()
            self._questions.put(None)
            self._threads[0].join()
        for connection in list(self._connections):
            connection.close(abort=True)
        for each in (self._listener, self._wake_reader, self._wake_writer, self._selector):
            each.close()
        self._spare.release()

    # The server's thread

    def _serve(self) -> None:
        while not self._closing:
            worked = LONGEST_PAUSE_SECONDS
            try:
                worked = self._turn()
            except Exception as error:  # noqa: BLE001 nothing that happens to one connection may end the server
                self._log("serving over HTTP failed once; it goes on", error=f"{type(error).__name__}: {error}")
            time.sleep(min(LONGEST_PAUSE_SECONDS, worked * (1 / PROCESSOR_SHARE - 1)))

    def _turn(self) -> float:
        """Do everything that can be done without waiting. Returns: the seconds of processor time that it took."""
        events = self._selector.select(self._seconds_to_next_deadline())
        began = time.thread_time()
        now = time.monotonic()
        if self._accept_again and now >= self._accept_again:
            self._accept_again = 0.0
            self._selector.register(self._listener, selectors.EVENT_READ)
        ready = {key.fileobj for key, _ in events}
        # What has arrived is read before new connections push out the oldest.
        for connection in [key.data for key, _ in events if key.data]:
            self._proceed(connection)
        if self._listener in ready:
            self._accept()
        if self._wake_reader in ready:
            self._wake_reader.recv(4096)
        while self._answers:
            self._write(*self._answers.popleft())
        for connection in [each for each in self._connections if each.deadline <= now]:
            self._close(connection, abort=True)
        return time.thread_time() - began

    def _seconds_to_next_deadline(self) -> float | None:
        deadlines = [each.deadline for each in self._connections]
        deadlines += [self._accept_again] if self._accept_again else []
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            if len(self._connections) >= MAX_CONNECTIONS:
                self._log("more connections over HTTP than are served at once; the oldest are closed")
                self._close_least_needed()
            try:
                client, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in NO_DESCRIPTOR and not is_readable(self._listener):
                    # Without a descriptor this fails before it looks whether anybody waits. Nobody does, so that nobody is
                    # closed for it: least of all the client that was just accepted, and whose request is on its way.
                    return
                if error.errno in NO_DESCRIPTOR and not self._free_descriptor():
                    # Else this turn would come again at once, for as long as somebody waits to be accepted.
                    self._selector.unregister(self._listener)
                    self._accept_again = time.monotonic() + NO_DESCRIPTOR_SECONDS
                    return
                # There is one now, or the client has gone already.
                continue
            client.setblocking(False)
            connection = Connection(client, str(address[0]), self._selector)
            self._connections[connection] = None
            # A client whose request has arrived with its connection is answered at once.
            self._proceed(connection)

    def _close_least_needed(self) -> None:
        """The oldest of the address that has most, and sooner than one that waits for its answer."""
        per_host = Counter(each.host for each in self._connections)
        oldest = min(
            self._connections, key=lambda each: (each.state is ConnectionState.ANSWERING, -per_host[each.host])
        )
        self._close(oldest, abort=True)

    def _proceed(self, connection: Connection) -> None:
        request = connection.proceed()
        if request is not None:
            if path_of(request) in self._waiting:
                self._questions.put((connection, request))
            else:
                self._write(connection, self._answered.to(connection.host, request))
                return
        if connection.state is ConnectionState.CLOSED:
            self._close(connection)

    def _write(self, connection: Connection, content: bytes) -> None:
        writing = [each for each in self._connections if each.state is ConnectionState.WRITING]
        while writing and sum(each.unsent for each in writing) > MAX_UNSENT_BYTES:
            self._close(writing.pop(0), abort=True)
        connection.write(content)
        if connection.state is ConnectionState.CLOSED:
            self._close(connection)

    def _close(self, connection: Connection, *, abort: bool = False) -> None:
        connection.close(abort=abort)
        self._connections.pop(connection, None)
        self._spare.reserve()

    def _free_descriptor(self) -> bool:
        """Whether there is one now for the connection that waits to be accepted."""
        self._log("this process has no file descriptor left; connections over HTTP are served one at a time")
        if not self._spare.is_reserved and self._connections:
            # What this frees becomes the spare one.
            self._close_least_needed()
        return self._spare.release()

    def _log(self, message: str, **facts: object) -> None:
        if (now := time.monotonic()) - self._logged >= LOG_EVERY_SECONDS:
            self._logged = now
            log.warning(message, port=self.port, **facts)

    # The second thread

    def _answer_questions(self) -> None:
        while (question := self._questions.get()) is not None:
            connection, request = question
            # A client that has been closed meanwhile needs no answer.
            if connection.state is ConnectionState.ANSWERING:
                self._answers.append((connection, self._answered.to(connection.host, request)))
                self._wake()

    def _wake(self) -> None:
        # It is full, and so wakes the thread up already, or the server is closed.
        with suppress(OSError):
            self._wake_writer.send(b".")
