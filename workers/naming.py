"""Names of workers, and of addresses. A worker is named by its slot, `worker_NN`, so that it has the same name after a restart.

supervisord, Kafka (as client id), the state directory, the metrics and the event log use this name.
"""

from __future__ import annotations

import re

MAX_SLOTS = 100
"""Slots are numbered from 0 with two digits."""
_PREFIX = "worker_"
_NAME = re.compile(_PREFIX + "[0-9]{2}")


def worker_name(slot: int) -> str:
    """The name of the worker in this slot. Args: slot: 0 to `MAX_SLOTS` - 1."""
    return f"{_PREFIX}{slot:02d}"


def all_worker_names() -> list[str]:
    """The names of all possible slots, in order."""
    return [worker_name(slot) for slot in range(MAX_SLOTS)]


def is_worker(name: str) -> bool:
    """Whether this process is a worker, and not for example the watchdog."""
    return _NAME.fullmatch(name) is not None


def slot_of(name: str) -> int:
    """The slot of a worker. Args: name: one of `worker_name`."""
    return int(name.removeprefix(_PREFIX))


def short_name(name: str) -> str:
    """A worker's two digits, for narrow output; any other name unchanged."""
    return name.removeprefix(_PREFIX) if is_worker(name) else name


def address(host: str, port: int) -> str:
    """`host:port` as URLs have it: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
