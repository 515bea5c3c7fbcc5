"""Collects the status of the fleet from supervisord, Kafka, MongoDB and the heartbeats. No service that hangs delays it."""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from workers.fleet.endings import Endings
from workers.fleet.start_command import how_to_start
from workers.fleet.status.event_file import EventFile
from workers.fleet.status.model import Answers, FleetInfo, Status, SupervisordAnswer, build_status
from workers.fleet.status.one_route import OneRoute
from workers.fleet.status.poller import Down, Poller
from workers.fleet.status.requests import KafkaRequest, MongoDBRequest
from workers.fleet.status.slot_facts import SlotFacts
from workers.fleet.status.topic_rates import TopicRates
from workers.fleet.supervisor import Process, SupervisorClient
from workers.kafka.topics import create_command
from workers.naming import all_worker_names, is_worker
from workers.settings import redact
from workers.state.audit_file import audit_file, read_audit
from workers.state.heartbeat import Beat, read_beat
from workers.state.pause_file import pause_file, read_pauses
from workers.state.proc import process_stat, uptime
from workers.state.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from workers.kafka.kafka_look import KafkaLook
    from workers.settings import Settings
    from workers.settings.paths import StatePaths

SHARED_SECONDS = 0.2
"""Between two looks at the answer that somebody else gets of Kafka."""
RATE_SECONDS = 2.0
"""The window for records a second."""
EVENTS = 20


class StatusCollector:
    """Polls every service in the background from `start` to `close` (or in a `with`); `collect` combines the latest answers."""

    def __init__(
        self,
        settings: Settings,
        paths: StatePaths,
        every: float = 2.0,
        events: int = EVENTS,
        kafka: Callable[[], KafkaLook] | None = None,
        route: str | None = None,
    ) -> None:
        """Args:
        paths: of the tree whose fleet it is.
        every: seconds between two requests to Kafka, and to MongoDB.
        events: how many of the last events are in the status.
        kafka: what somebody else asks Kafka anyway; None: asked here.
        route: only what is of this route, one of the settings'; None: of all.
        """
        self._tree, self._state_dir = paths.tree, paths.state_dir
        self._settings = settings
        table = settings.route_table
        self._one_route = None if route is None else OneRoute(table, route)
        table = self._one_route.table if self._one_route else table
        self._info = FleetInfo(
            str(paths.tree),
            table.names,
            settings.group,
            settings.bootstrap_servers,
            redact(settings)["WORKERS_MONGODB_URI"].partition("?")[0],
            settings.max_iteration_seconds,
            create_command((*table.topics, settings.topic)[0], settings.bootstrap_servers, settings.security_protocol),
            routes=table,
            fingerprint=settings.route_table.fingerprint,
        )
        client = SupervisorClient(paths.supervisord_socket)
        self._endings = Endings(client)
        self._events = EventFile(paths.events_file, events)
        self._supervisord = Poller(lambda: self._ask_supervisord(client), 0.3)
        own, mongodb = KafkaRequest(settings), MongoDBRequest(settings, self._info.mongodb)
        self._kafka = Poller(kafka, SHARED_SECONDS) if kafka else Poller(own, every, own.close)
        self._mongodb = Poller(mongodb, every, mongodb.close)
        self._pollers: list[Poller[Any]] = [self._supervisord, self._kafka, self._mongodb]
        self._rates, self._topic_rates = _Rates(), TopicRates()
        self._pause_file = pause_file(paths.state_dir, settings.group)
        self._audit_file = audit_file(paths.state_dir, settings.group)

    def start(self) -> None:
        """Start polling, each service on its own thread."""
        for poller in self._pollers:
            poller.start()

    def close(self) -> None:
        """Stop polling. A request that hangs is not waited for."""
        for poller in self._pollers:
            poller.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, seconds: float, least: float = 0.0) -> Self:
        """Wait until every service has answered once; and once more at the end of the shortest wait, if it is up.

        Args:
            seconds: the longest wait.
            least: the shortest wait where a worker runs, so that there are rates.
        """
        started = time.monotonic()
        # The first sample of the heartbeats, from which the rates are computed.
        self.collect()
        self._await_answers(started + seconds)
        # The first sample of the offsets, too.
        self._kafka_answer(time.monotonic())
        if least and self._rates.has_samples:
            time.sleep(max(0.0, started + least - time.monotonic()))
            # What Kafka said before this wait may contradict what the heartbeats say after it: a worker has just joined.
            now = time.monotonic()
            for poller in self._pollers:
                if not isinstance(poller.answer(now), Down):
                    poller.ask_now()
            self._await_answers(started + seconds)
        return self

    def _await_answers(self, deadline: float) -> None:
        for poller in self._pollers:
            poller.answered.wait(max(0.0, deadline - time.monotonic()))

    def collect(self) -> Status:
        """The status of the fleet by the latest answers."""
        now = time.monotonic()
        supervisord, mongodb = self._supervisord.answer(now), self._mongodb.answer(now)
        processes = supervisord.processes if isinstance(supervisord, SupervisordAnswer) else []
        slots = dict(self._slots(now, {each.name: each for each in processes if is_worker(each.name)}))
        services: dict[str, Poller[Any]] = {
            "supervisord": self._supervisord,
            "Kafka": self._kafka,
            "MongoDB": self._mongodb,
        }
        kafka = self._kafka_answer(now)
        answers = Answers(
            supervisord,
            kafka,
            mongodb if isinstance(mongodb, Down) else None,
            slots,
            {
                name: seconds
                for name, facts in slots.items()
                if facts.live_beat and (seconds := uptime(facts.live_beat.started)) is not None
            },
            self._endings.explained(self._events.last()),
            {name: seconds for name, poller in services.items() if (seconds := poller.down_seconds(now)) is not None},
            read_audit(self._audit_file),
            self._topic_rates.now,
            read_pauses(self._pause_file),
        )
        if self._one_route:
            answers = self._one_route.of(answers)
        info = self._info._replace(start=how_to_start(self._tree)) if isinstance(supervisord, Down) else self._info
        return build_status(info, answers, now, datetime.now(UTC).isoformat(timespec="milliseconds"))

    def _kafka_answer(self, now: float) -> KafkaLook | Down:
        answer = self._kafka.answer(now)
        if not isinstance(answer, Down):
            self._topic_rates.add(answer)
        return answer

    def _ask_supervisord(self, client: SupervisorClient) -> SupervisordAnswer:
        answer = SupervisordAnswer(client.pid(), client.processes())
        self._endings.look(self._events.last())
        return answer

    def _slots(self, now: float, processes: Mapping[str, Process]) -> Iterator[tuple[str, SlotFacts]]:
        """The slots that supervisord has or a live worker holds. Files of a dead worker make no slot."""
        starts = self._events.starts()
        for name in all_worker_names():
            slot = Slot(self._state_dir, self._settings.group, name)
            process, beat = processes.get(name), read_beat(slot.heartbeat_file)
            kernel = _kernel_state(beat) if beat else None
            if process or kernel not in (None, "Z", "X"):
                restarts = max(0, starts[name] - 1) if process and name in starts else None
                rate = self._rates.of(name, beat, now) if beat else None
                member = slot.member.read()
                lives = member.lives if member else None
                # Without a heartbeat, a file that does not name its process says nothing about this one.
                member_id = member.id if member and (beat or lives is not None) else None
                yield name, SlotFacts(process, beat, kernel, member_id, restarts, rate, lives)


class _Rates:
    """Records a second of every worker, from the counters in its heartbeats."""

    def __init__(self) -> None:
        self._samples: dict[str, tuple[tuple[int, int], deque[tuple[float, int]]]] = {}
        """By slot: its process (pid, start), and time and records of that one's last heartbeats."""

    @property
    def has_samples(self) -> bool:
        return bool(self._samples)

    def of(self, name: str, beat: Beat, now: float) -> float | None:
        process = beat.pid, beat.started
        known, samples = self._samples.get(name, (process, deque()))
        if known != process:
            samples = deque()
        self._samples[name] = process, samples
        samples.append((now, beat.records))
        while len(samples) > 2 and samples[1][0] <= now - RATE_SECONDS:
            samples.popleft()
        seconds = now - samples[0][0]
        return (beat.records - samples[0][1]) / seconds if seconds > 0 else None


def _kernel_state(beat: Beat) -> str | None:
    """See `SlotFacts.kernel`: None only where the process that wrote this has ended."""
    stat = process_stat(beat.pid)
    if stat is None or stat.started != beat.started:
        return None
    # It is alive, and its state is unknown: as good as running, so its heartbeat decides.
    return stat.state or "R"
