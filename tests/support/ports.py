"""Ports for servers of tests. Test processes that run beside each other take them from ranges of their own."""

from __future__ import annotations

import os
import random
import socket

FIRST, END = 20_000, 32_000
"""Below the range that the kernel hands out to clients: a client that dials a server which is down for a moment could
otherwise be given that very port, and talk to itself."""


def _own() -> range:
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = (END - FIRST) // processes
    return range(FIRST + number * share, FIRST + (number + 1) * share)


def free_ports(count: int) -> list[int]:
    found: dict[int, socket.socket] = {}
    try:
        while len(found) < count:
            port = random.choice(_own())
            probe = socket.socket()
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                probe.close()
            else:
                found[port] = probe
        return list(found)
    finally:
        for probe in found.values():
            probe.close()


def free_row(count: int) -> int:
    """The first of so many free ports in a row: a fleet takes one port a slot, from a base on."""
    for _ in range(100):
        first = random.choice(_own()[:-count])
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise RuntimeError(f"no {count} free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
