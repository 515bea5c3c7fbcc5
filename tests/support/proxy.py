"""A network that can be broken: a TCP proxy whose faults are set while it runs.

    with Proxy(upstream=27017) as proxy:
        proxy.delay, proxy.bytes_per_second = 0.3, 256_000
        proxy.hang() ... proxy.refuse() ... proxy.heal() ... proxy.reset_every(1)

(Toxiproxy can do the same, but it is one more program to build and to drive over HTTP.)
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import Any, Self

from tests.support.ports import free_ports

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: whoever closes such a socket tells the other side of an error, and not of an end."""
WAYS = ("up", "down")
"""From the clients to the server, and back."""
CHUNK = 16 * 1024
PATIENCE_SECONDS = 1.0
CHUNKS_IN_FLIGHT = 256
"""For each direction of each connection; whoever sends more than that waits."""


class Proxy:
    """One port of the loopback that leads to another one. What was sent is never dropped by a hang, only late."""

    def __init__(self, upstream: int | None = None, tls: ssl.SSLContext | None = None) -> None:
        """Args: tls: what clients meet; the way to the server is in the clear."""
        (self.port,) = free_ports(1)
        self.upstream = upstream
        self._tls = tls
        self.delay = 0.0
        """Seconds that every answer comes later."""
        self.bytes_per_second: float | None = None
        """In each direction, for all connections together."""
        self.cut = 0
        """Connections that were reset."""
        self.held = 0
        """Bytes from clients that are kept back by a hang now."""
        self._free_at = dict.fromkeys(WAYS, 0.0)
        self._sockets: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None
        self._resetting: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._open = {way: asyncio.Event() for way in WAYS}
        for way in WAYS:
            self._open[way].set()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._shut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hang(self, *ways: str) -> None:
        """Accept, and pass nothing on, until it is healed. One way only, where one is named: `up`, `down`."""
        self._do(lambda: [self._open[way].clear() for way in ways or WAYS])

    def refuse(self) -> None:
        """Reset what is connected, and take no more."""
        self._do(self._refuse)

    def reset_every(self, seconds: float) -> None:
        """Reset all that is connected, again and again."""
        self._do(lambda: self._reset_every(seconds))

    def heal(self) -> None:
        """As new: no fault of any kind. What a hang kept back is passed on now."""
        self._do(self._heal)

    # From here on everything runs on the loop.

    def _do(self, what: Callable[[], Any]) -> None:
        async def done() -> None:
            if asyncio.iscoroutine(waited := what()):
                await waited

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=CHUNK, ssl=self._tls)

    async def _refuse(self) -> None:
        if (server := self._server) is not None:
            self._server = None
            # A connection that is being accepted while its server is closed would never be closed itself.
            for listening in server.sockets:
                self._loop.remove_reader(listening.fileno())
            await _turns()
            server.close()
        self._reset()

    def _reset(self) -> None:
        for transport in list(self._sockets):
            # One that has just ended by itself has no socket any more.
            with contextlib.suppress(OSError):
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            transport.abort()
        self.cut += len(self._sockets) // 2
        self._sockets.clear()

    def _reset_every(self, seconds: float) -> None:
        async def again() -> None:
            while True:
                await asyncio.sleep(seconds)
                self._reset()

        self._resetting = self._loop.create_task(again())

    async def _heal(self) -> None:
        self.delay, self.bytes_per_second = 0.0, None
        for way in WAYS:
            self._open[way].set()
        if self._resetting is not None:
            self._resetting.cancel()
            self._resetting = None
        await self._listen()

    async def _shut(self) -> None:
        await self._heal()
        await self._refuse()
        await _turns()
        # What is connected has been reset, so its tasks end by themselves; one may wait for a server that does not answer.
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            _, pending = await asyncio.wait(left, timeout=PATIENCE_SECONDS)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        await _turns()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        both = {writer.transport}
        try:
            await self._open["up"].wait()
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream, limit=CHUNK)
            both.add(up_writer.transport)
            if self._server is None:
                # Refused meanwhile, or closed.
                return
            self._sockets |= both
            await asyncio.gather(self._pipe(reader, up_writer, "up"), self._pipe(up_reader, writer, "down"))
        except OSError:
            # Nobody answers at the upstream port.
            pass
        finally:
            self._sockets -= both
            for transport in both:
                transport.abort()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_IN_FLIGHT)
        filling = self._loop.create_task(self._fill(chunks, reader, way))
        try:
            with contextlib.suppress(OSError):
                while (next_one := await chunks.get())[1]:
                    await self._pass(*next_one, writer, way)
                writer.write_eof()
        finally:
            filling.cancel()

    async def _fill(self, chunks: asyncio.Queue[tuple[float, bytes]], reader: asyncio.StreamReader, way: str) -> None:
        data = b"-"
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            await chunks.put((self._loop.time() + (self.delay if way == "down" else 0.0), data))

    async def _pass(self, due: float, data: bytes, writer: asyncio.StreamWriter, way: str) -> None:
        await asyncio.sleep(due - self._loop.time())
        if self.bytes_per_second:
            begins = max(self._free_at[way], self._loop.time())
            self._free_at[way] = begins + len(data) / self.bytes_per_second
            await asyncio.sleep(self._free_at[way] - self._loop.time())
        if not self._open[way].is_set():
            counted = len(data) if way == "up" else 0
            self.held += counted
            try:
                await self._open[way].wait()
            finally:
                self.held -= counted
        writer.write(data)
        await writer.drain()


async def _turns() -> None:
    """A few turns of the loop: a connection that was just accepted gets its task, and one that was aborted is closed."""
    for _ in range(3):
        await asyncio.sleep(0)
