"""The timeline for `status --watch`: from `workers lag`, which knows what was before, or else looked at here."""

from __future__ import annotations

import ipaddress
import json
import time
from typing import TYPE_CHECKING, Any, Self
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from workers.errors import UnavailableError
from workers.fleet.status.poller import Down, Poller
from workers.fleet.timeline.sampler import Sampler
from workers.naming import address
from workers.types import TopicPartition

if TYPE_CHECKING:
    from workers.settings import Settings
    from workers.settings.paths import StatePaths

EVERY_SECONDS = 0.5
ANSWER_SECONDS = 1.5
MOST_BYTES = 8 << 20


class TimelineReader:
    """Use it with `with`. `read` never waits."""

    def __init__(self, settings: Settings, paths: StatePaths, seconds: int = 120) -> None:
        """Does no I/O. Args: seconds: how far back."""
        host = "127.0.0.1" if _is_any(settings.metrics_host) else settings.metrics_host
        self._seconds, self._group, self._topic = seconds, settings.group, settings.route_table.names
        self._url = f"http://{address(host, settings.lag_port)}/timeline.json?seconds={seconds}"
        # It is on this host: no proxy is asked.
        self._opener = build_opener(ProxyHandler({}))
        self._poller = Poller(self._ask, EVERY_SECONDS)
        self._sampler = Sampler(settings, paths)
        self._is_sampling = False

    def __enter__(self) -> Self:
        self._poller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._poller.stop()
        self._sampler.stop()

    def read(self) -> dict[str, Any]:
        """See `Timeline.as_dict`. From the first time on that `workers lag` does not answer, it is looked at here too."""
        answer = self._poller.answer(time.monotonic())
        if not isinstance(answer, Down):
            return answer
        if self._poller.answered.is_set() and not self._is_sampling:
            self._is_sampling = True
            self._sampler.start()
        return self._sampler.as_dict(self._seconds)

    def _ask(self) -> dict[str, Any]:
        try:
            with self._opener.open(self._url, timeout=ANSWER_SECONDS) as answer:
                told = json.loads(answer.read(MOST_BYTES))
        except (URLError, OSError, ValueError) as error:
            raise UnavailableError("does not answer") from error
        if not isinstance(told, dict) or (told.get("group"), told.get("topic")) != (self._group, self._topic):
            raise UnavailableError("is that of another fleet")
        return told


def _is_any(host: str) -> bool:
    """Whether it is served on every address of this host."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def holes_in(told: dict[str, Any]) -> dict[TopicPartition, float]:
    """By partition whose records wait and are stored by nobody now: for how many seconds. Args: told: a timeline."""
    found = {}
    for each in told["partitions"]:
        waiting = None
        for start, end, _, kind in reversed(each["bands"]):
            if kind != "waiting":
                break
            waiting = (waiting or 0.0) + end - start
        if waiting is not None:
            found[TopicPartition(each["topic"], each["partition"])] = waiting
    return found
